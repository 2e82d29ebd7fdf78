"""Takes files through parse and validate, as a run does up to its load: the stages themselves, on a folder that goes.

These stages need no warehouse: only split asks the ledger, for cuts that were made before, and here there are none.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sluice.batches import write_batch
from sluice.cutting import cut_file
from sluice.feed.model import Feed
from sluice.quarantine import read_reject
from sluice.records import Batch, Cut, LedgerFile, Part, PartOutcome, Reject, Run
from sluice.sources import Clients
from sluice.stages.parse import parse
from sluice.stages.split import batch_bytes, must_be_opened, pack, spool_batches, weigh_file
from sluice.stages.validate import validate
from sluice.tools import Tools
from sluice.totals.books import Comparison, PartTotal, read_part_totals
from sluice.workfiles import WorkFiles

if TYPE_CHECKING:
    import pyarrow as pa

_SPOOLING_RUN = 0


@dataclass(frozen=True)
class TriedBatch:
    """What parse and validate made of one batch. Its rows and rejects can be read until the next one is asked for."""

    tools: Tools
    run_id: int
    batch: Batch
    outcomes: Mapping[int, PartOutcome]
    """By part."""
    verdict: Mapping[str, Any]
    drift: Mapping[str, Any]
    """As ``drift.describe_batch`` has it."""
    seconds: float
    """What parse took."""
    is_judged: bool = True
    totals: tuple[PartTotal, ...] = ()

    @property
    def feed(self) -> Feed:
        return self.tools.feed

    @property
    def held(self) -> frozenset[int]:
        """The parts that the gate holds."""
        return frozenset(self.verdict["held_parts"])

    @cached_property
    def files(self) -> dict[int, LedgerFile]:
        """By part."""
        return {part.part_id: part.file for part in self.batch.parts}

    def rows(self, table: str) -> Iterator[pa.Table]:
        """The rows that would load, a group at a time; of child tables with ``_rec`` and ``_part`` only as lineage."""
        yield from self._groups(table)

    def deletes(self, root: str) -> Iterator[pa.Table]:
        """Key and version of the records of a root table that delete."""
        if self.feed.tables[root].deletes is not None:
            yield from self._groups(f"{root}.deletes")

    def _groups(self, name: str) -> Iterator[pa.Table]:
        import numpy as np

        from sluice.rowfiles import read_groups

        left_out = [part for part, outcome in self.outcomes.items() if outcome.failed or part in self.held]
        with self.tools.work.open_read(self.tools.work.table(self.feed.feed, self.run_id, 0, name)) as file:
            for group in read_groups(file):
                out = np.isin(group["_part"].to_numpy(), left_out)
                out |= np.isin(group["_rec"].to_numpy(), self.verdict["rejected"])
                yield group.filter(~out) if out.any() else group

    def compare(self, comparison: Comparison) -> None:
        """Add what the files of the batch state, and what was found in them."""
        rejected = Counter((reject.part_id, reject.member) for reject in self.rejects() if reject.ordinal is not None)
        comparison.take(self.batch.parts, self.totals, rejected)

    def rejects(self) -> Iterator[Reject]:
        """What parse rejected, then what the gate did in parts that it does not hold."""
        work, feed = self.tools.work, self.feed.feed
        yield from self._read_rejects(work.rejects(feed, self.run_id, 0))
        if self.is_judged:
            for reject in self._read_rejects(work.gate_rejects(feed, self.run_id, 0)):
                if reject.part_id not in self.held:
                    yield reject

    def _read_rejects(self, path: str) -> Iterator[Reject]:
        with self.tools.work.open_read(path) as file:
            for line in file:
                yield read_reject(json.loads(line))


@dataclass(slots=True)
class Counts:
    """What was found in the files, and what would become of it: found = accepted + rejected + held.

    ``seconds`` are those of parse; ``files_rejected`` counts files and archive members that are rejected whole.
    """

    files: int = 0
    bytes_read: int = 0
    found: int = 0
    rejected: int = 0
    held: int = 0
    files_rejected: int = 0
    members_rejected: int = 0
    seconds: float = 0.0
    rows: dict[str, int] = field(default_factory=dict)
    """By table."""

    @property
    def accepted(self) -> int:
        return self.found - self.rejected - self.held

    def take(self, tried: TriedBatch) -> None:
        gone: set[tuple[int, str]] = set()
        for reject in tried.rejects():
            if reject.ordinal is None:
                gone.add((tried.files[reject.part_id].file_id, reject.member))
            self.rejected += 0 if reject.part_id in tried.held else reject.records
        self.files_rejected += len(gone)
        self.members_rejected += sum(member != "" for _, member in gone)
        self.bytes_read += sum(outcome.bytes_read for outcome in tried.outcomes.values())
        self.found += sum(outcome.found for outcome in tried.outcomes.values())
        self.held += sum(tried.outcomes[part].found for part in tried.held)
        self.seconds += tried.seconds
        for table in tried.feed.tables:
            self.rows[table] = self.rows.get(table, 0) + sum(group.num_rows for group in tried.rows(table))


def try_files(feed: Feed, files: Sequence[LedgerFile], clients: Clients | None = None) -> Iterator[TriedBatch]:
    """Batch after batch of ``files``. Raises what the stages raise: never for what is in a file."""
    with tempfile.TemporaryDirectory(prefix="sluice-tryout-") as folder:
        tools = Tools(feed, "", WorkFiles(folder), clients or Clients())
        for run_id, batch in enumerate(make_batches(tools, files), start=_SPOOLING_RUN + 1):
            yield try_batch(tools, run_id, batch)
            tools.work.remove_run(feed.feed, run_id)
            tools.work.remove_data_docs(feed.feed, run_id)


def make_batches(tools: Tools, files: Sequence[LedgerFile]) -> list[Batch]:
    """The files in batches, cut and packed as split does it."""
    target = batch_bytes(sum(map(weigh_file, files)), tools.slots)
    cuts = [
        (file, cut)
        for file in files
        for cut in (cut_file(tools, file, target) if must_be_opened(file, target) else [Cut()])
    ]
    parts = [Part(number, file, cut) for number, (file, cut) in enumerate(cuts, start=1)]
    run = Run(_SPOOLING_RUN, tools.feed.feed, "", 0, "", "no", dry_run=True)
    return spool_batches(tools, run, pack(parts, target))


def try_batch(tools: Tools, run_id: int, batch: Batch, *, is_judged: bool = True) -> TriedBatch:
    """Parse a batch and, if it ``is_judged``, validate it; its work files stay."""
    batch = replace(batch, number=0)
    write_batch(tools, run_id, batch)
    parse(tools, run_id, 0)
    work, feed = tools.work, tools.feed.feed
    if is_judged:
        validate(tools, run_id, 0)
    account = work.read_json(work.outcomes(feed, run_id, 0))
    outcomes = {item["part_id"]: PartOutcome(**item) for item in account["outcomes"]}
    verdict = work.read_json(work.verdict(feed, run_id, 0)) if is_judged else {"held_parts": [], "rejected": []}
    totals = read_part_totals(account)
    return TriedBatch(tools, run_id, batch, outcomes, verdict, account["drift"], account["seconds"], is_judged, totals)
