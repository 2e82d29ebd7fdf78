"""Merges staged rows into a feed's tables: the greatest order of a key wins, whichever arrives when.

All statements run in the caller's transaction, next to the ledger rows of the same parts. The order of a record is
(version, file date in the URI, source's last-modified, URI, file version, archive member, byte offset); it is stored on
the row and compared by PostgreSQL only. A record without a key is known by its place.

New keys are inserted first; then the rows that were there already are locked; only then a statement of its own, which
sees all that others have committed meanwhile, decides who wins. Locks are taken by key, ascending, so that parallel
merges do not deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from sluice.feed.model import Feed, Table
from sluice.records import LoadCounts, Run
from sluice.staging import positions, quoted, staged
from sluice.warehouse import query

ROOT_LINEAGE = ("_file", "_member", "_record", "_offset", "_file_date", "_file_modified", "_run", "_loaded_at")
CHILD_LINEAGE = ("_file", "_member", "_record", "_run", "_loaded_at")
KEYLESS = ("_file", "_member", "_record")

_STAGED = "{stage} s USING (_rec) JOIN stage_parts sp USING (_part)"
# The batch holds all that its parts give now, so what they gave when they were loaded before counts for nothing.
_IS_AGAIN = """EXISTS (SELECT FROM stage_parts a WHERE a._is_again AND a._file = t._file
    AND a._within IN (t._member, '') AND t._offset >= a._start AND (a._end IS NULL OR t._offset < a._end))"""
_IS_OUTDONE = """EXISTS (SELECT FROM sluice.files o JOIN sluice.parts p USING (file_id) CROSS JOIN LATERAL (
        SELECT state FROM sluice.loads l WHERE l.part_id = p.part_id ORDER BY generation DESC, loaded_at DESC LIMIT 1) l
    WHERE o.feed = '{feed}' AND o.uri = sp._uri AND l.state = 'loaded'
    AND (o.modified_at, o.version COLLATE "C") > (sp._file_modified, sp._version))"""


class FamilyMerge:
    """Merges one root table and the child tables below it. ``merge`` returns the counts of each part."""

    def __init__(self, conn: psycopg.Connection, feed: Feed, root: str, run: Run) -> None:
        self._conn = conn
        self._feed = feed
        self._root = root
        self._table: Table = feed.tables[root]
        self._children = feed.family_of(root)[1:]
        self._key = tuple(self._table.key) or KEYLESS
        self._names = {
            "feed": feed.feed,
            "root": self._target(root),
            "stage": staged(feed, root),
            "run": str(int(run.run_id)),
        }

    def merge(self) -> dict[int, LoadCounts]:
        self._drop_work_tables()
        if self._table.key:
            self._pick_winners()
        else:
            self._lock_uris()
            self._pick_by_place()
            self._remove_older_versions()
        self._create_work_tables()
        is_again = bool(self._fetch("SELECT EXISTS (SELECT FROM stage_parts WHERE _is_again)"))
        if is_again:
            self._remove_not_given_again()
        self._insert_new(may_meet=is_again or bool(self._table.key))
        while contested := self._find_contested():
            if self._lock_contested() == contested:
                self._replace_contested(is_again)
                break
            self._insert_new(may_meet=True)  # a re-load has removed keys since we met them
        self._insert_children()
        return self._count()

    def _drop_work_tables(self) -> None:
        """Those of the family before this one."""
        self._execute("DROP TABLE IF EXISTS pg_temp.winners, pg_temp.applied, pg_temp.contested, pg_temp.replacing")

    def _create_work_tables(self) -> None:
        self._execute("ANALYZE winners")
        self._execute("CREATE TEMP TABLE applied (_rec bigint, _is_new boolean) ON COMMIT DROP")
        self._execute(
            "CREATE TEMP TABLE replacing ON COMMIT DROP AS SELECT w.*, true AS _is_same FROM winners w WHERE false"
        )

    # -- which records stand for their keys -----------------------------------------------------------------------

    def _pick_winners(self) -> None:
        """Of several versions of a key within the batch the one with the greatest order goes on."""
        key = quoted(self._key, "s")
        order = ", ".join(f"{part} DESC" for part in self._staged_order())
        self._execute(
            f"CREATE TEMP TABLE winners ON COMMIT DROP AS SELECT DISTINCT ON ({key}) s._rec, {key} FROM {{stage}} s"
            f" JOIN stage_parts sp USING (_part) ORDER BY {key}, {order}"
        )

    def _lock_uris(self) -> None:
        """Loads of versions of one URI wait for each other: each locks all versions, so that two share at least one."""
        self._execute(
            "SELECT count(*) FROM (SELECT FROM sluice.files WHERE feed = '{feed}'"
            " AND uri IN (SELECT _uri FROM stage_parts) ORDER BY file_id FOR NO KEY UPDATE) AS locked"
        )

    def _pick_by_place(self) -> None:
        """All records of the newest versions; a version that comes after a newer one was loaded gives none."""
        self._execute(
            "CREATE TEMP TABLE winners ON COMMIT DROP AS SELECT s._rec, sp._file, s._member, s._record FROM {stage} s"
            f" JOIN (SELECT * FROM stage_parts sp WHERE NOT {_IS_OUTDONE}) sp USING (_part)"
        )

    def _remove_older_versions(self) -> None:
        """The newest version of a URI takes away all rows of the older ones, unless nothing of it could be read."""
        older = (
            "SELECT DISTINCT o.file_id FROM stage_parts sp JOIN sluice.files o ON o.feed = '{feed}' AND o.uri = sp._uri"
            ' WHERE NOT sp._is_failed AND (o.modified_at, o.version COLLATE "C") < (sp._file_modified, sp._version)'
        )
        for table in [*reversed(self._children), self._root]:
            rows = f"SELECT ctid AS place FROM {self._target(table)} t WHERE t._file = o.file_id OFFSET 0"
            places = f"SELECT c.place FROM ({older}) o CROSS JOIN LATERAL ({rows}) c"
            self._execute(f"DELETE FROM {self._target(table)} WHERE ctid = ANY (ARRAY({places}))")

    # -- rows -----------------------------------------------------------------------------------------------------

    def _remove_not_given_again(self) -> None:
        """What the parts gave when they were loaded before, and give no more."""
        self._execute(
            f"CREATE TEMP TABLE gone ON COMMIT DROP AS SELECT {quoted(self._key, 't')} FROM {{root}} t"
            " JOIN (SELECT DISTINCT _file FROM stage_parts WHERE _is_again) f ON f._file = t._file"
            f" WHERE {_IS_AGAIN} AND NOT EXISTS (SELECT FROM winners w WHERE {self._same_key('w', 't')})"
            f" ORDER BY {quoted(self._key, 't')} FOR UPDATE OF t"
        )
        for table in [*reversed(self._children), self._root]:
            self._delete_rows(table, "gone")
        self._execute("DROP TABLE gone")

    def _insert_new(self, *, may_meet: bool) -> None:
        """Insert the records whose keys are not there; ``may_meet`` says whether there can be any that are.

        Waits for others that are inserting the same keys.
        """
        if not may_meet:
            self._execute(self._insert_roots("winners"))
            self._execute("INSERT INTO applied SELECT _rec, true FROM winners")
            return
        key = quoted(self._key)
        self._execute(
            f"WITH inserted AS ({self._insert_roots('winners')} ON CONFLICT ({key}) DO NOTHING RETURNING {key})"
            f" INSERT INTO applied SELECT w._rec, true FROM inserted i JOIN winners w ON {self._same_key('w', 'i')}"
        )

    def _find_contested(self) -> int:
        """Note the records whose keys were there already; returns how many."""
        self._execute("DROP TABLE IF EXISTS pg_temp.contested")
        self._execute(
            "CREATE TEMP TABLE contested ON COMMIT DROP AS SELECT w.* FROM winners w"
            f" WHERE NOT EXISTS (SELECT FROM applied a WHERE a._rec = w._rec) ORDER BY {quoted(self._key, 'w')}"
        )
        self._execute("ANALYZE contested")
        return int(self._fetch("SELECT count(*) FROM contested"))

    def _lock_contested(self) -> int:
        """Lock their rows, in the order of their keys; returns how many there are."""
        rows = f"SELECT FROM {{root}} t WHERE {self._same_key('t', 'c')} FOR UPDATE"
        return int(self._fetch(f"SELECT count(*) FROM contested c CROSS JOIN LATERAL ({rows}) AS locked"))

    def _replace_contested(self, is_again: bool) -> None:
        """When a root wins it is replaced with all its children; when it loses, nothing is touched."""
        wins = f"({', '.join(self._row_order())}) < ({', '.join(self._staged_order())})"
        wins = "true" if not self._table.key else f"({wins} OR {_IS_AGAIN})" if is_again else wins
        same = [f"{self._value('t', c)} IS NOT DISTINCT FROM {self._value('s', c)}" for c in self._table.columns]
        self._execute(
            f"INSERT INTO replacing SELECT c.*, {' AND '.join(same)} FROM contested c JOIN {_STAGED}"
            f" {self._rows_of(self._root, 'c', 't')} WHERE {wins}"
        )
        self._execute("ANALYZE replacing")
        self._compare_children()
        updates = [name for name in (*self._table.columns, *ROOT_LINEAGE) if name not in self._key]
        self._execute(
            f"{self._insert_roots('replacing')} ON CONFLICT ({quoted(self._key)})"
            f" DO UPDATE SET ({quoted(updates)}) = ROW ({quoted(updates, 'excluded')})"
        )
        for child in reversed(self._children):
            self._delete_rows(child, "replacing")
        self._execute("INSERT INTO applied SELECT _rec, false FROM replacing")

    def _compare_children(self) -> None:
        """A record whose root row is equal is unchanged only if all its child rows are equal, too."""
        for child in self._children:
            columns = [*positions(self._feed, child), *self._feed.tables[child].columns]
            values = ", ".join(self._value("c", column, child) for column in columns)
            source, own = "FROM replacing r", staged(self._feed, child)
            new = f"SELECT c._rec, {values} {source} JOIN {own} c USING (_rec) WHERE r._is_same"
            old = f"SELECT r._rec, {values} {source} {self._rows_of(child, 'r', 'c')} WHERE r._is_same"
            self._execute(
                "UPDATE replacing SET _is_same = false WHERE _is_same AND _rec IN ("
                f"SELECT _rec FROM (({new}) EXCEPT ({old})) a UNION ALL SELECT _rec FROM (({old}) EXCEPT ({new})) b)"
            )

    def _insert_children(self) -> None:
        for child in self._children:
            own = [*positions(self._feed, child), *self._feed.tables[child].columns]
            values = [quoted(self._table.key, "s"), quoted(own, "c"), self._lineage(CHILD_LINEAGE, "s")]
            self._execute(
                f"INSERT INTO {self._target(child)} ({quoted([*self._table.key, *own, *CHILD_LINEAGE])})"
                f" SELECT {', '.join(filter(None, values))}"
                f" FROM applied a JOIN {_STAGED} JOIN {staged(self._feed, child)} c USING (_rec)"
            )

    def _count(self) -> dict[int, LoadCounts]:
        rows = self._execute(
            "SELECT s._part, count(*) FILTER (WHERE a._is_new),"
            " count(*) FILTER (WHERE NOT a._is_new AND NOT r._is_same),"
            " count(*) FILTER (WHERE r._is_same), count(*) FILTER (WHERE a._rec IS NULL)"
            " FROM {stage} s LEFT JOIN applied a USING (_rec) LEFT JOIN replacing r USING (_rec) GROUP BY s._part"
        )
        return {part: LoadCounts(*counts) for part, *counts in rows}

    # -- pieces of SQL --------------------------------------------------------------------------------------------

    def _staged_order(self) -> list[str]:
        """The order of a staged record, of the greatest weight first."""
        version = [self._version_part("s", name) for name in self._table.version_columns]
        return [*version, "sp._file_date", "sp._file_modified", "sp._uri", "sp._version", "s._member", "s._offset"]

    def _row_order(self) -> list[str]:
        """The order of a row of the target table."""
        version = [self._version_part("t", name) for name in self._table.version_columns]
        file = "FROM sluice.files f WHERE f.file_id = t._file"
        uri, file_version = f'(SELECT f.uri COLLATE "C" {file})', f'(SELECT f.version COLLATE "C" {file})'
        return [*version, "t._file_date", "t._file_modified", uri, file_version, 't._member COLLATE "C"', "t._offset"]

    def _version_part(self, alias: str, name: str) -> str:
        collate = ' COLLATE "C"' if self._table.columns[name].column_type.kind == "text" else ""
        return f'{alias}."{name}"{collate}'

    def _value(self, alias: str, name: str, table: str | None = None) -> str:
        """A value to compare. XML has no equality in PostgreSQL; its text has."""
        column = self._feed.tables[table or self._root].columns.get(name)
        if column is None or column.column_type.kind != "xml":
            return f'{alias}."{name}"'
        return f'{alias}."{name}"::text' + ("[]" if column.column_type.is_list else "")

    def _lineage(self, names: Sequence[str], alias: str) -> str:
        sources = {
            "_file": "sp._file",
            "_member": f"{alias}._member",
            "_record": f"{alias}._record",
            "_offset": f"{alias}._offset",
            "_file_date": "sp._file_date",
            "_file_modified": "sp._file_modified",
            "_run": self._names["run"],
            "_loaded_at": "now()",
        }
        return ", ".join(sources[name] for name in names)

    def _insert_roots(self, source: str) -> str:
        """Inserts those records of a work table that have not been written yet, in the order of their keys."""
        columns = quoted([*self._table.columns, *ROOT_LINEAGE])
        values = f"{quoted(self._table.columns, 's')}, {self._lineage(ROOT_LINEAGE, 's')}"
        return (
            f"INSERT INTO {{root}} ({columns}) SELECT {values}"
            f" FROM {source} w JOIN {_STAGED} WHERE NOT EXISTS (SELECT FROM applied a WHERE a._rec = w._rec)"
            f" ORDER BY {quoted(self._key, 'w')}"
        )

    def _rows_of(self, table: str, source: str, alias: str, columns: str = "*") -> str:
        """Joins the rows of a table that have the keys of ``source``, each found by the index of the key.

        However few the rows of the table are or seem to be: a merge costs what the batch is large, not the table.
        """
        rows = f"SELECT {columns} FROM {self._target(table)} x WHERE {self._same_key('x', source)} OFFSET 0"
        return f"CROSS JOIN LATERAL ({rows}) {alias}"

    def _delete_rows(self, table: str, source: str) -> None:
        """Delete the rows that have the keys in a work table. Whoever holds their roots may do so."""
        places = f"SELECT c.place FROM {source} g {self._rows_of(table, 'g', 'c', 'ctid AS place')}"
        self._execute(f"DELETE FROM {self._target(table)} WHERE ctid = ANY (ARRAY({places}))")

    def _same_key(self, left: str, right: str) -> str:
        return " AND ".join(f'{left}."{name}" = {right}."{name}"' for name in self._key)

    def _target(self, table: str) -> str:
        return f'"{self._feed.schema_name}"."{table}"'

    def _fetch(self, text: str) -> Any:
        """The one value that a statement gives."""
        row = self._execute(text).fetchone()
        return row[0] if row else None

    def _execute(self, text: str) -> psycopg.Cursor[Any]:
        return self._conn.execute(query(text.format_map(self._names)))
