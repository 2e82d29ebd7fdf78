"""Who wins a key: the staged record, or the one that was there before.

New keys are inserted first; then the rows that were there already are locked, those that a re-load takes back among
them; only then statements of their own, which see all that others have committed meanwhile, decide what becomes of
them. What can be seen to lose, and is not changed by others meanwhile, may be replaced before that, in one step. Locks
are taken by key, ascending, so that parallel merges do not deadlock, but for those of that step, and of keys that a
re-load removes meanwhile: a merge that has to be tried again is alone then.
"""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

from sluice.family import IS_AGAIN, ROOT_LINEAGE, STAGED, FamilyStatements
from sluice.feed.keys import quoted_keys_table
from sluice.feed.model import Feed
from sluice.records import Run
from sluice.staging import empty, make_or_empty, quoted

KEY_TABLES = ("winners", "fresh", "contested", "gone", "deleting")
ROW_TABLES = ("locked", "beating")
RECORD_TABLES = ("open", "won", "applied", "replacing")
# Types of which PostgreSQL has no least and greatest.
_UNRANGED = ("boolean", "json")


class Contest(FamilyStatements):
    """Holds the keys in the work table {winners} against those in the table {arena}; {decided} gets the records that
    were put there.
    """

    def __init__(self, conn: psycopg.Connection, feed: Feed, root: str, run: Run) -> None:
        super().__init__(conn, feed, root, run)
        number = list(feed.tables).index(root)
        self._names |= {name: f"{name}_{number}" for name in KEY_TABLES + ROW_TABLES + RECORD_TABLES}
        self.taken_back = 0
        """How many keys have lost what the parts gave when they were loaded before, and give no more."""
        self._has_deletes = False
        """Whether records may be deletes."""
        self._all_stand = False
        """Whether {winners} is {stage} itself, and nothing is loaded again."""
        self._are_known = False
        """Whether their keys were in {arena} a moment ago."""
        self._are_all_new = False
        """Whether all of these have been inserted. Then they are not noted in {decided}."""
        self._are_all_replacing = False
        """Whether all of these have replaced a row. Then they are not noted in {decided}."""

    def _make_work_tables(self) -> None:
        """The family's work tables, empty; all of its contests share them."""
        kinds = {name: column.column_type.sql for name, column in self._table.columns.items()}
        kinds |= {"_file": "bigint", "_member": 'text COLLATE "C"', "_offset": "bigint"} if not self._table.key else {}
        keys = ", ".join(["_rec bigint", *(f'"{name}" {kinds[name]}' for name in self._key)])
        keys += ", _is_delete boolean" if self._has_deletes else ""
        columns = {
            **dict.fromkeys(KEY_TABLES, keys),
            **dict.fromkeys(ROW_TABLES, f"{keys}, _row tid"),
            "open": "_staged tid",
            "won": "_rec bigint",
            "applied": "_rec bigint, _is_new boolean, _is_same boolean",
            "replacing": f"{keys}, _row tid, _of_part bigint, _is_same boolean",
        }
        make_or_empty(self._conn, {self._names[name]: spelled for name, spelled in columns.items()})

    def _refill(self, table: str, select: str) -> int:
        """Put what a query gives in place of what a work table holds; returns how many rows there are."""
        empty(self._conn, self._names[table])
        rows = self._execute(f"INSERT INTO {{{table}}} {select}").rowcount
        self._execute(f"ANALYZE {{{table}}}")
        return rows

    def contest(self, *, may_meet: bool, is_again: bool, takes_back: bool) -> None:
        """``may_meet`` says whether any key can be there already, ``is_again`` whether parts are loaded again,
        ``takes_back`` whether what these gave before and give no more goes from here.
        """
        if not self._are_known:
            self._insert_new(may_meet=may_meet)
        if may_meet and not self._are_all_new:
            self._replace_older()
        if self._are_known and not self._are_all_replacing:
            self._insert_new(may_meet=True)
        while not self._are_decided() and (contested := self._find_contested(takes_back)):
            if self._lock_contested() == contested:
                if takes_back:
                    self._remove_not_given_again()
                self._replace_contested(is_again)
                break
            self._insert_new(may_meet=True)  # a re-load has removed keys since we met them

    # -- new keys -----------------------------------------------------------------------------------------------------

    def _insert_new(self, *, may_meet: bool) -> None:
        """Insert the records whose keys are not there. Waits for others that are inserting the same keys."""
        source = "{winners}"
        if may_meet and self._has_keys_in_range():
            source, tried = "{fresh}", self._find_fresh()
        else:
            tried = int(self._fetch("SELECT count(*) FROM {winners}"))
        guard = f" ORDER BY {self._staged_key()} ON CONFLICT ({quoted(self._key)}) DO NOTHING" if may_meet else ""
        is_whole = not tried or self._execute(self._insert(source) + guard).rowcount == tried
        self._are_all_new = self._all_stand and is_whole and source == "{winners}"
        if not self._are_all_new:
            self._note_inserted(source, is_whole=is_whole)

    def _has_keys_in_range(self) -> bool:
        """Whether a key is there, by its first column, between the least and the greatest of the winners."""
        name = self._key[0]
        if self._table.key and self._table.columns[name].column_type.kind in _UNRANGED:
            return True
        ends = f'SELECT min("{name}") AS low, max("{name}") AS high FROM {{winners}}'
        least = self._least_key("{arena}", "r.low")
        found = f"SELECT FROM ({ends}) r CROSS JOIN LATERAL ({least}) f WHERE f.key <= r.high"
        return bool(self._fetch(f"SELECT EXISTS ({found})"))

    def _find_fresh(self) -> int:
        """Note the records whose keys are not there, as far as can be seen; returns how many."""
        known = f"SELECT FROM {{arena}} t WHERE {self._same_key('t', 'w')} OFFSET 0"
        is_fresh = f"{self._is_open('w')} AND NOT EXISTS ({known})"
        return self._refill("fresh", f"SELECT {self._entry('w')} FROM {{winners}} w WHERE {is_fresh}")

    def _note_inserted(self, source: str, *, is_whole: bool) -> None:
        """Put into {decided} what has been inserted of a work table: all of it, or those records in whose place there
        is a row of this run now.
        """
        if is_whole:
            self._note(source, is_new=True)
            return
        rows = self._rows_of(self._names["arena"], "s" if self._table.key else "w", "t")
        own = "t._run = {run} AND (t._file, t._member, t._offset) = (sp._file, s._member, s._offset)"
        self._note(f"{self._staged_rows(source)} {rows} WHERE {own} AND {self._is_open('s')}", is_new=True)

    def _insert(self, source: str) -> str:
        """Inserts the records of a work table."""
        raise NotImplementedError

    def _note(self, source: str, *, is_new: bool) -> None:
        """Put the records of a work table into {decided}."""
        raise NotImplementedError

    def _staged_rows(self, source: str) -> str:
        """The rows ``s`` of the records of a work table, called ``w``, with their parts ``sp``."""
        if source == "{winners}" and self._all_stand:
            return "{stage} s JOIN stage_parts sp USING (_part)"
        return f"{source} w JOIN {STAGED}"

    def _staged_key(self) -> str:
        """The key of a staged row, to sort by."""
        return self._key_order("s") if self._table.key else "sp._file, s._member, s._offset"

    def _entry(self, alias: str) -> str:
        """The columns of a work table."""
        return quoted(["_rec", *self._key, *(["_is_delete"] if self._has_deletes else [])], alias)

    def _is_open(self, alias: str) -> str:
        return f"NOT EXISTS (SELECT FROM {{decided}} a WHERE a._rec = {alias}._rec)"

    def _are_decided(self) -> bool:
        """Whether all records are, and none is noted."""
        return self._are_all_new or self._are_all_replacing

    # -- known keys ---------------------------------------------------------------------------------------------------

    def _replace_older(self) -> None:
        """Replace those rows that are easily seen to lose."""

    def _replace_contested(self, is_again: bool) -> None:
        """Replace those rows of {locked} that lose."""
        raise NotImplementedError

    def _find_contested(self, takes_back: bool) -> int:
        """Note the records whose keys were there already, and, without a record, the keys to take back; returns how
        many.
        """
        records = f"SELECT {self._entry('w')} FROM {{winners}} w WHERE {self._is_open('w')}"
        if takes_back:
            self._find_not_given_again()
            records += " UNION ALL SELECT * FROM {gone}"
        return self._refill("contested", records)

    def _lock_contested(self) -> int:
        """Lock their rows, in the order of their keys, and note which they are; returns how many there are."""
        rows = f"SELECT ctid AS _row FROM {{arena}} t WHERE {self._same_key('t', 'c')} FOR UPDATE"
        contested = f"SELECT * FROM {{contested}} c ORDER BY {self._key_order('c')}"
        return self._refill("locked", f"SELECT c.*, l._row FROM ({contested}) c CROSS JOIN LATERAL ({rows}) l")

    # -- keys to take back --------------------------------------------------------------------------------------------

    def _find_not_given_again(self) -> None:
        """Note the keys of what the parts gave when they were loaded before, and give no more; tombstones too."""
        empty(self._conn, self._names["gone"])
        self._execute(
            f"INSERT INTO {{gone}} ({quoted(self._key)}) SELECT {quoted(self._key, 't')} FROM {{arena}} t"
            " JOIN (SELECT DISTINCT _file FROM stage_parts WHERE _is_again) f ON f._file = t._file"
            f" WHERE {IS_AGAIN} AND NOT EXISTS (SELECT FROM {{winners}} w WHERE {self._same_key('w', 't')})"
        )

    def _remove_not_given_again(self) -> None:
        """Remove them, but for what somebody else has replaced before it was locked."""
        still = f"SELECT FROM {{arena}} t WHERE {self._same_key('t', 'g')} AND {IS_AGAIN}"
        self._execute(f"DELETE FROM {{gone}} g WHERE NOT EXISTS ({still})")
        self.taken_back = int(self._fetch("SELECT count(*) FROM {gone}"))
        for target in dict.fromkeys([*self._targets(), self._names["arena"]]):
            self._delete_rows(target, "{gone}")


