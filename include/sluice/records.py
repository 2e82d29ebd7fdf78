"""The small frozen records that cross the walls between sources, stages and warehouse."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as a source lists it.

    ``version`` tells two contents under one URI apart (S3 version id or ETag; else size and mtime).
    ``modified_at`` is UTC. ``file_date`` is the date in the URI, None where the pattern has none.
    """

    uri: str
    version: str
    size_bytes: int
    modified_at: dt.datetime
    file_date: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that is there and that its source lets nobody read; ``reason`` in the source's words."""

    uri: str
    reason: str


@dataclass(frozen=True, slots=True)
class LedgerFile:
    """A file that the ledger knows: a ``SourceFile`` with its ``file_id``."""

    file_id: int
    uri: str
    version: str
    size_bytes: int
    modified_at: dt.datetime
    file_date: dt.date | None

    def as_source_file(self) -> SourceFile:
        return SourceFile(self.uri, self.version, self.size_bytes, self.modified_at, self.file_date)


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch of a file (or of one archive member) that holds whole records, before the ledger has numbered it.

    ``start_byte`` and ``end_byte`` count decoded bytes (decompressed, as UTF-8); ``end_byte`` None means "to the end",
    ``is_whole`` that nothing was cut. ``context`` holds what a parser must read first (prolog, open ancestors with
    their content before the first record), ``tail`` the closing tags that make the stretch a document again.
    ``first_record`` and ``first_line`` count from 1. ``spool`` names the work file that holds the decoded bytes where
    the source cannot be read by ranges.
    """

    member: str = ""
    start_byte: int = 0
    end_byte: int | None = None
    context: bytes = b""
    tail: bytes = b""
    first_record: int = 1
    first_line: int = 1
    spool: str | None = None

    @property
    def is_whole(self) -> bool:
        return self.start_byte == 0 and self.end_byte is None


@dataclass(frozen=True, slots=True)
class Part:
    """A ``Cut`` of a file as the ledger numbers it; the unit of exactly-once.

    A replay may want only some of its records: ``wanted`` names them by (member, offset of the first byte).
    """

    part_id: int
    file: LedgerFile
    cut: Cut
    wanted: frozenset[tuple[str, int]] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """The parts that one mapped task handles."""

    number: int
    parts: tuple[Part, ...]

    @property
    def file_count(self) -> int:
        return len({part.file.file_id for part in self.parts})

    @property
    def is_selection(self) -> bool:
        """Whether only some records of these parts are wanted."""
        return any(part.wanted is not None for part in self.parts)


VALUE_CAP = 200  # characters of a value that the quarantine keeps beside its reason


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a record was rejected. ``value`` (capped) is stored in the quarantine only, never logged."""

    code: str
    message: str
    table: str | None = None
    column: str | None = None
    path: str | None = None
    value: str | None = None


