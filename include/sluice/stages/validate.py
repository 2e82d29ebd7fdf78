"""validate: the gate decides which records may load, and whether the batch may.

Reads:  the batch that split wrote; parse's outcomes and, of the tables that have expectations, the columns that these
        look at; the bytes of the records that the gate rejects.
Writes: the gate's rejects, its verdict, and a page of Data Docs per table, as work files.
Raises: ``WorkFilesUnavailable``, ``SourceUnavailable`` (try again); ``PermanentError`` for a wrong expectation.
Rerun:  overwrites its own output.

Row-level expectations come first, over all tables, for a record that fails in a child table is out in all of them. The
others are judged on what is left. Where one of these fails, each file of the batch is judged alone, and only the files
that fail alone are held; if none does, all are.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import time
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

from sluice import gate
from sluice.batches import read_batch
from sluice.errors import PermanentError
from sluice.feed.model import Expectation, Feed
from sluice.fragments import FragmentReader, Fragments
from sluice.gate import FailingRecords, Judged
from sluice.places import MAX_REASONS
from sluice.reading import Section, sections
from sluice.records import Batch, LedgerFile, Part, Reject, to_json
from sluice.tools import Tools

if TYPE_CHECKING:
    import pyarrow as pa

_PLACE = ["_rec", "_part", "_member", "_record", "_offset", "_length", "_line"]
_NAMED_FILES = 3
_SLICE_RECORDS = 2000


@dataclass(frozen=True, slots=True)
class ValidateSummary:
    """``records`` counts those that parse accepted; each of them is accepted, rejected or, with its whole file, held.

    ``expectations`` counts those judged, ``warnings`` those of severity warning or info that failed. ``reason`` says
    what stopped the batch, or some files of it.
    """

    number: int
    records: int
    accepted: int
    rejected: int
    held: int
    expectations: int
    warnings: int
    seconds: float
    reason: str | None = None

    def line(self) -> str:
        warned = f", {self.warnings} with a warning" if self.warnings else ""
        reason = f"; {self.reason}" if self.reason else ""
        return (
            f"validate: batch {self.number}: {self.records:,} records, {self.accepted:,} accepted,"
            f" {self.rejected:,} rejected by the gate, {self.held:,} held;"
            f" {self.expectations} expectations in {self.seconds:,.1f} s{warned}{reason}"
        )


@dataclass(frozen=True, slots=True)
class Stop:
    """A critical batch-level expectation that failed, and the files that it holds."""

    judged: Judged
    files: tuple[LedgerFile, ...]
    of_files: int
    fails_alone: bool

    def __str__(self) -> str:
        observed = f", observed {self.judged.observed:,.10g}" if self.judged.observed is not None else ""
        return f"{self.judged.table}: {self.judged.label} failed{observed}; {self._held()}"

    def _held(self) -> str:
        if not self.fails_alone:
            return f"no file fails alone, so all {self.of_files} are held"
        named = ", ".join(file.uri for file in self.files[:_NAMED_FILES])
        more = f" and {len(self.files) - _NAMED_FILES} more" if len(self.files) > _NAMED_FILES else ""
        return f"held: {named}{more} of {self.of_files} files" if self.of_files > 1 else f"held: {named}"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate decided on a batch."""

    results: tuple[Judged, ...] = ()
    failing: tuple[FailingRecords, ...] = ()
    stops: tuple[Stop, ...] = ()

    @property
    def rejected(self) -> list[int]:
        """The ``_rec`` of all rejected records, ascending."""
        return sorted({record for one in self.failing for record in one.records.tolist()})

    @property
    def reason(self) -> str | None:
        return " | ".join(map(str, self.stops)) or None

    def held_parts(self, batch: Batch) -> list[int]:
        held = {file.file_id for stop in self.stops for file in stop.files}
        return sorted(part.part_id for part in batch.parts if part.file.file_id in held)


class Rows(Protocol):
    """Gives the rows of a batch's table: the named columns, without parts of which nothing is kept."""

    def read(self, table: str, columns: Sequence[str]) -> pa.Table: ...


def validate(tools: Tools, run_id: int, number: int) -> ValidateSummary:
    """Judge one batch."""
    started = time.monotonic()
    feed, work = tools.feed, tools.work
    outcomes = {item["part_id"]: item for item in work.read_json(work.outcomes(feed.feed, run_id, number))["outcomes"]}
    kept = {part_id: item["found"] - item["rejected"] for part_id, item in outcomes.items() if not item["failed"]}
    batch = read_batch(tools, run_id, number)
    batch = Batch(number, tuple(part for part in batch.parts if part.part_id in kept))
    rows = _BatchRows(tools, run_id, batch)
    decision = decide(feed, batch, rows)
    held_parts = decision.held_parts(batch)
    rejected = _write_rejects(tools, run_id, batch, rows, decision, frozenset(held_parts))
    _write_data_docs(tools, run_id, number, decision.results)
    work.write_json(work.verdict(feed.feed, run_id, number), _verdict(decision, held_parts))
    records, held = sum(kept.values()), sum(kept[part_id] for part_id in held_parts)
    return ValidateSummary(
        number, records, records - rejected - held, rejected, held, len(decision.results),
        sum(not one.success and one.severity != "critical" for one in decision.results), time.monotonic() - started,
        decision.reason,
    )  # fmt: skip


