"""Publishes batches: accepted rows, quarantine entries and ledger rows, all in the caller's transaction.

``load`` publishes one batch; ``reconcile`` publishes all batches of a run at once where the feed says ``publish: run``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from sluice import holds, ledger, quarantine, replay, warehouse
from sluice.append import Appended, KeyAppend, PlaceAppend, Read
from sluice.batches import read_batch
from sluice.errors import PermanentError
from sluice.merge import FamilyMerge
from sluice.records import Batch, LoadCounts, Part, PartOutcome, Place, Reject, Run, Totals
from sluice.rowfiles import read_groups, read_rows
from sluice.staging import Staging
from sluice.tools import Tools
from sluice.totals import books
from sluice.totals.books import PartTotal
from sluice.wording import counted

_UNREAD = ("_length", "_line")  # of a record, for rejects


@dataclass(frozen=True, slots=True)
class Verdict:
    """What parse and validate have decided about a batch."""

    outcomes: dict[int, PartOutcome]
    rejected: frozenset[int]
    held_parts: frozenset[int]
    reason: str
    reject_paths: tuple[str, ...]
    totals: tuple[PartTotal, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """``parts_known`` were in the ledger already, so that nothing was done for them. ``taken_back`` are keys whose row
    came from a record that is not loaded any more. All else counts records.
    """

    parts_known: int = 0
    found: int = 0
    quarantined: int = 0
    held: int = 0
    counts: LoadCounts = field(default_factory=LoadCounts)
    taken_back: int = 0


def tell_taken_back(keys: int) -> str:
    """What there is to be said of so many keys; '' where there are none."""
    lost = counted(keys, "key has lost its row", "keys have lost their rows")
    return f"{lost}: see docs/changing-a-feed.md" if keys else ""


class _Undone(Exception):
    """Rolls the transaction back after everything has been tried."""


def roll_back(connection: psycopg.Connection, work: Callable[[psycopg.Connection], Any]) -> None:
    """Run ``work`` in a transaction that leaves nothing."""

    def undone(conn: psycopg.Connection) -> None:
        work(conn)
        raise _Undone

    try:
        warehouse.transact(connection, undone)
    except _Undone:
        return


def open_batch(tools: Tools, run: Run, number: int) -> BatchPublisher:
    """The publisher of one batch; raises ``WorkFilesGone`` where it was not parsed and judged."""
    return BatchPublisher(tools, run, read_batch(tools, run.run_id, number), _read_verdict(tools, run.run_id, number))


def _read_verdict(tools: Tools, run_id: int, number: int) -> Verdict:
    feed, work = tools.feed.feed, tools.work
    account = work.read_json(work.outcomes(feed, run_id, number))
    outcomes = [PartOutcome(**item) for item in account["outcomes"]]
    verdict = work.read_json(work.verdict(feed, run_id, number))
    return Verdict(
        {outcome.part_id: outcome for outcome in outcomes},
        frozenset(verdict["rejected"]),
        frozenset(verdict["held_parts"]),
        verdict["reason"] or "the gate is shut",
        (work.rejects(feed, run_id, number), work.gate_rejects(feed, run_id, number)),
        books.read_part_totals(account),
    )


class BatchPublisher:
    """One batch on its way into the tables; ``publish`` may be called again after a roll-back."""

    def __init__(self, tools: Tools, run: Run, batch: Batch, verdict: Verdict) -> None:
        self._tools, self._feed = tools, tools.feed
        self._run, self._batch, self._verdict = run, batch, verdict
        self._parts: dict[int, Part] = {part.part_id: part for part in batch.parts}
        self._deleting = [name for name, table in tools.feed.roots.items() if table.deletes]
        self._taken_back = 0
        self._tries = 0
        self.number = batch.number

    def publish(self, conn: psycopg.Connection) -> Published:
        self._begin(conn)
        return self._publish(conn)

    def publish_into_new_tables(self, conn: psycopg.Connection) -> Published:
        """``publish`` for a dry run: the tables may not be in step yet, and will not be afterwards."""
        self._begin(conn)
        warehouse.step_tables(conn, self._feed)
        return self._publish(conn)

    def _begin(self, conn: psycopg.Connection) -> None:
        """What made it try again, a deadlock mostly, does not come twice: then it is alone."""
        self._tries += 1
        self._taken_back = 0
        ledger.lock_merges(conn, self._feed.feed, alone=self._tries > 1)

    def _publish(self, conn: psycopg.Connection) -> Published:
        ledger.lock_parts(conn, self._parts)
        if not self._run.is_replay:
            return self._publish_parts(conn, frozenset(self._parts))
        claims = replay.claim(conn, self._run, self._parts)
        done = self._publish_records(conn, claims) if self._batch.is_selection else self._publish_again(conn, claims)
        replay.note_outcomes(conn, self._run, self._parts, claims, self._verdict.held_parts)
        return done

    def refuse(self, conn: psycopg.Connection, reason: str) -> None:
        """Hold all parts of a run that may not be published, with what would have been rejected of them.

        What a replay was about stays in the quarantine as it is.
        """
        ledger.lock_parts(conn, self._parts)
        self._hold(conn, frozenset(self._parts), reason)

    def totals(self, done: Published) -> Totals:
        """For the books of a run that is not in the ledger by its own parts: a dry run, a replay."""
        outcomes = self._verdict.outcomes.values()
        entries = (reject for reject in self._rejects(frozenset(self._parts)) if reject.ordinal is None)
        whole = {(self._parts[entry.part_id].file.file_id, entry.member) for entry in entries}
        return Totals(
            files_quarantined=len(whole),
            found=done.found + done.held,
            loaded=done.counts.loaded,
            quarantined=done.quarantined,
            held=done.held,
            counts=done.counts,
            bytes_read=sum(outcome.bytes_read for outcome in outcomes),
            members_quarantined=sum(member != "" for _, member in whole),
        )

    # -- parts --------------------------------------------------------------------------------------------------------

    def _publish_parts(self, conn: psycopg.Connection, parts: Set[int]) -> Published:
        """Whole parts: each goes into the tables, into the quarantine, or behind the gate."""
        outcomes = self._verdict.outcomes
        held = (self._verdict.held_parts & parts) - holds.find_released(conn, self._run, parts)
        states = {part: "quarantined" if outcomes[part].failed else "loaded" for part in parts - held}
        claimed = ledger.claim_parts(conn, self._run, states)
        before = ledger.find_loads_before(conn, self._run, claimed)
        outdated = {part for part, generation in before.items() if generation > self._run.generation}
        lost = {part for part in before.keys() - outdated if outcomes[part].is_lost}
        mine = frozenset(claimed) - outdated - lost
        counts = self._merge(conn, mine, mine & before.keys())
        # A re-load under a later mapping came first: what it made of these records stands.
        counts |= {part: LoadCounts(superseded=outcomes[part].found) for part in outdated}
        quarantine.store_rejects(conn, self._run, self._parts, self._rejects(mine | lost))
        quarantine.close_others(conn, self._run, mine)
        quarantined = self._quarantined(mine | lost)
        self._check_counts(mine, counts, quarantined)
        ledger.store_counts(
            conn,
            self._run,
            [
                (
                    part,
                    outcomes[part].found,
                    quarantined.get(part, 0),
                    counts.get(part, LoadCounts()),
                    outcomes[part].bytes_read,
                    outcomes[part].sha256,
                )
                for part in claimed
            ],
        )
        books.store_totals(conn, self._run, mine, self._verdict.totals)
        # Their file could not be read: what an earlier load made of it stands, rows and counts.
        ledger.repeat_counts(conn, self._run, lost)
        is_held = self._hold(conn, held, self._verdict.reason)
        return Published(
            parts_known=len(states) - len(claimed) + len(held) - len(is_held),
            found=sum(outcomes[part].found for part in claimed),
            quarantined=sum(quarantined.values()),
            held=sum(outcomes[part].found for part in is_held),
            counts=sum(counts.values(), LoadCounts()),
            taken_back=self._taken_back,
        )

    def _check_counts(self, parts: Set[int], counts: Mapping[int, LoadCounts], quarantined: Mapping[int, int]) -> None:
        """Nothing is committed that does not add up."""
        for part in parts:
            found, loaded = self._verdict.outcomes[part].found, counts.get(part, LoadCounts()).loaded
            if found != loaded + quarantined[part]:
                name = self._parts[part].file.uri
                told = f"{found} records found, but {loaded} loaded + {quarantined[part]} quarantined"
                raise PermanentError(f"{name}: {told}; nothing was loaded")

    def _hold(self, conn: psycopg.Connection, parts: Set[int], reason: str) -> Set[int]:
        """Keep parts out that nobody has loaded by now; returns which."""
        if self._run.is_replay:
            return parts  # their entries are in the quarantine, and stay there
        found = {part: self._verdict.outcomes[part].found for part in parts}
        held = holds.hold_parts(conn, self._run, found, reason)
        waiting = held - ledger.find_loads_before(conn, self._run, held).keys()
        quarantine.store_rejects(conn, self._run, self._parts, self._rejects(waiting), state="held")
        quarantine.forget_held(conn, self._run, waiting)
        return held

    def _publish_again(self, conn: psycopg.Connection, claims: replay.Claims) -> Published:
        """Parts that had been quarantined as a whole, or some member of them: all of it once more."""
        return self._publish_parts(conn, frozenset(part for part, _, _ in claims))

    def _quarantined(self, parts: Set[int]) -> dict[int, int]:
        """Records of each part that went into the quarantine: all of them where the part failed."""
        outcomes = self._verdict.outcomes
        counts = {part: outcomes[part].found if outcomes[part].failed else 0 for part in parts}
        for reject in self._rejects(parts):
            if not outcomes[reject.part_id].failed:
                counts[reject.part_id] += reject.records
        return counts

    def _rejects(self, parts: Set[int]) -> Iterator[Reject]:
        """The rejects of these parts, read anew each time: with their raw bytes they may be many times the rest."""
        for path in self._verdict.reject_paths if parts else ():
            with self._tools.work.open_read(path) as file:
                for line in file:
                    reject = quarantine.read_reject(json.loads(line))
                    if reject.part_id in parts:
                        yield reject

    # -- single records -----------------------------------------------------------------------------------------------

    def _publish_records(self, conn: psycopg.Connection, claims: replay.Claims) -> Published:
        """Records that had been quarantined, each by its place; the rest of their parts stays as it is."""
        parts = frozenset(part for part, _, _ in claims)
        rejected: set[Place] = set()

        def rejects() -> Iterator[Reject]:
            for reject in self._rejects(parts):
                if reject.place in claims:
                    rejected.add(reject.place)
                    yield reject

        quarantine.store_rejects(conn, self._run, self._parts, rejects())
        counts = self._merge(conn, parts, frozenset(), self._records_of(claims.keys()))
        passed = sum(c.loaded for c in counts.values())
        if passed + len(rejected) != len(claims):
            raise PermanentError(f"of {len(claims)} entries to replay, {passed} passed and {len(rejected)} did not")
        replay.move_counts(conn, counts)
        quarantine.close(conn, [entry for place, entry in claims.items() if place not in rejected])
        return Published(
            parts_known=len(self._parts) - len(parts),
            found=len(claims),
            quarantined=len(rejected),
            counts=sum(counts.values(), LoadCounts()),
        )

    def _records_of(self, places: Set[Place]) -> pa.Array:
        """The numbers (``_rec``) of the records that stand in these places and were not rejected by parse."""
        work, found = self._tools.work, []
        for name in (*self._feed.roots, *(f"{name}.deletes" for name in self._deleting)):
            with work.open_read(work.table(self._feed.feed, self._run.run_id, self._batch.number, name)) as file:
                rows = read_rows(file, ["_rec", "_part", "_member", "_offset"]).to_pylist()
            found += [r["_rec"] for r in rows if (r["_part"], r["_member"], r["_offset"]) in places]
        return pa.array(found, pa.int64())

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _merge(
        self, conn: psycopg.Connection, parts: Set[int], again: Set[int], records: pa.Array | None = None
    ) -> dict[int, LoadCounts]:
        """Merge what these parts give, or of it only ``records``; of the parts, ``again`` were loaded before."""
        if not parts:
            return {}
        failed = {part for part in parts if self._verdict.outcomes[part].failed}
        wanted = pa.array(sorted(parts - failed), pa.int64())
        staging = Staging(conn, self._feed)
        staging.create(parts, again, failed)

        def read(name: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
            return self._accepted_rows(name, columns, wanted, records)

        totals: dict[int, LoadCounts] = {}
        for root, table in self._feed.roots.items():
            may_append = not (again or table.deletes or records is not None)
            done = self._append_family(conn, root, read) if may_append else Appended(rest=read)
            merged = self._merge_family(staging, root, done.rest, done.are_known) if done.rest else {}
            for part, count in (*done.counts.items(), *merged.items()):
                totals[part] = totals.get(part, LoadCounts()) + count
        return totals

    def _append_family(self, conn: psycopg.Connection, root: str, read: Read) -> Appended:
        """Append to a family nothing of which was loaded before, as far as that does without a merge."""
        if not self._feed.tables[root].key:
            return PlaceAppend(conn, self._feed, root, self._run, self._parts).append(read)
        if self._feed.publish == "run":
            return Appended(rest=read)  # each try takes a lock that is held to the end of the run
        return KeyAppend(conn, self._feed, root, self._run, self._parts).append(read)

    def _merge_family(self, staging: Staging, root: str, read: Read, are_known: bool = False) -> dict[int, LoadCounts]:
        for name in self._feed.family_of(root):
            staging.copy(name, read(name))
        if root in self._deleting:
            staging.copy_deletes(root, read(f"{root}.deletes"))
        is_unique = are_known or staging.has_unique_keys(root)
        merge = FamilyMerge(
            staging.conn,
            self._feed,
            root,
            self._run,
            has_unique_keys=is_unique,
            are_known=are_known,
        )
        counts = merge.merge()
        self._taken_back += merge.taken_back if self._feed.tables[root].key else 0
        return counts

    def _accepted_rows(
        self, name: str, columns: Sequence[str] | None, wanted: pa.Array, records: pa.Array | None
    ) -> Iterator[pa.Table]:
        """The rows of a table that neither parse nor the gate rejected, of the parts that are to be loaded."""
        work, rejected = self._tools.work, pa.array(sorted(self._verdict.rejected), pa.int64())
        takes_all = len(wanted) == len(self._parts) and records is None and not len(rejected)
        with work.open_read(work.table(self._feed.feed, self._run.run_id, self._batch.number, name)) as file:
            asked = None if columns is None else list(dict.fromkeys(["_rec", "_part", *columns]))
            for table in read_groups(file, asked, without=_UNREAD):
                yield table if takes_all else table.filter(_keep(table, wanted, records, rejected))


def _keep(table: pa.Table, wanted: pa.Array, records: pa.Array | None, rejected: pa.Array) -> pa.ChunkedArray:
    keep = pc.is_in(table["_part"], wanted)
    if records is not None:
        keep = pc.and_(keep, pc.is_in(table["_rec"], records))
    return pc.and_not(keep, pc.is_in(table["_rec"], rejected)) if len(rejected) else keep
