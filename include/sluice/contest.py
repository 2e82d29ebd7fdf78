"""Who wins a key: the staged record, or the one that was there before.

New keys are inserted first; then the rows that were there already are locked, those that a re-load takes back among
them; only then statements of their own, which see all that others have committed meanwhile, decide what becomes of
them. Locks are taken by key, ascending, so that parallel merges do not deadlock.
"""

from __future__ import annotations

import psycopg

from sluice.family import IS_AGAIN, ROOT_LINEAGE, STAGED, FamilyStatements
from sluice.feed.keys import quoted_keys_table
from sluice.feed.model import Feed
from sluice.records import Run
from sluice.staging import empty, make_or_empty, quoted

KEY_TABLES = ("winners", "contested", "gone", "beating", "deleting")
RECORD_TABLES = ("won", "applied", "replacing")


class Contest(FamilyStatements):
    """Holds the keys in the work table {winners} against those in the table {arena}; {decided} gets the records that
    were put there.
    """

    def __init__(self, conn: psycopg.Connection, feed: Feed, root: str, run: Run) -> None:
        super().__init__(conn, feed, root, run)
        number = list(feed.tables).index(root)
        self._names |= {name: f"{name}_{number}" for name in KEY_TABLES + RECORD_TABLES}

    def _make_work_tables(self, *, with_deletes: bool) -> None:
        """The family's work tables, empty; all of its contests share them."""
        kinds = {name: column.column_type.sql for name, column in self._table.columns.items()}
        kinds |= {"_file": "bigint", "_member": 'text COLLATE "C"', "_offset": "bigint"} if not self._table.key else {}
        keys = ", ".join(["_rec bigint", *(f'"{name}" {kinds[name]}' for name in self._key)])
        keys += ", _is_delete boolean" if with_deletes else ""
        columns = {
            **dict.fromkeys(KEY_TABLES, keys),
            "won": "_rec bigint",
            "applied": "_rec bigint, _is_new boolean",
            "replacing": f"{keys}, _is_same boolean",
        }
        make_or_empty(self._conn, {self._names[name]: spelled for name, spelled in columns.items()})

    def _refill(self, table: str, select: str) -> None:
        """Put what a query gives in place of what a work table holds."""
        empty(self._conn, self._names[table])
        self._execute(f"INSERT INTO {{{table}}} {select}")
        self._execute(f"ANALYZE {{{table}}}")

    def contest(self, *, may_meet: bool, is_again: bool, takes_back: bool) -> None:
        """``may_meet`` says whether any key can be there already, ``is_again`` whether parts are loaded again,
        ``takes_back`` whether what these gave before and give no more goes from here.
        """
        self._insert_new(may_meet=may_meet)
        while contested := self._find_contested(takes_back):
            if self._lock_contested() == contested:
                if takes_back:
                    self._remove_not_given_again()
                self._replace_contested(is_again)
                break
            self._insert_new(may_meet=True)  # a re-load has removed keys since we met them

    def _insert_new(self, *, may_meet: bool) -> None:
        """Insert the records whose keys are not there. Waits for others that are inserting the same keys."""
        raise NotImplementedError

    def _replace_contested(self, is_again: bool) -> None:
        """Replace the locked rows that lose."""
        raise NotImplementedError

    def _find_contested(self, takes_back: bool) -> int:
        """Note the records whose keys were there already, and, without a record, the keys to take back; returns how
        many.
        """
        records = "SELECT * FROM {winners} w WHERE NOT EXISTS (SELECT FROM {decided} a WHERE a._rec = w._rec)"
        if takes_back:
            self._find_not_given_again()
            records += " UNION ALL SELECT * FROM {gone}"
        self._refill("contested", records)
        return int(self._fetch("SELECT count(*) FROM {contested}"))

    def _lock_contested(self) -> int:
        """Lock their rows, in the order of their keys; returns how many there are."""
        rows = f"SELECT FROM {{arena}} t WHERE {self._same_key('t', 'c')} FOR UPDATE"
        contested = f"SELECT * FROM {{contested}} ORDER BY {quoted(self._key)}"
        return int(self._fetch(f"SELECT count(*) FROM ({contested}) c CROSS JOIN LATERAL ({rows}) AS locked"))

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
        for target in dict.fromkeys([*self._targets(), self._names["arena"]]):
            self._delete_rows(target, "{gone}")


class KeysContest(Contest):
    """The contest on a keys table, where deleted keys have their place like living ones."""

    def __init__(self, conn: psycopg.Connection, feed: Feed, root: str, run: Run) -> None:
        super().__init__(conn, feed, root, run)
        self.target = quoted_keys_table(feed, root)
        self._names |= {"arena": self.target, "decided": self._names["won"]}
        self._columns = (*self._table.order_columns, *ROOT_LINEAGE, "_is_deleted")

    def decide(self, is_again: bool) -> None:
        """Leave in {winners} only the records that stand, and note them in the keys table."""
        self.contest(may_meet=True, is_again=is_again, takes_back=is_again)
        self._execute("ANALYZE {won}")
        self._execute("DELETE FROM {winners} w WHERE NOT EXISTS (SELECT FROM {won} a WHERE a._rec = w._rec)")
        self._execute("ANALYZE {winners}")

    def _insert_new(self, *, may_meet: bool) -> None:
        key = quoted(self._key)
        self._execute(
            f"WITH inserted AS ({self._insert('{winners}')} ON CONFLICT ({key}) DO NOTHING RETURNING {key})"
            f" INSERT INTO {{won}} SELECT w._rec FROM inserted i JOIN {{winners}} w ON {self._same_key('w', 'i')}"
        )

    def _replace_contested(self, is_again: bool) -> None:
        self._refill(
            "beating",
            f"SELECT c.* FROM {{contested}} c JOIN {STAGED} {self._rows_of(self.target, 'c', 't')}"
            f" WHERE {self._wins(is_again)}",
        )
        updates = [name for name in self._columns if name not in self._key]
        self._execute(
            f"{self._insert('{beating}')} ON CONFLICT ({quoted(self._key)})"
            f" DO UPDATE SET ({quoted(updates)}) = ROW ({quoted(updates, 'excluded')})"
        )
        self._execute("INSERT INTO {won} SELECT _rec FROM {beating}")

    def _insert(self, source: str) -> str:
        """Inserts those records of a work table that have not won yet, in the order of their keys."""
        order = quoted(self._table.order_columns, "s")
        return (
            f"INSERT INTO {{arena}} ({quoted(self._columns)})"
            f" SELECT {order}, {self._lineage(ROOT_LINEAGE, 's')}, w._is_delete"
            f" FROM {source} w JOIN {STAGED} WHERE NOT EXISTS (SELECT FROM {{won}} a WHERE a._rec = w._rec)"
            f" ORDER BY {quoted(self._key, 'w')}"
        )
