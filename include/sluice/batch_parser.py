"""Takes a batch apart: its parts, their sections, pieces and records, and what becomes of each of them."""

from __future__ import annotations

import gc
import io
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from functools import partial

from sluice import replay, xmlio
from sluice.attempts import Attempts
from sluice.errors import UNREAD_CODES, MalformedXML, SourceChanged
from sluice.feed.model import Feed
from sluice.piece_reader import PIECE_BYTES, PieceReader
from sluice.pieces import OversizeRecord, Piece, brief_opening
from sluice.places import PiecePlaces, RecordPlace
from sluice.plan import Plan
from sluice.reading import Section, Unreadable, read_pieces, sections
from sluice.records import Batch, Part, PartOutcome, Reason, Reject
from sluice.rejects import RejectLog
from sluice.scanner import PathTable
from sluice.sightings import Place
from sluice.tabulate import BatchTables
from sluice.tools import Tools
from sluice.totals.stated import StatedTotals
from sluice.validity import MAX_WHOLE_DOCUMENT_BYTES, RecordValidity, RootCheck, Unjudged

# Faults that leave nothing of a part to keep: what was read may belong to another file, may have been damaged long
# before that was noticed, or is wrong as a whole.
_NEVER_IN_PART = {"source_changed", "archive_broken", "xsd_invalid", "wrong_encoding"}


@dataclass(slots=True)
class _Tally:
    """The outcome of one part while it is being read."""

    missing: set[tuple[str, int]] = field(default_factory=set)
    """What a replay wants of the part and has not met yet, by member and offset."""
    found: int = 0
    bytes_read: int = 0
    failed: bool = False
    is_lost: bool = False
    fault: MalformedXML | None = None
    """Why a replay could not go on reading."""
    unjudged: Unjudged = field(default_factory=Unjudged)

    def takes(self, section: Section, offset: int) -> bool:
        """Whether this record is wanted; counts it then."""
        if section.part.wanted is not None:
            if (section.member, offset) not in self.missing:
                return False
            self.missing.discard((section.member, offset))
        self.found += 1
        return True


