"""Merges staged rows into a feed's tables: the greatest order of a key wins, whichever arrives when.

All statements run in the caller's transaction, next to the ledger rows of the same parts. The order of a record is
(version, file date in the URI, source's last-modified, URI, file version, archive member, byte offset); it is stored on
the row and compared by PostgreSQL only. A record without a key is known by its place.

Where a table has a keys table (``feed.keys``), the contest takes place there, and what has won is then written without
another. It does so whatever the run's own mapping says of deletes: tombstones hold.
"""

from __future__ import annotations

from collections.abc import Iterable

import psycopg

from sluice.contest import Contest, KeysContest, insert
from sluice.errors import PermanentError
from sluice.family import CHILD_LINEAGE, ROOT_LINEAGE, STAGED
from sluice.feed.model import Feed
from sluice.fileversions import IS_OUTDONE, FileVersions
from sluice.records import LoadCounts, Run
from sluice.staging import positions, quoted, staged

_FILE = "_file, _file_date, _file_modified"

_COUNT_NEW = "SELECT _part, count(*) FROM {stage} GROUP BY _part"
_COUNT_REPLACING = """SELECT _of_part, 0, count(*) FILTER (WHERE NOT _is_same), count(*) FILTER (WHERE _is_same)
    FROM {replacing} GROUP BY 1"""
_COUNT_APPLIED = """SELECT s._part, count(*) FILTER (WHERE a._is_new), count(*) FILTER (WHERE NOT a._is_same),
    count(*) FILTER (WHERE a._is_same), count(*) FILTER (WHERE a._rec IS NULL),
    count(*) FILTER (WHERE a._rec IS NOT NULL AND a._is_new IS NULL)
    FROM {stage} s LEFT JOIN {applied} a USING (_rec) GROUP BY s._part"""