# --- deciding


def decide(feed: Feed, batch: Batch, rows: Rows) -> Decision:
    """What the gate makes of ``batch``, of which every part was parsed."""
    expected = {name: table.expectations for name, table in feed.tables.items() if table.expectations}
    if not expected:
        return Decision()
    levels = {name: gate.split_levels(expectations) for name, expectations in expected.items()}
    if batch.is_selection:
        # what a replay wants of a file says nothing about the file
        levels = {name: (by_row, ()) for name, (by_row, _) in levels.items()}
    results: list[Judged] = []
    failing: list[FailingRecords] = []
    foreseen: dict[str, tuple[Judged, ...] | None] = {}
    for name, (by_row, by_batch) in levels.items():
        own_rows = _rows_for(feed, rows, name, by_row + by_batch)
        verdict, foreseen[name] = gate.judge_levels(own_rows, by_row, by_batch, name)
        results += verdict.results
        failing += verdict.failing
    stops: list[Stop] = []
    for name, (_, by_batch) in levels.items():
        judged = foreseen[name]
        if judged is None or (by_batch and failing):
            judged = gate.judge_batch(_accepted_rows(feed, rows, name, by_batch, failing), by_batch, name)
        results += judged
        if any(one.is_stop for one in judged):
            accepted = _accepted_rows(feed, rows, name, by_batch, failing)
            stops += _find_stops(batch, accepted, list(zip(judged, by_batch, strict=True)))
    return Decision(tuple(results), tuple(failing), tuple(stops))


def _rows_for(feed: Feed, rows: Rows, table: str, expectations: Iterable[Expectation]) -> pa.Table:
    return rows.read(table, ["_rec", "_part", *gate.needed_columns(expectations, list(feed.tables[table].columns))])


def _accepted_rows(
    feed: Feed, rows: Rows, table: str, expectations: Iterable[Expectation], failing: Iterable[FailingRecords]
) -> pa.Table:
    return gate.without(_rows_for(feed, rows, table, expectations), failing)


def _find_stops(batch: Batch, rows: pa.Table, judged: list[tuple[Judged, Expectation]]) -> list[Stop]:
    """For each expectation that stops the batch, the files that it holds."""
    stopping = [(one, declared) for one, declared in judged if one.is_stop]
    files = {part.file.file_id: part.file for part in batch.parts}
    if not stopping or len(files) == 1:
        return [Stop(one, tuple(files.values()), len(files), fails_alone=True) for one, _ in stopping]
    guilty: list[list[LedgerFile]] = [[] for _ in stopping]
    for file, own_rows in _split_by_file(batch.parts, rows):
        alone = gate.judge_batch(own_rows, [declared for _, declared in stopping], stopping[0][0].table)
        for found, one in zip(guilty, alone, strict=True):
            if not one.success:
                found.append(file)
    return [
        Stop(one, tuple(found or files.values()), len(files), fails_alone=bool(found))
        for (one, _), found in zip(stopping, guilty, strict=True)
    ]


def _split_by_file(parts: Sequence[Part], rows: pa.Table) -> Iterator[tuple[LedgerFile, pa.Table]]:
    """Each file of the batch with its rows, in the order of the batch; files without rows too."""
    import numpy as np

    files = {part.file.file_id: part.file for part in parts}
    file_of = {part.part_id: part.file.file_id for part in parts}
    owners = np.array([file_of[part] for part in rows["_part"].to_pylist()], dtype=np.int64)
    order = np.argsort(owners, kind="stable")
    ordered, owners = rows.take(order), owners[order]
    for file_id, file in files.items():
        start, end = np.searchsorted(owners, file_id, "left"), np.searchsorted(owners, file_id, "right")
        yield file, ordered.slice(int(start), int(end - start))


# --- reading and writing


class _BatchRows:
    """Reads the files of rows that parse has written for one batch."""

    def __init__(self, tools: Tools, run_id: int, batch: Batch) -> None:
        self._path_of = lambda table: tools.work.table(tools.feed.feed, run_id, batch.number, table)
        self._open = tools.work.open_read
        self._parts = [part.part_id for part in batch.parts]

    def read(self, table: str, columns: Sequence[str]) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        from sluice.rowfiles import read_rows

        with self._open(self._path_of(table)) as file:
            rows = read_rows(file, columns)
        kept = pc.is_in(rows["_part"], pa.array(self._parts, pa.int64()))
        return rows if pc.all(kept).as_py() else rows.filter(kept)


