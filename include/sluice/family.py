"""The statements of a merge, in pieces: what all of them say about keys, orders and lineage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from sluice.feed.keys import quoted_keys_table
from sluice.feed.layout import PLACE, quote_text
from sluice.feed.model import Feed, Table
from sluice.records import Run
from sluice.staging import quoted, staged
from sluice.warehouse import query

ROOT_LINEAGE = ("_file", "_member", "_record", "_offset", "_file_date", "_file_modified", "_run", "_loaded_at")
CHILD_LINEAGE = ("_file", "_member", "_record", "_run", "_loaded_at")

_PLANS = ("seqscan", "bitmapscan", "hashjoin", "mergejoin", "nestloop")

STAGED = "{stage} s USING (_rec) JOIN stage_parts sp USING (_part)"
# The batch holds all that its parts give now, so what they gave when they were loaded before counts for nothing.
IS_AGAIN = """EXISTS (SELECT FROM stage_parts a WHERE a._is_again AND a._file = t._file
    AND a._within IN (t._member, '') AND t._offset >= a._start AND (a._end IS NULL OR t._offset < a._end))"""


class FamilyStatements:
    """One root table, the tables below it, and the rows that are staged for them."""

    def __init__(self, conn: psycopg.Connection, feed: Feed, root: str, run: Run) -> None:
        self._conn = conn
        self._feed = feed
        self._root = root
        self._table: Table = feed.tables[root]
        self._children = feed.family_of(root)[1:]
        self._key = tuple(self._table.key) or PLACE
        self._names = {
            "feed": feed.feed,
            "root": self._target(root),
            "stage": staged(feed, root),
            "run": str(int(run.run_id)),
        }

    def _has_keys_table(self) -> bool:
        """Whether the keys of the root have a table of their own. None is made while the root is being written to."""
        self._execute("LOCK TABLE {root} IN ROW EXCLUSIVE MODE")
        return bool(self._fetch(f"SELECT to_regclass({quote_text(quoted_keys_table(self._feed, self._root))})"))

    def _staged_order(self) -> list[str]:
        """The order of a staged record, of the greatest weight first."""
        version = [self._version_part("s", name) for name in self._table.version_columns]
        return [*version, "sp._file_date", "sp._file_modified", "sp._uri", "sp._version", "s._member", "s._offset"]

    def _row_order(self) -> list[str]:
        """The order of a row of the target table, or of the keys table."""
        version = [self._version_part("t", name) for name in self._table.version_columns]
        file = "FROM sluice.files f WHERE f.file_id = t._file"
        uri, file_version = f'(SELECT f.uri COLLATE "C" {file})', f'(SELECT f.version COLLATE "C" {file})'
        return [*version, "t._file_date", "t._file_modified", uri, file_version, 't._member COLLATE "C"', "t._offset"]

    def _wins(self, is_again: bool) -> str:
        """Whether a staged record comes after the row of its key."""
        wins = f"({', '.join(self._row_order())}) < ({', '.join(self._staged_order())})"
        return f"({wins} OR {IS_AGAIN})" if is_again else wins

    def _is_older(self) -> str:
        """Whether the order of a row is seen to be less than that of a staged record: by what stands on the row."""
        lengths = slice(len(self._table.version_columns) + 2)
        return f"({', '.join(self._row_order()[lengths])}) < ({', '.join(self._staged_order()[lengths])})"

    def _version_part(self, alias: str, name: str) -> str:
        collate = ' COLLATE "C"' if self._table.columns[name].column_type.kind == "text" else ""
        return f'{alias}."{name}"{collate}'

    def _value(self, alias: str, name: str, table: str | None = None) -> str:
        """A value to compare. XML has no equality in PostgreSQL; its text has."""
        column = self._feed.tables[table or self._root].columns.get(name)
        if column is None or column.column_type.kind != "xml":
            return f'{alias}."{name}"'
        return f'{alias}."{name}"::text' + ("[]" if column.column_type.is_list else "")

    def _lineage(self, names: Sequence[str]) -> dict[str, str]:
        """Where the lineage of a staged record comes from, column by column."""
        sources = {
            "_file": "sp._file",
            "_member": "s._member",
            "_record": "s._record",
            "_offset": "s._offset",
            "_file_date": "sp._file_date",
            "_file_modified": "sp._file_modified",
            "_run": self._names["run"],
            "_loaded_at": "now()",
        }
        return {name: sources[name] for name in names}

    def _key_order(self, alias: str) -> str:
        """The key as all merges sort it, so that they lock it in one order."""
        return ", ".join(
            self._version_part(alias, name) if name[0] != "_" else f'{alias}."{name}"' for name in self._key
        )

    def _least_key(self, target: str, bound: str) -> str:
        """Gives, as ``key``, the least first column of a key that is not below ``bound``: asked for so, it is found by
        the index, whatever the planner believes.
        """
        name = f't."{self._key[0]}"'
        return f"SELECT {name} AS key FROM {target} t WHERE {name} >= {bound} ORDER BY {name} LIMIT 1"

    def _rows_of(self, target: str, source: str, alias: str, columns: str = "*") -> str:
        """Joins the rows of a table that have the keys of ``source``, each found by the index of the key.

        However few the rows of the table are or seem to be: a merge costs what the batch is large, not the table.
        """
        rows = f"SELECT {columns} FROM {target} x WHERE {self._same_key('x', source)} OFFSET 0"
        return f"CROSS JOIN LATERAL ({rows}) {alias}"

    def _locked_rows(self, target: str, source: str, alias: str) -> str:
        """Joins the rows of a table that have been locked; ``source`` says where they are, in ``_row``."""
        return f"JOIN {target} {alias} ON {alias}.ctid = {source}._row AND {self._same_key(alias, source)}"

    def _update_locked(self, target: str, values: Mapping[str, str], source: str) -> None:
        """Give the locked rows that stand in a work table new values, but for their keys."""
        new = {name: value for name, value in values.items() if name not in self._key}
        self._execute(
            f"UPDATE {target} t SET ({quoted(new)}) = ROW ({', '.join(new.values())})"
            f" FROM {source} w JOIN {STAGED} WHERE t.ctid = w._row AND {self._same_key('t', 'w')}"
        )

    def _delete_rows(self, target: str, source: str) -> None:
        """Delete the rows that have the keys in a work table. Whoever holds their roots may do so."""
        places = f"SELECT c.place FROM {source} g {self._rows_of(target, 'g', 'c', 'ctid AS place')}"
        self._execute(f"DELETE FROM {target} WHERE ctid = ANY (ARRAY({places}))")

    def _same_key(self, left: str, right: str) -> str:
        return " AND ".join(f'{left}."{name}" = {right}."{name}"' for name in self._key)

    def _target(self, table: str) -> str:
        return f'"{self._feed.schema_name}"."{table}"'

    def _targets(self) -> list[str]:
        """The tables of the family, those furthest from the root first."""
        return [self._target(table) for table in (*reversed(self._children), self._root)]

    def _forbid_plans(self, *kinds: str) -> None:
        """Keep the planner from some kinds of plans, as it calls them, until ``_allow_plans``."""
        self._execute("; ".join(f"SET LOCAL enable_{kind} = off" for kind in kinds))

    def _allow_plans(self) -> None:
        self._execute("; ".join(f"SET LOCAL enable_{kind} TO DEFAULT" for kind in _PLANS))

    def _fetch(self, text: str, values: Sequence[object] | None = None) -> Any:
        """The one value that a statement gives."""
        row = self._execute(text, values).fetchone()
        return row[0] if row else None

    def _execute(self, text: str, values: Sequence[object] | None = None) -> psycopg.Cursor[Any]:
        # never prepared: a plan that was made while the tables were small would stay
        return self._conn.execute(query(text.format_map(self._names)), values, prepare=False)
