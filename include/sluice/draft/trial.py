"""Runs a drafted feed over its samples, without a database: what it finds, what it rejects, what no column reads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

import pyarrow as pa

from sluice.batch_parser import BatchParser
from sluice.feed.loading import FEED_FILE, load_feed
from sluice.feed.model import Feed
from sluice.plan import Plan
from sluice.records import Batch, Cut, LedgerFile, Part
from sluice.rejects import RejectLog
from sluice.rowfiles import read_rows
from sluice.sightings import NAMESPACE
from sluice.sources import Clients
from sluice.sources.files import describe_file
from sluice.tabulate import BatchTables
from sluice.tools import Tools
from sluice.workfiles import WorkFiles, open_scratch

_RUN = 1


@dataclass(slots=True)
class Trial:
    """What came of it. ``unread`` counts elements and attributes that no column takes, by path."""

    feed: Feed
    found: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    rejects: Counter[str] = field(default_factory=Counter)
    first_rejects: list[str] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)
    files: dict[int, Path] = field(default_factory=dict)  # by part
    _work: WorkFiles | None = None

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of a table: these columns, or all."""
        assert self._work is not None
        with self._work.open_read(self._work.table(self.feed.feed, _RUN, 0, name)) as file:
            return read_rows(file, columns)


@contextmanager
def run_trial(name: str, text: str, paths: Sequence[Path], folder: Path | None = None) -> Iterator[Trial]:
    """Parse all samples by the feed file ``text``. Its rows can be read until the end of the block. ``folder`` has the
    XSDs that it names, if any.
    """
    with TemporaryDirectory(prefix="sluice-draft-") as scratch:
        home = Path(scratch) / name
        home.mkdir()
        if folder is not None and (folder / "xsd").is_dir():
            copytree(folder / "xsd", home / "xsd")
        (home / FEED_FILE).write_text(text, encoding="utf-8")
        work = WorkFiles(str(Path(scratch) / "work"))
        trial = Trial(load_feed(home), _work=work)
        _parse(trial, work, paths)
        yield trial


def _parse(trial: Trial, work: WorkFiles, paths: Sequence[Path]) -> None:
    feed = trial.feed
    tools = Tools(feed, "", work, Clients())
    parts = tuple(_part(number, path) for number, path in enumerate(paths, start=1))
    trial.files = {part.part_id: path for part, path in zip(parts, paths, strict=True)}
    plan = Plan(feed)
    with open_scratch() as scratch:
        log = RejectLog(scratch)
        with BatchTables(feed, plan, work, _RUN, 0, log) as tables:
            outcomes = BatchParser(feed, plan, tables, log).run(tools, Batch(0, parts), _AtOnce())  # type: ignore[arg-type]
        failed = {outcome.part_id: outcome.found for outcome in outcomes if outcome.failed}
        for line in log.settle(failed):
            _note_reject(trial, json.loads(line))
    trial.found = sum(outcome.found for outcome in outcomes)
    trial.rows = {table: _count(trial, table) for table in feed.tables}
    for sighting in plan.sightings:
        if sighting.count and sighting.kind != NAMESPACE:
            trial.unread[sighting.path] += sighting.count


def _count(trial: Trial, table: str) -> int:
    return int(trial.table(table, ["_rec"]).num_rows)


def _note_reject(trial: Trial, reject: dict[str, object]) -> None:
    reasons: list[dict[str, str]] = reject["reasons"]  # type: ignore[assignment]
    for reason in reasons:
        place = ".".join(filter(None, (reason["table"], reason["column"])))
        trial.rejects[" ".join(filter(None, (reason["code"], place)))] += 1
        if len(trial.first_rejects) < 10:
            file = trial.files[reject["part_id"]]  # type: ignore[index]
            trial.first_rejects.append(f"{file}:{reject['line']}: {reason['code']} {place}: {reason['message']}")


def _part(number: int, path: Path) -> Part:
    listed = describe_file(path)
    file = LedgerFile(number, listed.uri, listed.version, listed.size_bytes, listed.modified_at, None)
    return Part(number, file, Cut())


class _AtOnce:
    """All parts together, in one try."""

    given_up: Set[int] = frozenset()

    def divide(self, parts: Sequence[Part]) -> Iterator[Sequence[Part]]:
        yield parts

    def why(self, part_id: int) -> str:
        raise AssertionError(part_id)