def _write_rejects(
    tools: Tools, run_id: int, batch: Batch, rows: Rows, decision: Decision, held_parts: Set[int]
) -> int:
    """Write the gate's rejects with their raw bytes; returns how many there are in parts that are not held.

    A held part needs them too: it may have been released, and then only these records of it are kept out.
    """
    count = 0
    with tools.work.open_write(tools.work.gate_rejects(tools.feed.feed, run_id, batch.number)) as file:
        for reject in _make_rejects(tools, batch, rows, decision) if decision.failing else ():
            file.write(json.dumps(to_json(reject)).encode() + b"\n")
            count += reject.part_id not in held_parts
    return count


def _make_rejects(tools: Tools, batch: Batch, rows: Rows, decision: Decision) -> Iterator[Reject]:
    """The rejects, in one pass over the parts that have some; those whose bytes cannot be read any more come last."""
    waiting, fragments = _read_places(tools.feed, rows, decision), Fragments(tools.feed)
    with_rejects = {part_id for part_id, _ in waiting}
    parts = {part.part_id: part for part in batch.parts if part.part_id in with_rejects}
    for section in sections(tools, list(parts.values())):
        if isinstance(section, Section) and (section.part.part_id, section.member) in waiting:
            own = waiting.pop((section.part.part_id, section.member))
            yield from _rejects_of(decision, section, fragments.open(section), own)
        if not waiting:
            break
    for (part_id, member), own in waiting.items():
        gone = Section(parts[part_id], member, io.BytesIO())
        yield from _rejects_of(decision, gone, fragments.open(gone), own)


def _rejects_of(decision: Decision, section: Section, reader: FragmentReader, places: pa.Table) -> Iterator[Reject]:
    """The rejects of one section, a slice after the other, so that no more than a slice of them is held."""
    part = section.part
    for start in range(0, places.num_rows, _SLICE_RECORDS):
        group = places.slice(start, _SLICE_RECORDS).to_pylist()
        reasons = gate.reasons_of(decision.failing, [place["_rec"] for place in group])
        for place in group:
            raw, context = reader.read(place["_offset"])
            yield Reject(
                part.part_id, section.member, place["_record"], place["_line"], place["_offset"],
                place["_offset"] + place["_length"], reasons[place["_rec"]][:MAX_REASONS], raw,
                len(raw) == place["_length"], context,
            )  # fmt: skip


def _read_places(feed: Feed, rows: Rows, decision: Decision) -> dict[tuple[int, str], pa.Table]:
    """Where the rejected records stand, out of the root tables: by part and member, each in the order of the bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rejected = pa.array(decision.rejected, pa.int64())
    tables = [rows.read(name, _PLACE) for name in feed.roots]
    places = pa.concat_tables([table.filter(pc.is_in(table["_rec"], rejected)) for table in tables])
    if places.num_rows != len(rejected):
        raise PermanentError(f"of {len(rejected)} records that the gate rejects, {places.num_rows} are in a root table")
    places = places.sort_by([(name, "ascending") for name in ("_part", "_member", "_offset")])
    # by their neighbours: the groups of Arrow come in no certain order
    found, start = {}, 0
    for key, group in groupby(zip(places["_part"].to_pylist(), places["_member"].to_pylist(), strict=True)):
        count = sum(1 for _ in group)
        found[key] = places.slice(start, count)
        start += count
    return found


def _verdict(decision: Decision, held_parts: list[int]) -> dict[str, Any]:
    held_files = {id(stop.judged): [file.uri for file in stop.files] for stop in decision.stops}
    results = [
        {**to_json(one), "label": one.label, "held_files": held_files.get(id(one), [])} for one in decision.results
    ]
    return {"rejected": decision.rejected, "held_parts": held_parts, "results": results, "reason": decision.reason}


def _write_data_docs(tools: Tools, run_id: int, number: int, results: Sequence[Judged]) -> None:
    work, feed = tools.work, tools.feed.feed
    now = dt.datetime.now(dt.UTC)
    for table in dict.fromkeys(one.table for one in results):
        from sluice.gate.data_docs import render_page

        own = [one for one in results if one.table == table]
        name = f"batch-{number:04d}-{table}"
        page = render_page(own, f"{feed}.{table}", f"{feed} run {run_id} batch {number}", now)
        with work.open_write(work.data_docs(feed, run_id, f"{name}.html")) as file:
            file.write(page.encode())
        work.write_json(work.data_docs(feed, run_id, f"{name}.json"), [to_json(one) for one in own])
