"""fetch: list the source and freeze what this run is about.

Reads:  the source; the ledger; the inbox of what was announced.
Writes: tables brought in step with the declaration; the run and its manifest (every open file, with version and size);
        what it takes from the inbox.
Raises: ``SourceMissing``, ``TablesDiffer`` (somebody must act), ``SourceUnavailable``, ``WarehouseUnavailable`` (try
        again).
Rerun:  returns the same manifest; only a cleared run (another run key) lists anew.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import psycopg

from sluice import holds, ledger, manifest, replay, warehouse
from sluice.arrivals import inbox
from sluice.errors import PermanentError
from sluice.feed.mapping import mapping_document, mapping_hash
from sluice.records import Refused, Run, RunRequest, Selection, SourceFile
from sluice.sources import UriPattern, look_up, source_for
from sluice.tools import Tools

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FetchSummary:
    """``size_bytes`` as the source lists the files, packed or not; ``unsettled`` files are left to a later run, and
    ``vanished`` ones were announced and are gone, ``refused`` ones were announced and nobody is let to read them.
    """

    run_id: int
    files: int
    size_bytes: int
    dates: str
    unsettled: int = 0
    vanished: int = 0
    refused: int = 0

    def line(self) -> str:
        left = f"; {self.unsettled:,} left until they have settled" if self.unsettled else ""
        left += f"; {self.vanished:,} announced and gone since" if self.vanished else ""
        left += f"; {self.refused:,} announced and refused by the source" if self.refused else ""
        size = f"{self.size_bytes / 1e6:,.1f} MB"
        return f"fetch: run {self.run_id}: {self.files:,} open files, {size}, {self.dates}{left}"


def fetch(tools: Tools, request: RunRequest) -> FetchSummary:
    """Make the manifest of the run that ``request`` asks for, or return the one that an earlier try has made."""
    feed = tools.feed
    with warehouse.connect(tools.dsn, f"fetch {feed.feed}") as connection:
        warehouse.prepare(connection, feed, dry_run=request.dry_run)
        run = ledger.find_run(connection, feed.feed, request.run_key)
        found = _Found()
        if run is None:
            if request.reload != "replay":
                found = _find(connection, tools, request)
            run = warehouse.transact(connection, lambda conn: _register(conn, tools, request, found))
        count, size_bytes = manifest.manifest_size(connection, run.run_id)
    left = (found.unsettled, found.vanished, found.refused)
    return FetchSummary(run.run_id, count, size_bytes, _spell_dates(request), *left)


@dataclass(slots=True)
class _Found:
    """What of the inbox a run takes on; and how many files it leaves, as ``FetchSummary`` has them."""

    announced: Sequence[inbox.Announced] = ()
    unsettled: int = 0
    vanished: int = 0
    refused: int = 0


def _find(connection: psycopg.Connection, tools: Tools, request: RunRequest) -> _Found:
    """Keep all files that the run may be about in the session, before the transaction begins: one that is retried does
    not ask the source again.
    """
    pattern, found = UriPattern(tools.feed.source.uri), _Found()
    if request.takes_arrivals:
        found.announced = list(inbox.waiting(connection, request.feed, pattern, request.run_key))
    manifest.keep_listing(connection, _find_files(tools, request, pattern, found))
    return found


def _find_files(tools: Tools, request: RunRequest, own_pattern: UriPattern, found: _Found) -> Iterator[SourceFile]:
    """What is listed, then what was announced and is not in the listing. Counts what it leaves in ``found``."""
    unknown, refused = {entry.uri for entry in found.announced}, set[str]()
    if request.lists:
        pattern = UriPattern(request.uri) if request.uri else own_pattern
        # What came from the web was downloaded whole, and may say that it changed just now, every time.
        settle_seconds = 0 if pattern.scheme in ("http", "https") else tools.feed.source.settle_seconds
        for file in select_files(_list(tools, pattern, request), request, own_pattern):
            if is_settled(file, settle_seconds):
                unknown.discard(file.uri)
                yield file
            else:
                found.unsettled += 1
    for one in look_up(sorted(unknown), own_pattern, tools.clients):
        unknown.discard(one.uri)
        if isinstance(one, Refused):
            log.warning("%s was announced and cannot be looked up, it is left in the inbox: %s", one.uri, one.reason)
            refused.add(one.uri)
        else:
            yield one
    found.vanished, found.refused = len(unknown), len(refused)
    found.announced = [entry for entry in found.announced if entry.uri not in refused]


def _list(tools: Tools, pattern: UriPattern, request: RunRequest) -> Iterator[SourceFile]:
    days = (request.date_to - request.date_from).days
    dates = [request.date_from + dt.timedelta(days=day) for day in range(days + 1)]
    return source_for(pattern.text, tools.clients, tools.work, tools.feed.feed).list_files(pattern, dates)


def is_settled(file: SourceFile, settle_seconds: int, now: dt.datetime | None = None) -> bool:
    """A clock that runs ahead must not keep a file out for ever: only what changed around now is not settled."""
    return abs((now or dt.datetime.now(dt.UTC)) - file.modified_at) >= dt.timedelta(seconds=settle_seconds)


def select_files(files: Iterable[SourceFile], request: RunRequest, own_pattern: UriPattern) -> Iterator[SourceFile]:
    """What of a listing belongs to the run: files modified in its window, each with the date that its URI holds."""
    for file in files:
        if request.modified_from is not None and not request.modified_from <= file.modified_at:
            continue
        if request.modified_to is not None and not file.modified_at < request.modified_to:
            continue
        # The order of records must not depend on how a file was found, so its date is always read by the feed's own
        # pattern.
        yield SourceFile(file.uri, file.version, file.size_bytes, file.modified_at, own_pattern.date_of(file.uri))


def _register(conn: psycopg.Connection, tools: Tools, request: RunRequest, found: _Found) -> Run:
    feed = tools.feed
    generation = ledger.remember_mapping(
        conn, feed.feed, mapping_hash(feed), mapping_document(feed), dry_run=request.dry_run
    )
    run = ledger.insert_run(conn, request, generation)
    if run is None:
        run = ledger.find_run(conn, feed.feed, request.run_key)
        if run is None:
            raise PermanentError(f"run {request.run_key!r} of feed {feed.feed} vanished from the ledger")
        return run
    if run.is_replay:
        replay.register(conn, run, request.selection or Selection())
    else:
        manifest.register_listed(conn, run)
        inbox.take(conn, run, found.announced)
        if request.takes_left:
            manifest.register_left(conn, run)
            holds.register_released(conn, run)
    return run


def _spell_dates(request: RunRequest) -> str:
    if not request.lists:
        return "announced"
    if request.reload == "replay":
        return "with quarantined records to replay"
    if request.date_from == request.date_to:
        return f"date {request.date_to}"
    return f"dates {request.date_from} to {request.date_to}"
