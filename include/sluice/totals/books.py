"""The books of the sender's totals: by part in the ledger, compared by file or archive member."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg

from sluice.arrays import spell_array
from sluice.feed.model import Feed
from sluice.ledger import PART_COLUMNS, as_part
from sluice.quarantine import name_of
from sluice.records import Part, PartOutcome, Run
from sluice.totals.exact import add
from sluice.totals.found import FoundTotals, Owner
from sluice.totals.stated import StatedTotals
from sluice.wording import counted

SHOWN = 3
_DIFFER = "not what was found"


@dataclass(frozen=True, slots=True)
class PartTotal:
    """One total in one part, or in an archive member of it. The numbers are decimal texts: ``stated`` is None where the
    part states nothing, ``unreadable`` counts what stands there and is no number.
    """

    part_id: int
    member: str
    path: str
    measure: str
    stated: str | None
    unreadable: int
    found: str


@dataclass(frozen=True, slots=True)
class FileTotal:
    """One total of one file; ``name`` is its URI with the archive member. ``rejected`` counts records of it."""

    name: str
    path: str
    measure: str
    stated: Decimal | None
    unreadable: int
    found: Decimal
    rejected: int = 0

    @property
    def differs(self) -> bool:
        return self.unreadable > 0 or self.stated != self.found

    @property
    def numbers(self) -> str | None:
        """Both numbers of a sum, for whoever has the file at hand; None where there are not two."""
        is_known = self.measure.startswith("sum") and self.stated is not None and not self.unreadable
        return f"{self.stated:f} stated, {self.found:f} found" if is_known else None

    def fault(self) -> str:
        """What is wrong, for a person. No sum is told: in a file of one record it is that record's value, and neither
        logs nor alerts hold values.
        """
        if self.unreadable:
            return f"what stands at {self.path} is no number"
        if self.stated is None:
            return f"nothing is stated at {self.path}"
        if self.measure.startswith("sum"):
            told = f"{self.path} is not the {self.measure}"
        else:
            told = f"{self.path} says {self.stated:f}, but the {self.measure} is {self.found:f}"
        was = "was" if self.rejected == 1 else "were"
        rejected = f" (of its records {self.rejected:,} {was} rejected)" if self.rejected else ""
        return told + rejected


def tell(differences: Iterable[FileTotal], number: int) -> str:
    """The first of ``number`` totals that differ, in one line."""
    shown = "; ".join(f"{total.name}: {total.fault()}" for total in list(differences)[:SHOWN])
    more = f"; and {number - SHOWN} more" if number > SHOWN else ""
    return f"{counted(number, 'stated total is', 'stated totals are')} {_DIFFER} ({shown}{more})"


def is_told_in(text: str) -> bool:
    """Whether ``tell`` is in what was said of a run."""
    return _DIFFER in text


# -- parse ------------------------------------------------------------------------------------------------------------


def part_totals(
    feed: Feed, stated: StatedTotals, found: FoundTotals, outcomes: Iterable[PartOutcome]
) -> list[PartTotal]:
    """What parse has heard and counted. Of a part that failed nothing is known."""
    failed = {outcome.part_id for outcome in outcomes if outcome.failed}
    return [
        PartTotal(
            *owner,
            total.path,
            total.measure,
            None if one.value is None else f"{one.value:f}",
            one.unreadable,
            f"{found.of(total, owner):f}",
        )
        for owner, heard in stated.heard.items()
        if owner[0] not in failed
        for total, one in zip(feed.totals, heard, strict=True)
    ]


def read_part_totals(account: Mapping[str, Any]) -> tuple[PartTotal, ...]:
    """From what parse has left of a batch; an older release has left nothing of it."""
    return tuple(PartTotal(**item) for item in account.get("totals", ()))


# -- the ledger -------------------------------------------------------------------------------------------------------


def store_totals(conn: psycopg.Connection, run: Run, parts: Set[int], totals: Iterable[PartTotal]) -> None:
    """Keep what these parts state and hold, in place of what an earlier load of them has kept."""
    conn.execute("DELETE FROM sluice.totals WHERE part_id = ANY(%s)", [spell_array(parts)])
    rows = [
        (t.part_id, t.member, t.path, t.measure, t.stated, t.unreadable, t.found) for t in totals if t.part_id in parts
    ]
    if rows:
        conn.execute(
            """INSERT INTO sluice.totals (part_id, member, path, measure, stated, unreadable, found, run_id)
               SELECT t.*, %s FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::numeric[], %s::bigint[],
                   %s::numeric[]) AS t""",
            [run.run_id, *map(list, zip(*rows, strict=True))],
        )


def judge(conn: psycopg.Connection, feed: Feed, run: Run) -> str | None:
    """What is wrong with the totals of the files of which the run has loaded a part, if anything is. Files that a
    person had released are left out, and those of which a part is not loaded (that is told as such).
    """
    required = [total for total in feed.totals if total.required]
    rows = conn.execute(
        f"""SELECT uri, member, path, measure, stated, unreadable, found,
                (SELECT count(*) FROM sluice.quarantine q WHERE q.file_id = t.file_id AND q.member = t.member
                    AND q.ordinal IS NOT NULL AND q.state <> 'replayed'),
                count(*) OVER ()
            FROM sluice.file_totals t
            WHERE file_id = ANY (ARRAY(
                    SELECT file_id FROM sluice.loads JOIN sluice.parts USING (part_id) WHERE run_id = %(run)s
                    GROUP BY file_id HAVING bool_and(release_note IS NULL)))
                AND is_complete AND (unreadable > 0 OR stated <> found OR (stated IS NULL
                    AND (path, measure) IN (SELECT * FROM unnest(%(paths)s::text[], %(measures)s::text[]))))
            ORDER BY uri COLLATE "C", member COLLATE "C", path, measure LIMIT {SHOWN}""".encode(),
        {
            "run": run.run_id,
            "paths": [total.path for total in required],
            "measures": [total.measure for total in required],
        },
    ).fetchall()
    differences = [FileTotal(name_of(uri, member), *rest) for uri, member, *rest, _ in rows]
    return tell(differences, rows[0][-1]) if rows else None


def read_elsewhere(conn: psycopg.Connection, run: Run) -> tuple[list[Part], list[PartTotal]]:
    """The parts of the run's files that are in no batch of it, and the totals of those of them that are loaded."""
    rows = conn.execute(
        f"""SELECT {PART_COLUMNS}
            FROM sluice.manifest m JOIN sluice.files f USING (file_id) JOIN sluice.parts p USING (file_id)
            WHERE m.run_id = %(run)s AND NOT EXISTS (
                SELECT FROM sluice.batches b, unnest(b.parts) AS own (part_id)
                WHERE b.run_id = %(run)s AND own.part_id = p.part_id)""".encode(),
        {"run": run.run_id},
    )
    parts = list(map(as_part, rows))
    totals = conn.execute(
        """SELECT part_id, member, path, measure, stated::text, unreadable, found::text
           FROM sluice.totals WHERE part_id = ANY(%s)""",
        [[part.part_id for part in parts]],
    )
    return parts, [PartTotal(*row) for row in totals]