class BatchParser:
    """Goes through the sections of a batch; a fault in one part costs that part only."""

    def __init__(self, feed: Feed, plan: Plan, tables: BatchTables, rejects: RejectLog) -> None:
        self._feed, self._plan, self._tables, self._rejects = feed, plan, tables, rejects
        self._paths = PathTable(plan.local_paths)
        self._validity = RecordValidity(feed, plan)
        self._check_root = RootCheck(plan)
        self._needs_leads = plan.reads_ancestor_content
        self._keeps_leads = self._needs_leads or self._validity.is_on
        self._keeps_records = feed.malformed == "keep_records"
        self._tallies: dict[int, _Tally] = {}
        self.stated = StatedTotals(feed)
        self.first_fault: str | None = None
        self.pieces = 0

    def run(self, tools: Tools, batch: Batch, attempts: Attempts) -> list[PartOutcome]:
        self._tallies = {part.part_id: _Tally(set(part.wanted or ())) for part in batch.parts}
        digests: dict[int, str | None] = {}
        for parts in attempts.divide(batch.parts):
            self._run_parts(tools, parts, digests)
        for part in batch.parts:
            if part.part_id in attempts.given_up:
                self._fail_part(part, MalformedXML("worker_died", attempts.why(part.part_id)))
            elif part.wanted is not None:
                self._look_into_quarantine(tools, part)
        return [
            PartOutcome(part_id, t.found, 0, t.bytes_read, t.failed, digests.get(part_id), t.is_lost)
            for part_id, t in self._tallies.items()
        ]

    def _run_parts(self, tools: Tools, parts: Sequence[Part], digests: dict[int, str | None]) -> None:
        unseen = {part.part_id: part for part in parts}
        for section in sections(tools, parts, digests):
            unseen.pop(section.part.part_id, None)
            if isinstance(section, Unreadable):
                self._fail_part(section.part, section.error)
            else:
                self._run_section(section, self._tallies[section.part.part_id])
        for part in unseen.values():
            self._fail_part(part, MalformedXML("empty_file", "the archive holds no files"))

    def _fail_part(self, part: Part, error: MalformedXML) -> None:
        """Nothing of the part can be read. Where only some of its records were wanted, those may be had elsewhere."""
        tally = self._tallies[part.part_id]
        if part.wanted is not None:
            tally.fault = tally.fault or error
        else:
            tally.failed, tally.is_lost = True, error.code in UNREAD_CODES
            self._reject_part(part, part.cut.member, error, tally.found)

    def _look_into_quarantine(self, tools: Tools, part: Part) -> None:
        """Wanted records that their file did not give (any more): the quarantine has kept what they were."""
        tally = self._tallies[part.part_id]
        if not tally.missing:
            return
        for kept in replay.read_kept(tools.dsn, part, tally.missing):
            if kept.section is not None:
                self._run_section(kept.section, tally)
            if (kept.member, kept.start_byte) in tally.missing:
                tally.missing.discard((kept.member, kept.start_byte))
                tally.found += 1
                self._rejects.add(kept.reject(_why_gone(tally.fault)))

    def _run_section(self, section: Section, tally: _Tally) -> None:
        self._plan.sightings.place = Place(section.part.part_id, section.member, None, section.first_line)
        section = self.stated.listen(section)
        if self._may_leap(section) and self._leap_over(section, tally):
            return
        reader = self._new_reader(section, tally)
        found_before = tally.found
        fault = self._parse_section(section, reader, tally)
        if fault is not None and section.part.wanted is not None:
            tally.fault = tally.fault or fault
        elif fault is not None:
            keeps = self._keeps_records and fault.code not in _NEVER_IN_PART and tally.found > found_before
            if not keeps:
                tally.failed, tally.found = True, found_before + reader.records_seen
                tally.is_lost = fault.code in UNREAD_CODES
            records = 0 if keeps else reader.records_seen
            self._reject_part(section.part, section.member, fault, records)
        if fault is not None:
            # It holds the frames that it came through, which hold it; of many bad files that would fill the memory.
            gc.collect(0)
        tally.bytes_read += max(reader.bytes_read - len(section.part.cut.tail), 0)

    def _may_leap(self, section: Section) -> bool:
        return self._tables.is_fast and section.part.wanted is None

    def _leap_over(self, section: Section, tally: _Tally) -> bool:
        """Take a short stream as it is, if what stands above records in it may be as long as it is."""
        data = None if section.context else section.all_bytes()
        if not data or len(data) > self._feed.quotas.max_header_bytes:
            return False
        piece = Piece.of_stream(data, section.first_byte, section.first_record, section.first_line)
        if not self._leap(section, tally, piece):
            return False
        tally.bytes_read += max(len(data) - len(section.part.cut.tail), 0)
        return True

    def _new_reader(self, section: Section, tally: _Tally) -> PieceReader:
        return read_pieces(
            self._feed,
            section,
            self._paths,
            check_root=self._check_root,
            keep_leads=self._keeps_leads,
            leaper=partial(self._leap, section, tally) if self._may_leap(section) else None,
            piece_bytes=MAX_WHOLE_DOCUMENT_BYTES if self._validity.judges_documents else PIECE_BYTES,
        )

    def _parse_section(self, section: Section, reader: PieceReader, tally: _Tally) -> MalformedXML | None:
        """Hand over record by record; returns what is wrong with the section as a whole."""
        last_root: xmlio.Element | None = None
        try:
            for item in reader:
                if isinstance(item, OversizeRecord):
                    self._reject_oversize(section, item, tally)
                elif item.is_remnant or (reader.fault and self._validity.judges_documents):
                    _prove(item)
                elif section.part.wanted is not None and not _holds_any(item, section.member, tally.missing):
                    continue  # the file was proven when it was parsed first
                else:
                    last_root = self._parse_piece(section, item, tally)
        except MalformedXML as fault:
            return fault
        except SourceChanged as changed:
            return MalformedXML("source_changed", str(changed))
        if not reader.records_seen and section.part.cut.is_whole and not self._feed.allow_empty:
            return self._no_records(last_root)
        return None

    def _leap(self, section: Section, tally: _Tally, piece: Piece) -> int:
        """Take a piece that was cut at a guess; returns how many records it held, 0 where it is not taken."""
        places = self._tables.leap(piece, partial(self._places_of, section))
        if places is None:
            return 0
        self.pieces += 1
        tally.found += len(places)
        return len(places)

    def _places_of(self, section: Section, piece: Piece) -> PiecePlaces:
        return PiecePlaces(section.part.part_id, section.member, piece, self._needs_leads, self._scan_stream)

    def _scan_stream(self, piece: Piece) -> Piece:
        """A short stream that was taken without a look at what stands above its records, as the scanner cuts it."""
        reader = PieceReader(io.BytesIO(piece.body), self._paths, keep_leads=self._keeps_leads)
        return next(scanned for scanned in reader if isinstance(scanned, Piece) and len(scanned.starts))

    def _no_records(self, root: xmlio.Element | None) -> MalformedXML:
        why = self._validity.why_invalid(root) if root is not None else None
        names = " or ".join(f"<{path[-1]}>" for path in self._plan.local_paths)
        message = f"the document is well-formed but holds no {names}" + (f" ({why})" if why else "")
        return MalformedXML("no_records", message, offset=0, line=1)

    def _parse_piece(self, section: Section, piece: Piece, tally: _Tally) -> xmlio.Element | None:
        """Hand over the records of a piece, of a malformed one those before the fault if the feed keeps them."""
        self.pieces += 1
        places = self._places_of(section, piece)
        if section.part.wanted is None and self._tables.take(piece, places):
            tally.found += len(places)
            return None
        try:
            root = xmlio.parse_piece(piece)
        except MalformedXML:
            keeps = self._keeps_records and not self._validity.judges_documents
            head = xmlio.parse_sound_head(piece) if keeps else None
            if head is not None:
                self._take_piece(section, *head, tally)
            raise
        self._take_piece(section, piece, root, tally)
        return root

    def _take_piece(self, section: Section, piece: Piece, root: xmlio.Element, tally: _Tally) -> None:
        elements = self._plan.find_candidates(root, xmlio.lead_counts(piece) if self._keeps_leads else ())
        if len(elements) != len(piece.starts):
            message = "records come out of entities of the document's DTD"
            raise MalformedXML("refused_dtd", message, offset=piece.offset, line=piece.first_line)
        self._validity.look_at(root, piece)
        for element, place in zip(elements, self._places_of(section, piece), strict=True):
            if tally.takes(section, place.offset):
                self._take_record(element, place, tally.unjudged)
                # A replay goes on, record by record: what it has counted must be a row or a reject.
                if tally.unjudged.is_too_many and section.part.wanted is None:
                    raise MalformedXML("xsd_invalid", tally.unjudged.message, offset=place.offset, line=place.line)

    def _take_record(self, element: xmlio.Element, place: RecordPlace, unjudged: Unjudged) -> None:
        table = self._plan.table_of(element)
        if place.length > self._feed.max_record_bytes:
            reasons = [_too_large(place.length, self._feed.max_record_bytes)]
            self._tables.reject(place, reasons, table.name if table else None)
        elif table is None:
            self._plan.sightings.place = place
            self._plan.sightings.note_namespace(element.tag, *(above.tag for above in element.iterancestors()))
            message = f"the record or an ancestor of it is in another namespace: {element.tag}"
            self._tables.reject(place, [Reason("wrong_document", message)])
        else:
            self._tables.add(element, table, place, self._validity.reasons(element, unjudged))

    def _reject_part(self, part: Part, member: str, fault: MalformedXML, records: int) -> None:
        name = f"{part.file.uri}!{member}" if member else part.file.uri
        self.first_fault = self.first_fault or f"{name}: {fault.code}: {fault.message}"
        self._rejects.add(_part_reject(part, member, fault, records))

    def _reject_oversize(self, section: Section, record: OversizeRecord, tally: _Tally) -> None:
        if not tally.takes(section, record.start):
            return
        length = record.end - record.start
        place = RecordPlace(
            section.part.part_id, section.member, record.ordinal, record.start, length, record.line,
            lambda: (record.raw, brief_opening(record.prolog, record.chain, self._needs_leads)),
        )  # fmt: skip
        self._tables.reject(place, [self._why_left_out(record)])

    def _why_left_out(self, record: OversizeRecord) -> Reason:
        if record.levels is None:
            return _too_large(record.end - record.start, self._feed.max_record_bytes)
        limit = self._feed.quotas.max_depth
        return Reason("too_deep", f"the record has elements at level {record.levels}, below quotas.max_depth ({limit})")


def _prove(piece: Piece) -> None:
    """Raise what is wrong with a piece that gives no records. Where it just ends too early, the reader says more."""
    try:
        xmlio.parse_piece(piece)
    except MalformedXML as error:
        if error.code != "truncated":
            raise


def _why_gone(fault: MalformedXML | None) -> Reason:
    """Why a record that was quarantined cannot be read again."""
    if fault is None:
        return Reason("source_gone", "the file has no such record under the present mapping")
    if fault.code != "source_changed":
        return Reason(fault.code, fault.message)
    return Reason("source_gone", f"{fault.message}, and what the quarantine has kept is not enough to read it again")


def _holds_any(piece: Piece, member: str, places: Set[tuple[str, int]]) -> bool:
    """Whether a record of this piece begins at one of these places."""
    return any((member, start) in places for start in piece.starts.tolist())


def _too_large(length: int, limit: int) -> Reason:
    return Reason("record_too_large", f"the record has {length:,} bytes; max_record_bytes is {limit:,}")


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