Place = tuple[int, str, int | None]
"""Where something was rejected: part, archive member, and the offset of the record; None for all of it.

Not the ordinal: which one a record has depends on what the mapping takes for records.
"""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record, or a whole part, on its way into the quarantine.

    ``ordinal`` (from 1) is None where a whole part is meant; ``records`` says how many records the entry stands for.
    ``raw`` holds at most the cap of ``pieces.RAW_CAP_BYTES``; ``raw_is_whole`` tells whether anything was cut off.
    ``context`` is what must stand before it to make a document; None where that is not known, or too long.
    """

    part_id: int
    member: str
    ordinal: int | None
    line: int | None
    start_byte: int | None
    end_byte: int | None
    reasons: tuple[Reason, ...]
    raw: bytes = b""
    raw_is_whole: bool = True
    context: bytes | None = None
    records: int = 1

    @property
    def place(self) -> Place:
        return self.part_id, self.member, None if self.ordinal is None else self.start_byte


@dataclass(frozen=True, slots=True)
class PartOutcome:
    """What parse made of one part. ``rejected`` counts records; with ``failed`` all of ``found`` are quarantined
    together. ``is_lost`` says that the part could not be looked at, so that nothing is known of what it holds.
    """

    part_id: int
    found: int
    rejected: int
    bytes_read: int
    failed: bool = False
    sha256: str | None = None
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class LoadCounts:
    """What the merge did with the accepted records of one part, counted in PostgreSQL."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    superseded: int = 0
    deleted: int = 0

    @property
    def loaded(self) -> int:
        return self.inserted + self.updated + self.unchanged + self.superseded + self.deleted

    def __str__(self) -> str:
        deleted = f", {self.deleted:,} deletes" if self.deleted else ""
        return (
            f"{self.inserted:,} new, {self.updated:,} updated, {self.unchanged:,} unchanged, "
            f"{self.superseded:,} superseded{deleted}"
        )

    def __add__(self, other: LoadCounts) -> LoadCounts:
        return LoadCounts(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.superseded + other.superseded,
            self.deleted + other.deleted,
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries of a feed's quarantine are meant: all that fit what is given.

    ``code`` is a reject code; ``file`` a pattern of URIs, see ``quarantine.like``; ``since`` and
    ``until`` (UTC, half-open) say when an entry was made; ``run_id`` is the run that rejected it last; ``entries``
    names entries one by one.
    """

    code: str | None = None
    file: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    run_id: int | None = None
    entries: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a run was asked to do, made of the DAG run and its parameters.

    ``run_key`` is (dag run id, clear number) as one text; ``date_from`` and ``date_to`` are the dates of the source
    pattern (inclusive, in the feed's time zone); ``modified_from``/``modified_to`` (UTC, half-open) select by
    modification time where the pattern has no date. ``uri`` replaces the feed's own pattern. ``reload`` is ``no``,
    ``changed``, ``all``, or ``replay``: then the run is about the entries of ``selection``, and nothing else counts.
    ``takes_left`` adds, whatever their date, the files that failed runs have left and those that a person has released,
    ``takes_arrivals`` those that were announced; without ``lists`` the source is not listed.
    """

    feed: str
    run_key: str
    date_from: dt.date
    date_to: dt.date
    modified_from: dt.datetime | None = None
    modified_to: dt.datetime | None = None
    uri: str | None = None
    reload: str = "no"
    dry_run: bool = False
    batch_mb: int | None = None
    selection: Selection | None = None
    takes_left: bool = False
    takes_arrivals: bool = False
    lists: bool = True


@dataclass(frozen=True, slots=True)
class Run:
    """A run as the ledger knows it. ``edition`` is '' unless the run re-loads; see ``ledger.claim_parts``."""

    run_id: int
    feed: str
    run_key: str
    generation: int
    edition: str
    reload: str
    dry_run: bool

    @property
    def is_replay(self) -> bool:
        return self.reload == "replay"


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of a whole run, in files and records. ``files_elsewhere`` were loaded by another run meanwhile.
    Archive members count in ``files_quarantined`` as files of their own; ``members_quarantined`` says how many. The
    parts that a person had released account for ``released_…`` of what was found and quarantined.
    """

    files: int = 0
    files_elsewhere: int = 0
    files_quarantined: int = 0
    found: int = 0
    loaded: int = 0
    quarantined: int = 0
    held: int = 0
    unaccounted_parts: int = 0
    counts: LoadCounts = field(default_factory=LoadCounts)
    bytes_read: int = 0
    released_files_quarantined: int = 0
    released_members_quarantined: int = 0
    released_found: int = 0
    released_quarantined: int = 0
    members_quarantined: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(**{item.name: getattr(self, item.name) + getattr(other, item.name) for item in fields(self)})


def to_json(record: Any) -> dict[str, Any]:
    """A dataclass as plain JSON values (dates as ISO text, bytes as Latin-1 text)."""
    return {field.name: _plain(getattr(record, field.name)) for field in fields(record)}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (int, float, str)):
        return value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    return to_json(value) if is_dataclass(value) else value
