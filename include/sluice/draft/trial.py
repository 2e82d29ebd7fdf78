"""Runs a drafted feed over its samples, without a database: what it finds, what it rejects, what no column reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

import pyarrow as pa

from sluice.feed.loading import FEED_FILE, load_feed
from sluice.feed.model import Feed
from sluice.records import Batch, Cut, LedgerFile, Part
from sluice.rowfiles import read_rows
from sluice.sightings import NAMESPACE
from sluice.sources import Clients
from sluice.sources.files import describe_file
from sluice.spots import short_name
from sluice.tools import Tools
from sluice.tryout.trial import TriedBatch, try_batch
from sluice.workfiles import WorkFiles

_RUN = 1
MAX_FIRST_REJECTS = 10


@dataclass(slots=True)
class Trial:
    """What came of it. ``unread`` counts elements and attributes that no column takes, by path."""

    tried: TriedBatch
    rejects: Counter[str] = field(default_factory=Counter)
    first_rejects: list[str] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def feed(self) -> Feed:
        return self.tried.feed

    @property
    def found(self) -> int:
        return sum(outcome.found for outcome in self.tried.outcomes.values())

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of a table: these columns, or all."""
        work = self.tried.tools.work
        with work.open_read(work.table(self.feed.feed, _RUN, 0, name)) as file:
            return read_rows(file, columns)


@contextmanager
def run_trial(name: str, text: str, paths: Sequence[Path], folder: Path | None = None) -> Iterator[Trial]:
    """Parse all samples, each as a whole, by the feed file ``text``. Its rows can be read until the end of the block.
    ``folder`` has the XSDs that it names, if any.
    """
    with TemporaryDirectory(prefix="sluice-draft-") as scratch:
        home = Path(scratch) / name
        home.mkdir()
        if folder is not None and (folder / "xsd").is_dir():
            copytree(folder / "xsd", home / "xsd")
        (home / FEED_FILE).write_text(text, encoding="utf-8")
        tools = Tools(load_feed(home), "", WorkFiles(str(Path(scratch) / "work")), Clients())
        parts = tuple(_part(number, path) for number, path in enumerate(paths, start=1))
        trial = Trial(try_batch(tools, _RUN, Batch(0, parts), is_judged=False))
        _add_up(trial, dict(enumerate(paths, start=1)))
        yield trial


def _part(number: int, path: Path) -> Part:
    listed = describe_file(path)
    file = LedgerFile(number, listed.uri, listed.version, listed.size_bytes, listed.modified_at, None)
    return Part(number, file, Cut())


def _add_up(trial: Trial, paths: dict[int, Path]) -> None:
    trial.rows = {table: int(trial.table(table, ["_rec"]).num_rows) for table in trial.feed.tables}
    for reject in trial.tried.rejects():
        for reason in reject.reasons:
            place = ".".join(filter(None, (reason.table, reason.column)))
            trial.rejects[" ".join(filter(None, (reason.code, place)))] += 1
            if len(trial.first_rejects) < MAX_FIRST_REJECTS:
                where = f"{short_name(str(paths[reject.part_id]))}:{reject.line}"
                trial.first_rejects.append(f"{where}: {reason.code} {place}: {reason.message}")
    for finding in trial.tried.drift["findings"]:
        if finding["kind"] != NAMESPACE:
            trial.unread[finding["path"]] += finding["count"]
