"""The rows of one batch in temporary tables, next to the tables that they are merged into."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import psycopg
import pyarrow as pa

from sluice.arrays import spell_array
from sluice.copying import copy_rows
from sluice.feed.model import Feed
from sluice.warehouse import query

COPY_ROWS = 20_000

_PARTS = """_part bigint PRIMARY KEY, _file bigint, _file_date date, _file_modified timestamptz,
    _uri text COLLATE "C", _version text COLLATE "C", _within text COLLATE "C", _start bigint, _end bigint,
    _is_again boolean, _is_failed boolean, UNIQUE (_file, _within, _part)"""

# A batch is sorted and joined in memory, by plans that need only a rough idea of its size.
_WORK_MB = 64
_SETTINGS = f"""SELECT set_config('default_statistics_target', '10', true), set_config('jit', 'off', true),
    CASE WHEN pg_size_bytes(current_setting('work_mem')) < {_WORK_MB} << 20
        THEN set_config('work_mem', '{_WORK_MB}MB', true) END"""


def quoted(names: Iterable[str], alias: str = "") -> str:
    """Column names for SQL, comma-separated, each behind ``alias`` if given."""
    prefix = f"{alias}." if alias else ""
    return ", ".join(f'{prefix}"{name}"' for name in names)


def positions(feed: Feed, table: str) -> list[str]:
    """The position columns of a child table: _n1 for its place below the root's row, _n2 below that, …"""
    return [f"_n{level}" for level in range(1, feed.depth_of(table) + 1)]


def staged(feed: Feed, table: str) -> str:
    """The temporary table for the rows of ``table``. Numbered, since a name behind a prefix may be cut off."""
    return f"stage_rows_{list(feed.tables).index(table)}"


def make_or_empty(conn: psycopg.Connection, tables: Mapping[str, str]) -> None:
    """Make these temporary tables (name to columns), which go with the transaction, or empty them where it has them.

    Tables made anew for each batch would cost new locks each time, all held to the end: the many batches of a run that
    publishes as one would fill the server's lock table.
    """
    first = next(iter(tables))
    if conn.execute(query(f"SELECT to_regclass('pg_temp.{first}')")).fetchone() == (None,):
        for name, columns in tables.items():
            conn.execute(query(f"CREATE TEMP TABLE {name} ({columns}) ON COMMIT DROP"))
    else:
        empty(conn, *tables)


def empty(conn: psycopg.Connection, *tables: str) -> None:
    conn.execute(query(f"TRUNCATE {', '.join(f'pg_temp.{table}' for table in tables)}"))


class Staging:
    """Temporary tables with the rows of one batch; the next batch of the transaction finds them empty."""

    def __init__(self, conn: psycopg.Connection, feed: Feed) -> None:
        self.conn = conn
        self._feed = feed
        self._keys: dict[str, list[pa.Table]] = {}

    def create(self, parts: Collection[int], again: Collection[int], failed: Collection[int]) -> None:
        """Make the tables. Of the ids in ``parts``, ``again`` were loaded before, ``failed`` give no rows now."""
        self.conn.execute(query(_SETTINGS))
        rows = {staged(self._feed, name): self._spell_columns(name) for name in self._feed.tables}
        make_or_empty(self.conn, {"stage_parts": _PARTS, **rows})
        self.conn.execute(
            """INSERT INTO stage_parts
               SELECT p.part_id, p.file_id, f.file_date, f.modified_at, f.uri, f.version, p.member,
                   p.start_byte, p.end_byte, p.part_id = ANY(%s), p.part_id = ANY(%s)
               FROM sluice.parts p JOIN sluice.files f USING (file_id) WHERE p.part_id = ANY(%s)""",
            [spell_array(again), spell_array(failed), spell_array(parts)],
        )
        self.conn.execute("ANALYZE stage_parts")

    def _spell_columns(self, name: str) -> str:
        columns = ", ".join(f'"{column}" {kind}' for column, kind in self.columns(name))
        return columns + (', "_is_delete" boolean DEFAULT false' if self._feed.tables[name].deletes else "")

    def columns(self, name: str) -> list[tuple[str, str]]:
        """The columns of a staging table, as in parse's files, with their SQL types."""
        table = self._feed.tables[name]
        place = [("_rec", "bigint")]
        if table.is_root:
            place += [
                ("_part", "bigint"),
                ("_member", 'text COLLATE "C"'),
                ("_record", "bigint"),
                ("_offset", "bigint"),
            ]
        else:
            place += [(position, "integer") for position in positions(self._feed, name)]
        return place + [(column, declared.column_type.sql) for column, declared in table.columns.items()]

    def copy(self, name: str, tables: Iterable[pa.Table]) -> int:
        """COPY Arrow tables that hold at least the staging columns; returns the number of rows."""
        return self._copy(name, [column for column, _ in self.columns(name)], self._noting_keys(name, tables))

    def copy_deletes(self, name: str, tables: Iterable[pa.Table]) -> int:
        """COPY the deletes of a root table to its rows; of their columns they have only key and version."""
        order = self._feed.tables[name].order_columns
        names = [*(column for column, _ in self.columns(name) if column[0] == "_" or column in order), "_is_delete"]
        marked = (table.append_column("_is_delete", pa.repeat(True, table.num_rows)) for table in tables)
        return self._copy(name, names, marked)

    def _noting_keys(self, name: str, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        seen = self._keys.setdefault(name, [])
        for table in tables:
            seen.append(table.select(self._feed.tables[name].key))
            yield table

    def has_unique_keys(self, name: str) -> bool:
        """Whether no two of the rows copied to a root table have the same key, so that each stands for its own."""
        table = self._feed.tables[name]
        kinds = [table.columns[column].column_type for column in table.key]
        if not self._keys[name]:
            return True
        if not table.key or table.deletes or any(kind.is_list or kind.kind == "json" for kind in kinds):
            return False  # not to be seen from here
        keys = pa.concat_tables(self._keys[name])
        return keys.group_by(list(table.key)).aggregate([]).num_rows == keys.num_rows

    def _copy(self, name: str, names: Sequence[str], tables: Iterable[pa.Table]) -> int:
        kinds = dict(self.columns(name)) | {"_is_delete": "boolean"}
        rows = copy_rows(self.conn, staged(self._feed, name), {name: kinds[name] for name in names}, tables)
        # What rows are joined by; of the rest the planner needs nothing.
        joined = "_rec, _part" if self._feed.tables[name].is_root else "_rec"
        self.conn.execute(query(f"ANALYZE {staged(self._feed, name)} ({joined})"))
        return rows
