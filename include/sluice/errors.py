"""Errors and reject codes: what went wrong, whose fault it is, and whether to try again.

Two families, and they never mix:

* *Exceptions* end a task. ``TransientError`` may pass by itself (Airflow retries it), ``PermanentError`` may not
  (Airflow fails the task at once).
* *Rejects* do not end anything: they are values (``records.Reject``) that put one record or one file into the
  quarantine. Their codes are stable and listed in ``REJECT_CODES``.
"""

from __future__ import annotations

from dataclasses import dataclass


class SluiceError(Exception):
    """Base of every exception that Sluice raises on purpose. ``str()`` is one line that a person can act on."""


class TransientError(SluiceError):
    """Something outside was not ready (network, database, disk); the same task may succeed later."""


class PermanentError(SluiceError):
    """The same input will fail in the same way; somebody has to change something first."""


class SourceUnavailable(TransientError):
    """The source did not answer, or a listed file could not be read."""


class SourceChanged(PermanentError):
    """A file is no longer the version that was listed; a cleared fetch lists it anew."""


class SourceMissing(PermanentError):
    """The folder, bucket or address that the feed names does not exist."""


class WarehouseUnavailable(TransientError):
    """PostgreSQL did not answer, or ended the transaction."""


class TablesDiffer(PermanentError):
    """A table cannot be brought in step with its declaration by additive changes.

    ``sql`` holds the statements that a person may review and run.
    """

    def __init__(self, message: str, sql: list[str]) -> None:
        super().__init__(message)
        self.sql = sql


class MappingChanged(PermanentError):
    """What decides a feed's rows has changed since fetch froze it; a cleared fetch takes the new."""


class WorkFilesGone(PermanentError):
    """A work file is not there (any more): its run was reconciled, or the task that writes it did not run."""


class WorkFilesUnavailable(TransientError):
    """The work folder cannot be written or read (a full disk, a lost mount)."""


class RunFailed(PermanentError):
    """Reconcile found that the run must not count as a success; the message says which file and why, ``counts`` in one
    line what the run came to. ``breaches`` are what is wrong with it, each as its kind and text: ``unaccounted`` (parts
    that were not loaded, counts that differ), ``held``, ``limits`` or ``totals``.
    """

    def __init__(self, message: str, counts: str = "", breaches: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.counts = counts
        self.breaches = breaches


@dataclass(frozen=True, slots=True)
class FeedProblem:
    """One mistake in a feed file, with its place. ``line`` and ``column`` count from 1."""

    source: str
    line: int
    column: int
    where: str
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        hint = f" (did you mean {self.suggestion!r}?)" if self.suggestion else ""
        where = f"{self.where}: " if self.where else ""
        return f"{self.source}:{self.line}:{self.column}: {where}{self.message}{hint}"


class FeedInvalid(PermanentError):
    """A feed file has mistakes; ``problems`` holds all of them, in the order of the file."""

    def __init__(self, problems: list[FeedProblem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class MalformedXML(Exception):
    """Bytes that are not well-formed XML, or that break a limit. Turned into a reject of their part, never raised to a
    task.

    ``code`` is one of ``REJECT_CODES``; ``offset`` counts decoded bytes from the start of the file or member;
    ``line`` counts from 1. Either is None where it is not known.
    """

    def __init__(self, code: str, message: str, *, offset: int | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.offset = offset
        self.line = line


REJECT_CODES: dict[str, str] = {
    # a whole file, archive member or part
    "empty_file": "the file holds no bytes",
    "not_xml": "the content is neither XML nor a compression or archive that Sluice reads",
    "malformed": "the XML is not well-formed",
    "truncated": "the XML ends before its root element is closed, or the compressed data ends early",
    "encoding": "the bytes do not fit the declared or detected encoding",
    "wrong_encoding": "the bytes are evidently in another encoding than the declared one",
    "wrong_document": "the root element or its namespace is not the one that the feed reads",
    "no_records": "the document is well-formed but holds no record of the feed",
    "refused_dtd": "the document type declaration breaks a limit (entity expansion, external entities)",
    "unresolved_entity": "a value refers to an entity that is not defined in the document",
    "archive_broken": "the archive or compressed stream cannot be read",
    "archive_refused": "the archive breaks a limit (members, nesting, ratio, path)",
    "too_large": "a limit on size was passed (decoded bytes, header before the first record)",
    "too_deep": "elements are nested deeper than the limit",
    "source_changed": "the file was replaced while it was being read",
    "worker_died": "the worker died, time and again, while it parsed this part",
    # a record
    "record_too_large": "the record is larger than the feed's max_record_bytes",
    "required_missing": "a required column has no value",
    "empty_value": "the element is empty, and the column's type has no empty value",
    "not_a_number": "the value is not a number of the column's type",
    "out_of_range": "the number does not fit the column's type",
    "too_precise": "the value has more digits after the point than the column keeps",
    "not_a_boolean": "the value is not true, false, 1 or 0",
    "not_a_date": "the value is not a date in the declared formats",
    "not_a_timestamp": "the value is not a timestamp in the declared formats",
    "zone_missing": "the timestamp has no time zone and the column declares none",
    "zone_unexpected": "the timestamp has a time zone and the column's type keeps none",
    "not_json": "the value is not valid JSON",
    "bad_character": "the value holds a character that PostgreSQL cannot store",
    "too_long_for_index": "the value is longer than a key or an index of PostgreSQL can hold",
    "several_values": "several elements match a column that takes one value",
    "xsd_invalid": "the record does not fit the feed's XSD",
    "expectation_failed": "a row-level expectation of the gate failed",
    "source_gone": "a replay could not read the record again: its file has changed or gone",
}

UNREAD_CODES = frozenset({"source_changed", "source_gone", "worker_died"})
"""Codes that say nothing about what is in a file: what was known of it before stands."""