class KeysContest(Contest):
    """The contest on a keys table, where deleted keys have their place like living ones."""

    def __init__(self, conn: psycopg.Connection, feed: Feed, root: str, run: Run) -> None:
        super().__init__(conn, feed, root, run)
        self.target = quoted_keys_table(feed, root)
        self._names |= {"arena": self.target, "decided": self._names["won"]}
        self._has_deletes = True
        order = {name: f's."{name}"' for name in self._table.order_columns}
        self._values = {**order, **self._lineage(ROOT_LINEAGE), "_is_deleted": "w._is_delete"}

    def decide(self, is_again: bool) -> None:
        """Leave in {winners} only the records that stand, and note them in the keys table."""
        self.contest(may_meet=True, is_again=is_again, takes_back=is_again)
        self._execute("ANALYZE {won}")
        self._execute(f"DELETE FROM {{winners}} w WHERE {self._is_open('w')}")
        self._execute("ANALYZE {winners}")

    def _insert(self, source: str) -> str:
        return insert("{arena}", self._values, self._staged_rows(source))

    def _note(self, source: str, *, is_new: bool) -> None:
        self._execute(f"INSERT INTO {{won}} SELECT _rec FROM {source}")

    def _replace_contested(self, is_again: bool) -> None:
        rows = f"{{locked}} c JOIN {STAGED} {self._locked_rows('{arena}', 'c', 't')}"
        self._refill("beating", f"SELECT c.* FROM {rows} WHERE {self._wins(is_again)}")
        self._update_locked("{arena}", self._values, "{beating}")
        self._note("{beating}", is_new=False)


def insert(target: str, values: Mapping[str, str], rows: str) -> str:
    """Inserts rows; ``values`` gives each column its source."""
    return f"INSERT INTO {target} ({quoted(values)}) SELECT {', '.join(values.values())} FROM {rows}"