# -- without the ledger -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Comparison:
    """Compares totals that are not in the ledger, or not all of a file: of samples, of a dry run."""

    feed: Feed
    _parts: Counter[tuple[int, str]] = field(default_factory=Counter)
    """How many parts each file, or archive member, has been cut into."""
    _totals: dict[tuple[int, str, str, str], list[PartTotal]] = field(default_factory=dict)
    _names: dict[tuple[int, str], str] = field(default_factory=dict)
    _rejected: Counter[tuple[int, str]] = field(default_factory=Counter)

    def take(self, parts: Iterable[Part], totals: Iterable[PartTotal], rejected: Mapping[Owner, int]) -> None:
        """Take in one batch; ``rejected`` counts records by part and member."""
        files = {}
        for part in parts:
            files[part.part_id] = part.file
            self._parts[part.file.file_id, part.cut.member] += 1
        for total in totals:
            file = files[total.part_id]
            self._names[file.file_id, total.member] = name_of(file.uri, total.member)
            key = (file.file_id, total.member, total.path, total.measure)
            self._totals.setdefault(key, []).append(total)
        for (part_id, member), number in rejected.items():
            self._rejected[files[part_id].file_id, member] += number

    def differences(self) -> list[FileTotal]:
        required = {(total.path, total.measure) for total in self.feed.totals if total.required}
        found = []
        for (file_id, member, path, measure), of_parts in self._totals.items():
            if len(of_parts) < self._parts[file_id, member]:
                continue  # one of its parts is rejected whole
            total = self._add_up(file_id, member, of_parts)
            if total.differs and (total.stated is not None or total.unreadable or (path, measure) in required):
                found.append(total)
        return found

    def _add_up(self, file_id: int, member: str, of_parts: list[PartTotal]) -> FileTotal:
        first, stated, found = of_parts[0], None, Decimal()
        for total in of_parts:
            found = add(found, Decimal(total.found))
            if total.stated is not None:
                stated = add(stated or Decimal(), Decimal(total.stated))
        return FileTotal(
            self._names[file_id, member],
            first.path,
            first.measure,
            stated,
            sum(total.unreadable for total in of_parts),
            found,
            self._rejected[file_id, member],
        )
