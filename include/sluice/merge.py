"""Merges staged rows into a feed's tables: the greatest order of a key wins, whichever arrives when.

All statements run in the caller's transaction, next to the ledger rows of the same parts. The order of a record is
(version, file date in the URI, source's last-modified, URI, file version, archive member, byte offset); it is stored on
the row and compared by PostgreSQL only. Locks are taken by key, ascending, so that parallel merges do not deadlock.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence

import psycopg
import pyarrow as pa
import pyarrow.csv

from sluice.feed.model import Feed, Table
from sluice.records import LoadCounts, Part, Run
from sluice.warehouse import query

COPY_ROWS = 20_000
ROOT_LINEAGE = ("_file", "_member", "_record", "_offset", "_file_date", "_file_modified", "_run", "_loaded_at")
CHILD_LINEAGE = ("_file", "_member", "_record", "_run", "_loaded_at")
KEYLESS = ("_file", "_member", "_record")


def quoted(names: Iterable[str], alias: str = "") -> str:
    """Column names for SQL, comma-separated, each behind ``alias`` if given."""
    prefix = f"{alias}." if alias else ""
    return ", ".join(f'{prefix}"{name}"' for name in names)


def positions(feed: Feed, table: str) -> list[str]:
    """The position columns of a child table: _n1 for its place below the root's row, _n2 below that, …"""
    return [f"_n{level}" for level in range(1, feed.depth_of(table) + 1)]


class Staging:
    """Temporary tables with the rows of one batch; they go with the transaction."""

    def __init__(self, conn: psycopg.Connection, feed: Feed) -> None:
        self._conn = conn
        self._feed = feed

    def create(self, parts: Sequence[Part]) -> None:
        self._conn.execute(
            "CREATE TEMP TABLE stage_parts (_part bigint PRIMARY KEY, _file bigint, _file_date date, _file_modified timestamptz,"
            ' _uri text COLLATE "C", _version text COLLATE "C") ON COMMIT DROP'
        )
        with self._conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO stage_parts SELECT %s, file_id, file_date, modified_at, uri, version FROM sluice.files WHERE file_id = %s",
                [(part.part_id, part.file.file_id) for part in parts],
            )
        for name in self._feed.tables:
            columns = ", ".join(f'"{column}" {kind}' for column, kind in self.columns(name))
            self._conn.execute(query(f'CREATE TEMP TABLE "stage_{name}" ({columns}) ON COMMIT DROP'))

    def columns(self, name: str) -> list[tuple[str, str]]:
        """The columns of a staging table, as in parse's Parquet, with their SQL types."""
        table = self._feed.tables[name]
        if table.is_root:
            place = [
                ("_rec", "bigint"),
                ("_part", "bigint"),
                ("_member", 'text COLLATE "C"'),
                ("_record", "bigint"),
                ("_offset", "bigint"),
            ]
        else:
            place = [("_rec", "bigint"), *((position, "integer") for position in positions(self._feed, name))]
        return place + [(column, declared.column_type.sql) for column, declared in table.columns.items()]

    def copy(self, name: str, tables: Iterable[pa.Table]) -> int:
        """COPY Arrow tables that hold at least the staging columns; returns the number of rows."""
        names = [column for column, _ in self.columns(name)]
        rows = 0
        statement = query(f'COPY "stage_{name}" ({quoted(names)}) FROM STDIN (FORMAT csv)')
        with self._conn.cursor() as cursor, cursor.copy(statement) as copy:
            for table in tables:
                rows += table.num_rows
                copy.write(to_csv(table.select(names)))
        self._conn.execute(query(f'ANALYZE "stage_{name}"'))
        return rows


def to_csv(table: pa.Table) -> bytes:
    """An Arrow table as CSV for COPY: NULL is an empty field, an empty text is a quoted one."""
    columns = [_csv_column(column) for column in table.columns]
    sink = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    pyarrow.csv.write_csv(pa.table(columns, names=table.column_names), sink, options)
    return sink.getvalue()