class FamilyMerge(Contest):
    """Merges one root table and the child tables below it. ``merge`` returns the counts of each part."""

    def __init__(
        self,
        conn: psycopg.Connection,
        feed: Feed,
        root: str,
        run: Run,
        *,
        has_unique_keys: bool = False,
        are_known: bool = False,
    ) -> None:
        """``has_unique_keys`` says that no two staged records have the same key; ``are_known`` that they are also in
        ascending order, and were in the table a moment ago.
        """
        super().__init__(conn, feed, root, run)
        self._names |= {"arena": self._target(root), "decided": self._names["applied"]}
        self._keys: KeysContest | None = None
        self._run = run
        self._has_unique_keys, self._are_known = has_unique_keys, are_known
        self._may_replace_older = False
        columns = {name: f's."{name}"' for name in self._table.columns}
        self._values = {**columns, **self._lineage(ROOT_LINEAGE)}

    def merge(self) -> dict[int, LoadCounts]:
        self._keys = self._find_keys() if self._table.key else None
        self._has_deletes = self._keys is not None
        self._make_work_tables()
        is_again = bool(self._fetch("SELECT EXISTS (SELECT FROM stage_parts WHERE _is_again)"))
        if self._table.key:
            self._all_stand = self._has_unique_keys and not self._keys and not is_again
            self._are_known = self._are_known and self._all_stand
            self._may_replace_older = not self._keys and not is_again
            self._pick_winners()
        else:
            versions = FileVersions(self._conn, self._feed, self._root, self._run)
            versions.lock()
            self._pick_by_place()
            versions.remove_older()
        if self._keys is not None:
            self._keys.decide(is_again)
            self.taken_back = self._keys.taken_back
            self._remove_deleted()
        takes_back = is_again and self._keys is None
        self.contest(may_meet=is_again or bool(self._table.key), is_again=is_again, takes_back=takes_back)
        self._insert_children()
        return self._count()

    def _find_keys(self) -> KeysContest | None:
        """The contest on the keys table, if there is one."""
        keys = KeysContest(self._conn, self._feed, self._root, self._run)
        if self._has_keys_table():
            return keys
        if self._table.deletes:
            raise PermanentError(f"the table {keys.target} with the keys of {self._root} is gone; fetch makes it anew")
        return None

    # -- which records stand for their keys -----------------------------------------------------------------------

    def _pick_winners(self) -> None:
        """Of several versions of a key within the batch the one with the greatest order goes on."""
        if self._all_stand:
            self._names["winners"] = self._names["stage"]
            return
        key = quoted(self._key, "s")
        order = ", ".join(f"{part} DESC" for part in self._staged_order())
        is_delete = "s._is_delete" if self._table.deletes else "false"
        columns = f"s._rec, {key}, {is_delete}" if self._keys else f"s._rec, {key}"
        self._refill(
            "winners",
            f"SELECT DISTINCT ON ({key}) {columns} FROM {{stage}} s"
            f" JOIN stage_parts sp USING (_part) ORDER BY {key}, {order}",
        )

    def _pick_by_place(self) -> None:
        """All records of the newest versions; a version that comes after a newer one was loaded gives none."""
        self._refill(
            "winners",
            "SELECT s._rec, sp._file, s._member, s._offset FROM {stage} s"
            f" JOIN (SELECT * FROM stage_parts sp WHERE NOT {IS_OUTDONE}) sp USING (_part)",
        )

    # -- rows that go ---------------------------------------------------------------------------------------------

    def _remove_deleted(self) -> None:
        """What the winners delete, if it was there."""
        if not self._table.deletes:
            return
        self._refill("deleting", "SELECT w.* FROM {winners} w WHERE w._is_delete")
        for target in self._targets():
            self._delete_rows(target, "{deleting}")
        self._execute("INSERT INTO {applied} SELECT _rec FROM {deleting}")
        self._execute("DELETE FROM {winners} WHERE _is_delete")

    # -- rows that come -------------------------------------------------------------------------------------------

    def _insert(self, source: str) -> str:
        return insert("{root}", self._values, self._staged_rows(source))

    def _note(self, source: str, *, is_new: bool) -> None:
        became = "true, NULL" if is_new else "false, _is_same"
        self._execute(f"INSERT INTO {{applied}} SELECT _rec, {became} FROM {source}")

    def _replace_older(self) -> None:
        """What has a lesser order by what stands on the row, and is not being changed by others, is replaced where it
        is found. Most of what is replaced is; the rest goes on to be locked and compared.

        Rows are found, and so locked, in the order of the records: the settings leave no plan that has another. The
        rest is locked after them, though, whatever its keys are: of two merges of the same keys one may be ended as a
        deadlock. It is tried again, alone.
        """
        if not self._may_replace_older:
            return
        columns = sorted(self._table.columns, key=lambda name: name not in self._table.version_columns)
        found = (
            f"SELECT t.ctid AS place, t.xmin AS written_by, {self._is_same(columns)} AS is_same FROM {{root}} t"
            f" WHERE {self._same_key('t', 's')} AND {self._is_older()} OFFSET 0"
        )
        new = {name: value for name, value in self._values.items() if name not in self._key}
        rows = self._find_open_in_order()
        # without these it goes row by row: each is found by an index, or by its place
        self._forbid_plans("seqscan", "hashjoin", "mergejoin")
        replaced = self._execute(
            f"WITH replaced AS (UPDATE {{root}} r SET ({quoted(new)}) = ROW ({', '.join(new.values())})"
            f" FROM {rows}"
            f" CROSS JOIN LATERAL (SELECT {_FILE} FROM stage_parts p WHERE p._part = s._part OFFSET 0) sp"
            f" CROSS JOIN LATERAL ({found}) o"
            f" WHERE r.ctid = o.place AND ({quoted(self._key, 'r')}, r.xmin)"
            f" IS NOT DISTINCT FROM ({quoted(self._key, 's')}, o.written_by)"
            f" RETURNING s._rec, {quoted(self._key, 's')}, NULL::tid, s._part, o.is_same)"
            " INSERT INTO {replacing} SELECT * FROM replaced"
        ).rowcount
        self._allow_plans()
        self._are_all_replacing = self._all_stand and replaced == self._fetch("SELECT count(*) FROM {stage}")
        self._settle_replacing()

    def _find_open_in_order(self) -> str:
        """The staged rows ``s`` of the records that are still open, by their keys."""
        if self._are_known:
            return "{stage} s"
        rows = f"{self._staged_rows('{winners}')} WHERE {self._is_open('s')} ORDER BY {self._key_order('s')}"
        self._refill("open", f"SELECT s.ctid FROM {rows}")
        return "{open} w JOIN {stage} s ON s.ctid = w._staged"

    def _replace_contested(self, is_again: bool) -> None:
        is_decided = self._keys is not None or not self._table.key
        wins = "true" if is_decided else self._wins(is_again)
        self._refill(
            "replacing",
            f"SELECT c.*, s._part, {self._is_same(self._table.columns)} FROM {{locked}} c JOIN {STAGED}"
            f" {self._locked_rows('{root}', 'c', 't')} WHERE {wins}",
        )
        self._update_locked("{root}", self._values, "{replacing}")
        self._settle_replacing()

    def _is_same(self, columns: Iterable[str]) -> str:
        """Whether a row has these values of the staged record."""
        return " AND ".join(f"{self._value('t', c)} IS NOT DISTINCT FROM {self._value('s', c)}" for c in columns)

    def _settle_replacing(self) -> None:
        """When a root wins it is replaced with all its children; when it loses, nothing is touched."""
        if self._children:
            self._execute("ANALYZE {replacing}")
            self._compare_children()
            for child in reversed(self._children):
                self._delete_rows(self._target(child), "{replacing}")
        if not self._are_all_replacing:
            self._note("{replacing}", is_new=False)

    def _compare_children(self) -> None:
        """A record whose root row is equal is unchanged only if all its child rows are equal, too."""
        for child in self._children:
            columns = [*positions(self._feed, child), *self._feed.tables[child].columns]
            values = ", ".join(self._value("c", column, child) for column in columns)
            source, own = "FROM {replacing} r", staged(self._feed, child)
            new = f"SELECT c._rec, {values} {source} JOIN {own} c USING (_rec) WHERE r._is_same"
            rows = self._rows_of(self._target(child), "r", "c")
            old = f"SELECT r._rec, {values} {source} {rows} WHERE r._is_same"
            self._execute(
                "UPDATE {replacing} SET _is_same = false WHERE _is_same AND _rec IN ("
                f"SELECT _rec FROM (({new}) EXCEPT ({old})) a UNION ALL SELECT _rec FROM (({old}) EXCEPT ({new})) b)"
            )

    def _insert_children(self) -> None:
        decided = "{stage} s JOIN stage_parts sp USING (_part)"
        records = decided if self._are_decided() else f"{{applied}} a JOIN {STAGED}"
        for child in self._children:
            own = [*positions(self._feed, child), *self._feed.tables[child].columns]
            lineage = CHILD_LINEAGE if self._table.key else (*CHILD_LINEAGE, "_offset")
            values = {name: f's."{name}"' for name in self._table.key} | {name: f'c."{name}"' for name in own}
            rows = f"{records} JOIN {staged(self._feed, child)} c USING (_rec)"
            self._execute(insert(self._target(child), values | self._lineage(lineage), rows))

    def _count(self) -> dict[int, LoadCounts]:
        """New, updated, unchanged, superseded and deleted records."""
        counts = _COUNT_NEW if self._are_all_new else _COUNT_REPLACING if self._are_all_replacing else _COUNT_APPLIED
        return {part: LoadCounts(*numbers) for part, *numbers in self._execute(counts)}
