"""parse: a batch's bytes become typed rows.

Reads:  the batch that split wrote; the bytes of its parts, from the source or from spooled pieces; the feed and its
        XSDs.
Writes: one Parquet file per table, the rejects, and the outcome of each part, as work files.
Raises: ``SourceUnavailable``, ``WorkFilesUnavailable`` (try again), ``PermanentError`` for an XSD that is wrong. Never
        for what is in a file: that becomes a reject.
Rerun:  overwrites its own output.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sluice import xmlio
from sluice.batches import read_batch
from sluice.errors import MalformedXML
from sluice.feed.model import Feed
from sluice.pieces import PIECE_BYTES, RAW_CAP_BYTES, OversizeRecord, Piece, PieceReader
from sluice.plan import Element, Plan
from sluice.reading import Section, Unreadable, sections
from sluice.records import Batch, Part, PartOutcome, Reason, Reject, to_json
from sluice.scanner import PathTable
from sluice.stages import Tools, rate
from sluice.tabulate import BatchTables, RecordPlace
from sluice.validity import MAX_WHOLE_DOCUMENT_BYTES, RecordValidity, RootCheck


@dataclass(frozen=True, slots=True)
class ParseSummary:
    """``rejected`` counts records; ``failed_parts`` parts of which nothing is kept."""

    number: int
    files: int
    records: int
    rejected: int
    failed_parts: int
    bytes_read: int
    seconds: float

    def line(self) -> str:
        failed = f", {self.failed_parts} unreadable" if self.failed_parts else ""
        return (
            f"parse: batch {self.number}: {self.files} files{failed}, {self.records:,} records, {self.rejected:,} rejected, "
            + rate(self.bytes_read / 1e6, self.seconds)
        )


def parse(tools: Tools, run_id: int, number: int) -> ParseSummary:
    """Parse one batch."""
    started = time.monotonic()
    feed, work = tools.feed, tools.work
    batch = read_batch(tools, run_id, number)
    plan = Plan(feed)
    with BatchTables(feed, plan, work, run_id, number, RAW_CAP_BYTES) as tables:
        parser = _BatchParser(feed, plan, tables)
        outcomes = parser.run(tools, batch)
    rejects = _settle_rejects(tables.rejects, outcomes)
    outcomes = _with_rejected(outcomes, rejects)
    with work.open_write(work.rejects(feed.feed, run_id, number)) as file:
        file.writelines(json.dumps(to_json(reject)).encode() + b"\n" for reject in rejects)
    seconds = time.monotonic() - started
    summary = ParseSummary(
        number,
        batch.file_count,
        sum(o.found for o in outcomes),
        sum(o.found if o.failed else o.rejected for o in outcomes),
        sum(o.failed for o in outcomes),
        sum(o.bytes_read for o in outcomes),
        seconds,
    )
    work.write_json(
        work.outcomes(feed.feed, run_id, number),
        {
            "outcomes": [to_json(outcome) for outcome in outcomes],
            "records": summary.records,
            "bytes": summary.bytes_read,
            "seconds": seconds,
            "unmapped": dict(plan.unmapped.most_common(200)),
        },
    )
    return summary


def _settle_rejects(rejects: list[Reject], outcomes: list[PartOutcome]) -> list[Reject]:
    """A part that failed is quarantined as one: its first entry stands for all of its records, those of its records go."""
    waiting = {outcome.part_id: outcome.found for outcome in outcomes if outcome.failed}
    failed = frozenset(waiting)
    kept = [reject for reject in rejects if reject.ordinal is None or reject.part_id not in failed]
    return [
        replace(reject, records=waiting.pop(reject.part_id, 0)) if reject.part_id in failed else reject
        for reject in kept
    ]


def _with_rejected(outcomes: list[PartOutcome], rejects: list[Reject]) -> list[PartOutcome]:
    """The outcomes with the rejected records of each part counted; in a part that failed they are quarantined with it."""
    counts = Counter(reject.part_id for reject in rejects if reject.ordinal is not None)
    return [replace(outcome, rejected=0 if outcome.failed else counts[outcome.part_id]) for outcome in outcomes]


@dataclass(slots=True)
class _Tally:
    """The outcome of one part while it is being read."""

    found: int = 0
    bytes_read: int = 0
    failed: bool = False


class _BatchParser:
    """Goes through the sections of a batch; a fault in one part costs that part only."""

    def __init__(self, feed: Feed, plan: Plan, tables: BatchTables) -> None:
        self._feed, self._plan, self._tables = feed, plan, tables
        self._paths = PathTable(plan.local_paths)
        self._validity = RecordValidity(feed, plan)
        self._check_root = RootCheck(plan)

    def run(self, tools: Tools, batch: Batch) -> list[PartOutcome]:
        tallies = {part.part_id: _Tally() for part in batch.parts}
        digests: dict[int, str | None] = {}
        unseen = {part.part_id: part for part in batch.parts}
        for section in sections(tools, batch.parts, digests):
            unseen.pop(section.part.part_id, None)
            tally = tallies[section.part.part_id]
            if isinstance(section, Unreadable):
                tally.failed = True
                self._tables.rejects.append(
                    _part_reject(section.part, section.part.cut.member, section.error, tally.found)
                )
            else:
                self._run_section(section, tally)
        for part in unseen.values():
            tallies[part.part_id].failed = True
            self._tables.rejects.append(
                _part_reject(part, "", MalformedXML("empty_file", "the archive holds no files"), 0)
            )
        return [
            PartOutcome(part_id, t.found, 0, t.bytes_read, t.failed, digests.get(part_id))
            for part_id, t in tallies.items()
        ]

    def _run_section(self, section: Section, tally: _Tally) -> None:
        reader = PieceReader(
            section.stream,
            self._paths,
            self._check_root,
            keep_leads=self._plan.reads_ancestor_content or self._validity.is_on,
            piece_bytes=MAX_WHOLE_DOCUMENT_BYTES if self._validity.judges_documents else PIECE_BYTES,
            max_record_bytes=self._feed.max_record_bytes,
        )
        try:
            self._parse_section(section, reader)
        except MalformedXML as error:
            keeps_records = self._feed.malformed == "keep_records" and reader.records_seen > 0
            tally.failed = tally.failed or not keeps_records
            self._tables.rejects.append(
                _part_reject(
                    section.part, section.member, _shifted(error, section), 0 if keeps_records else reader.records_seen
                )
            )
        tally.found += reader.records_seen
        tally.bytes_read += reader.bytes_read - len(section.part.cut.context) - len(section.part.cut.tail)

    def _parse_section(self, section: Section, reader: PieceReader) -> None:
        last_root: Element | None = None
        for item in reader:
            if isinstance(item, OversizeRecord):
                self._tables.reject(_oversize_place(section, item), [_too_large(item, self._feed.max_record_bytes)])
            else:
                last_root = xmlio.parse_piece(item)
                self._take_piece(section, item, last_root)
        if not reader.records_seen and section.part.cut.is_whole and not self._feed.allow_empty:
            why = self._validity.why_invalid(last_root) if last_root is not None else None
            names = " or ".join(f"<{path[-1]}>" for path in self._plan.local_paths)
            raise MalformedXML(
                "no_records", f"the document is well-formed but holds no {names}" + (f" ({why})" if why else ""), line=1
            )

    def _take_piece(self, section: Section, piece: Piece, root: Element) -> None:
        """Hand the records of a piece to the tables."""
        elements = self._plan.find_candidates(root)
        if len(elements) != len(piece.starts):
            raise MalformedXML(
                "refused_dtd",
                "records come out of entities of the document's DTD",
                offset=piece.offset,
                line=piece.first_line,
            )
        has_entities = xmlio.may_hold_entities(root)
        self._validity.look_at(root, is_whole=not piece.context and not piece.tail)
        places = _places(section, piece)
        for element, place in zip(elements, places, strict=True):
            reasons = self._validity.reasons(element)
            if has_entities and xmlio.has_unresolved_entity(element):
                reasons.append(
                    Reason("unresolved_entity", "a value refers to an entity that the document does not define")
                )
            table = self._plan.table_of(element)
            if table is None:
                self._tables.reject(
                    place,
                    [
                        Reason(
                            "wrong_document", f"the record or an ancestor of it is in another namespace: {element.tag}"
                        )
                    ],
                )
            else:
                self._tables.add(element, table, place, reasons)


def _places(section: Section, piece: Piece) -> Iterator[RecordPlace]:
    lines = piece.lines()
    for index, (start, end, line) in enumerate(
        zip(piece.starts.tolist(), piece.ends.tolist(), lines.tolist(), strict=True)
    ):
        yield RecordPlace(
            part_id=section.part.part_id,
            member=section.member,
            ordinal=piece.first_record + index + section.records_before,
            offset=start + section.shift,
            length=end - start,
            line=line + section.lines_before,
            raw=piece.raw(index),
            context=piece.record_context,
        )


def _oversize_place(section: Section, record: OversizeRecord) -> RecordPlace:
    return RecordPlace(
        section.part.part_id,
        section.member,
        record.ordinal + section.records_before,
        record.start + section.shift,
        record.end - record.start,
        record.line + section.lines_before,
        record.raw,
        b"",
    )


def _too_large(record: OversizeRecord, limit: int) -> Reason:
    return Reason(
        "record_too_large", f"the record has {record.end - record.start:,} bytes; max_record_bytes is {limit:,}"
    )


def _shifted(error: MalformedXML, section: Section) -> MalformedXML:
    """The error with its place in the file instead of the section's stream."""
    offset = None if error.offset is None else max(error.offset + section.shift, 0)
    line = None if error.line is None else error.line + section.lines_before
    return MalformedXML(error.code, error.message, offset=offset, line=line)


def _part_reject(part: Part, member: str, error: MalformedXML, records: int) -> Reject:
    return Reject(
        part_id=part.part_id,
        member=member,
        ordinal=None,
        line=error.line,
        start_byte=error.offset,
        end_byte=part.cut.end_byte,
        reasons=(Reason(error.code, error.message),),
        raw_is_whole=False,
        records=records,
    )