def _csv_column(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    if pa.types.is_list(column.type):
        return pa.array([None if items is None else _array_literal(items) for items in column.to_pylist()], pa.string())
    if pa.types.is_decimal256(column.type):
        return pa.array([None if value is None else f"{value:f}" for value in column.to_pylist()], pa.string())
    return column


def _array_literal(items: Sequence[object]) -> str:
    """A list as a PostgreSQL array literal, every element quoted."""
    return "{" + ",".join("NULL" if item is None else _array_element(item) for item in items) + "}"


def _array_element(item: object) -> str:
    text = str(item).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


class FamilyMerge:
    """Merges one root table and the child tables below it. ``merge`` returns the counts of each part."""

    def __init__(self, conn: psycopg.Connection, feed: Feed, root: str, run: Run) -> None:
        self._conn = conn
        self._feed = feed
        self._root = root
        self._run = run
        self._table: Table = feed.tables[root]
        self._children = feed.family_of(root)[1:]
        self._key = tuple(self._table.key)
        self._names = {
            "root": self._target(root),
            "stage": f'"stage_{root}"',
            "run": str(int(run.run_id)),
            "generation": str(int(run.generation)),
        }

    def merge(self, parts: Sequence[Part]) -> dict[int, LoadCounts]:
        for name in ("winners", "matched", "applied"):
            self._conn.execute(query(f"DROP TABLE IF EXISTS pg_temp.{name}"))
        if self._key:
            self._pick_winners()
            self._match_existing()
            self._compare_children()
            self._upsert()
            self._replace_children()
            if self._run.edition:
                self._remove_not_produced_again()
        else:
            self._supersede_versions(parts)
            self._insert_keyless()
        return self._count()

    # -- keyed ----------------------------------------------------------------------------------------------------

    def _pick_winners(self) -> None:
        """Of several versions of a key within the batch the one with the greatest order goes on."""
        key = quoted(self._key, "s")
        order = ", ".join(f"{part} DESC" for part in self._staged_order())
        self._execute(
            f"CREATE TEMP TABLE winners ON COMMIT DROP AS SELECT DISTINCT ON ({key}) s._rec, {key} FROM {{stage}} s"
            f" JOIN stage_parts sp USING (_part) ORDER BY {key}, {order}"
        )
        self._execute("ANALYZE winners")

    def _match_existing(self) -> None:
        """Lock the rows that are there already, by key; say for each whether it loses, and whether it holds the same
        values.
        """
        same = " AND ".join(
            f"{self._comparable('t', c)} IS NOT DISTINCT FROM {self._comparable('s', c)}" for c in self._table.columns
        )
        self._execute(
            f"CREATE TEMP TABLE matched ON COMMIT DROP AS SELECT s._rec, {self._beats('s', 'sp')} AS wins, ({same}) AS same"
            f" FROM winners w JOIN {{stage}} s USING (_rec) JOIN stage_parts sp USING (_part)"
            f" JOIN {{root}} t ON {self._join('t', 's')} ORDER BY {quoted(self._key, 't')} FOR UPDATE OF t"
        )

    def _compare_children(self) -> None:
        """A record whose root row is equal is unchanged only if all its child rows are equal, too."""
        for child in self._children:
            columns = [*positions(self._feed, child), *self._feed.tables[child].columns]
            staged = ", ".join(self._comparable("c", column, child) for column in columns)
            source = f"matched m JOIN {{stage}} s USING (_rec) JOIN {self._target(child)} c ON {self._join('c', 's')}"
            new = f'SELECT c._rec, {staged} FROM matched m JOIN "stage_{child}" c USING (_rec) WHERE m.same'
            old = f"SELECT m._rec, {staged} FROM {source} WHERE m.same"
            self._execute(
                f"UPDATE matched SET same = false WHERE same AND _rec IN (SELECT _rec FROM (({new}) EXCEPT ({old})) a"
                f" UNION ALL SELECT _rec FROM (({old}) EXCEPT ({new})) b)"
            )

    def _upsert(self) -> None:
        columns = [*self._table.columns, *ROOT_LINEAGE]
        updates = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name not in self._key)
        self._execute("CREATE TEMP TABLE applied (_rec bigint PRIMARY KEY, is_new boolean) ON COMMIT DROP")
        self._execute(
            f"WITH upserted AS (INSERT INTO {{root}} AS t ({quoted(columns)})"
            f" SELECT {quoted(self._table.columns, 's')}, {self._lineage(ROOT_LINEAGE, 's')}"
            " FROM winners w JOIN {stage} s USING (_rec) JOIN stage_parts sp USING (_part) LEFT JOIN matched m USING (_rec)"
            f" WHERE m._rec IS NULL OR m.wins ORDER BY {quoted(self._key, 's')}"
            f" ON CONFLICT ({quoted(self._key)}) DO UPDATE SET {updates} WHERE {self._beats('excluded', 'excluded')}"
            f" RETURNING {quoted(self._key, 't')}, t.xmax = 0 AS is_new)"
            f" INSERT INTO applied SELECT w._rec, u.is_new FROM upserted u JOIN winners w USING ({quoted(self._key)})"
        )

    def _replace_children(self) -> None:
        """When a root wins all its children are replaced; when it loses, none is touched."""
        for child in reversed(self._children):
            self._execute(
                f"DELETE FROM {self._target(child)} c USING applied a JOIN {{stage}} s USING (_rec)"
                f" WHERE NOT a.is_new AND {self._join('c', 's')}"
            )
        for child in self._children:
            own = [*positions(self._feed, child), *self._feed.tables[child].columns]
            self._execute(
                f"INSERT INTO {self._target(child)} ({quoted([*self._key, *own, *CHILD_LINEAGE])})"
                f" SELECT {quoted(self._key, 's')}, {quoted(own, 'c')}, {self._lineage(CHILD_LINEAGE, 's')}"
                f' FROM applied a JOIN {{stage}} s USING (_rec) JOIN stage_parts sp USING (_part) JOIN "stage_{child}" c USING (_rec)'
            )

    def _remove_not_produced_again(self) -> None:
        """A re-load takes back what the same stretch of the same file gave under an older mapping and gives no more."""
        gone = (
            f"FROM {{root}} t JOIN stage_parts sp ON sp._file = t._file JOIN sluice.parts p ON p.part_id = sp._part"
            " WHERE t._run <> {run} AND (p.member = t._member OR (p.member = '' AND p.end_byte IS NULL))"
            " AND t._offset >= p.start_byte AND (p.end_byte IS NULL OR t._offset < p.end_byte)"
            " AND (SELECT generation FROM sluice.runs r WHERE r.run_id = t._run) <= {generation}"
            f" AND NOT EXISTS (SELECT FROM {{stage}} s WHERE {self._join('s', 't')})"
        )
        self._execute(
            f"CREATE TEMP TABLE gone ON COMMIT DROP AS SELECT {quoted(self._key, 't')} {gone} ORDER BY {quoted(self._key, 't')} FOR UPDATE OF t"
        )
        for table in [*reversed(self._children), self._root]:
            self._execute(f"DELETE FROM {self._target(table)} c USING gone g WHERE {self._join('c', 'g')}")
        self._execute("DROP TABLE gone")

    # -- keyless --------------------------------------------------------------------------------------------------

    def _supersede_versions(self, parts: Sequence[Part]) -> None:
        """Versions of one URI: the newest removes all rows of the older ones; an older one that comes late gives none."""
        for uri in sorted({part.file.uri for part in parts}):
            self._conn.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('sluice ' || %s || ' ' || %s, 0))",
                [self._feed.feed, uri],
            )
        newer = '(o.modified_at, o.version COLLATE "C") > (sp._file_modified, sp._version)'
        other = "sluice.files o ON o.feed = (SELECT feed FROM sluice.files f WHERE f.file_id = sp._file) AND o.uri = sp._uri"
        self._execute(
            "CREATE TEMP TABLE applied ON COMMIT DROP AS SELECT s._rec, true AS is_new FROM {stage} s WHERE _part NOT IN ("
            f"SELECT sp._part FROM stage_parts sp JOIN {other} JOIN sluice.parts p ON p.file_id = o.file_id"
            f" JOIN sluice.loads l USING (part_id) WHERE l.state = 'loaded' AND {newer})"
        )
        self._execute("CREATE TEMP TABLE matched (_rec bigint, same boolean) ON COMMIT DROP")
        for table in [*reversed(self._children), self._root]:
            self._execute(
                f"DELETE FROM {self._target(table)} t USING stage_parts sp JOIN {other}"
                f" WHERE t._file = o.file_id AND NOT {newer} AND o.file_id <> sp._file"
            )
            if self._run.edition:
                self._execute(
                    f"DELETE FROM {self._target(table)} t USING {self._target(self._root)} r, stage_parts sp, sluice.parts p"
                    " WHERE p.part_id = sp._part AND r._file = sp._file AND (p.member = r._member OR (p.member = '' AND p.end_byte IS NULL))"
                    " AND r._offset >= p.start_byte AND (p.end_byte IS NULL OR r._offset < p.end_byte)"
                    f" AND {' AND '.join(f't.{name} = r.{name}' for name in KEYLESS)}"
                )

    def _insert_keyless(self) -> None:
        columns = [*self._table.columns, *ROOT_LINEAGE]
        source = "applied a JOIN {stage} s USING (_rec) JOIN stage_parts sp USING (_part)"
        self._execute(
            f"INSERT INTO {{root}} ({quoted(columns)}) SELECT {quoted(self._table.columns, 's')}, {self._lineage(ROOT_LINEAGE, 's')} FROM {source}"
        )
        for child in self._children:
            own = [*positions(self._feed, child), *self._feed.tables[child].columns]
            self._execute(
                f"INSERT INTO {self._target(child)} ({quoted([*own, *CHILD_LINEAGE])}) SELECT {quoted(own, 'c')},"
                f' {self._lineage(CHILD_LINEAGE, "s")} FROM {source} JOIN "stage_{child}" c USING (_rec)'
            )

    # -- shared ---------------------------------------------------------------------------------------------------

    def _count(self) -> dict[int, LoadCounts]:
        rows = self._execute(
            "SELECT s._part, count(*) FILTER (WHERE a.is_new), count(*) FILTER (WHERE NOT a.is_new AND m.same IS NOT TRUE),"
            " count(*) FILTER (WHERE NOT a.is_new AND m.same), count(*) FILTER (WHERE a._rec IS NULL)"
            " FROM {stage} s LEFT JOIN applied a USING (_rec) LEFT JOIN matched m USING (_rec) GROUP BY s._part"
        )
        return {
            part: LoadCounts(inserted, updated, unchanged, superseded)
            for part, inserted, updated, unchanged, superseded in rows
        }

    def _beats(self, new: str, new_file: str) -> str:
        """SQL that is true where the new row's order is greater than that of the target row ``t``."""
        staged = self._staged_order() if new == "s" else self._row_order(new)
        greater = f"({', '.join(self._row_order('t'))}) < ({', '.join(staged)})"
        if not self._run.edition:
            return greater
        # A record that meets itself, re-loaded under a later mapping (or the same): the later one wins.
        itself = f"t._file = {new_file}._file AND t._member = {new}._member AND t._offset = {new}._offset"
        return f"({greater} OR ({itself} AND (SELECT generation FROM sluice.runs r WHERE r.run_id = t._run) <= {self._names['generation']}))"

    def _staged_order(self) -> list[str]:
        version = [self._version_part("s", name) for name in self._table.version_columns]
        return [*version, "sp._file_date", "sp._file_modified", "sp._uri", "sp._version", "s._member", "s._offset"]

    def _row_order(self, alias: str) -> list[str]:
        version = [self._version_part(alias, name) for name in self._table.version_columns]
        file = f"FROM sluice.files f WHERE f.file_id = {alias}._file"
        return [
            *version,
            f"{alias}._file_date",
            f"{alias}._file_modified",
            f'(SELECT f.uri COLLATE "C" {file})',
            f'(SELECT f.version COLLATE "C" {file})',
            f'{alias}._member COLLATE "C"',
            f"{alias}._offset",
        ]

    def _version_part(self, alias: str, name: str) -> str:
        collate = ' COLLATE "C"' if self._table.columns[name].column_type.kind == "text" else ""
        return f'{alias}."{name}"{collate}'

    def _comparable(self, alias: str, name: str, table: str | None = None) -> str:
        """XML has no equality in PostgreSQL; its text has."""
        column = self._feed.tables[table or self._root].columns.get(name)
        is_xml = column is not None and column.column_type.kind == "xml"
        return (
            f'{alias}."{name}"::text' + ("[]" if is_xml and column and column.column_type.is_list else "")
            if is_xml
            else f'{alias}."{name}"'
        )

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

    def _join(self, left: str, right: str) -> str:
        return " AND ".join(f'{left}."{name}" = {right}."{name}"' for name in self._key)

    def _target(self, table: str) -> str:
        return f'"{self._feed.schema_name}"."{table}"'

    def _execute(self, text: str) -> Iterator[tuple]:  # type: ignore[type-arg]
        return self._conn.execute(query(text.format_map(self._names)))
