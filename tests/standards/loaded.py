"""What a feed has loaded, asked for by element path, so that the same questions fit every feed over the same samples.

A path is that of ``count.py``: local names from the root of the document, ``/Invoice/TaxTotal/@currencyID``. A column
is found by its table's path and its own; a feed that names tables and columns in another way gives the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import PurePosixPath
from typing import Any

import psycopg
from psycopg import sql

from sluice.draft.golden import spell
from sluice.feed.model import Feed
from sluice.feed.paths import Path, Predicate, parse_path


class Loaded:
    """The tables of ``feed`` in the database at ``dsn``."""

    def __init__(self, feed: Feed, dsn: str) -> None:
        self.feed, self._dsn = feed, dsn
        self._tables = {name: _table_path(feed, name) for name in feed.tables}
        # what a column takes in the first place counts before what another takes for want of better
        taken = sorted(
            (rank, name, column, path)
            for name, table in feed.tables.items()
            for column, declared in table.columns.items()
            for rank, path in enumerate(declared.path, len(declared.path) > 1)
        )
        self._columns: dict[str, tuple[str, str]] = {}
        for _, name, column, path in taken:
            self._columns.setdefault(_below(self._tables[name], parse_path(path)), (name, column))

    @property
    def root_paths(self) -> list[str]:
        return [self._tables[name] for name in self.feed.roots]

    def count_rows(self) -> dict[str, int]:
        """Rows of each table, by the path of the elements that they are made of."""
        return {path: self._ask("SELECT count(*) FROM {}", name)[0][0] for name, path in self._tables.items()}

    def sum(self, path: str) -> Decimal | str:
        try:
            return sum(map(Decimal, self.values(path)), Decimal(0))
        except InvalidOperation:
            return "not all are numbers"

    def count_distinct(self, path: str) -> int:
        return len(set(self.values(path)))

    def values(self, path: str) -> list[str]:
        """All that is not NULL, the items of lists one by one, as texts in the order of their characters."""
        found = self._ask_column("SELECT {1} FROM {0} WHERE {1} IS NOT NULL", path)
        items = (item for (value,) in found for item in (value if isinstance(value, list) else [value]))
        return sorted(map(spell, items))

    def row(self, table: str, where: Mapping[str, str], wanted: Mapping[str, Any]) -> dict[str, Any] | str:
        """The values at the paths of ``wanted`` in the one row of ``table`` that has those of ``where``."""
        name = next((name for name, path in self._tables.items() if path == table), None)
        if name is None:
            return "no table"
        columns = {path: self._column_in(name, path) for path in (*where, *wanted)}
        if missing := [path for path, column in columns.items() if column is None]:
            return f"no column for {', '.join(missing)}"
        condition = sql.SQL(" AND ").join(
            sql.SQL("{}::text = {}").format(sql.Identifier(columns[path] or ""), sql.Literal(value))
            for path, value in where.items()
        )
        selected = sql.SQL(", ").join(sql.Identifier(columns[path] or "") for path in wanted)
        query = sql.SQL("SELECT {} FROM {} WHERE {}").format(selected, self._identifier(name), condition)
        rows = self._fetch(query)
        return dict(zip(wanted, map(spell, rows[0]), strict=True)) if len(rows) == 1 else f"{len(rows)} rows"

    def differences(self, expected: Mapping[str, Any]) -> list[str]:
        """Where the tables are not what ``count.py`` expects, a line each; it need not name all tables."""
        found = []
        rows = self.count_rows()
        asked: list[tuple[str, Callable[[str], Any]]] = [
            ("tables", lambda path: rows.get(path, "no table")),
            ("sums", self.sum),
            ("distinct", self.count_distinct),
            ("sorted", self.values),
        ]
        for kind, ask in asked:
            for path, wanted in expected[kind].items():
                is_known = kind == "tables" or path in self._columns
                got = ask(path) if is_known else "no column"
                if got != wanted:
                    found.append(f"{path}: {kind}: expected {_short(wanted)}, found {_short(got)}")
        for table, where, wanted in expected["rows"]:
            got = self.row(table, where, wanted)
            if got != wanted:
                found.append(f"{table}: row {where}: expected {wanted}, found {got}")
        return found

    def unmapped(self) -> list[str]:
        """What the samples hold and no column reads."""
        query = sql.SQL("SELECT path FROM sluice.drift WHERE feed = {} AND kind <> 'empty' ORDER BY path")
        return [path for (path,) in self._fetch(query.format(sql.Literal(self.feed.feed)))]

    def _column_in(self, table: str, path: str) -> str | None:
        for column, declared in self.feed.tables[table].columns.items():
            if path in (_below(self._tables[table], parse_path(own)) for own in declared.path):
                return column
        return None

    def _identifier(self, name: str) -> sql.Identifier:
        return sql.Identifier(self.feed.schema_name, name)

    def _ask(self, statement: str, table: str) -> list[tuple[Any, ...]]:
        return self._fetch(sql.SQL(statement).format(self._identifier(table)))

    def _ask_column(self, statement: str, path: str) -> list[tuple[Any, ...]]:
        table, column = self._columns[path]
        return self._fetch(sql.SQL(statement).format(self._identifier(table), sql.Identifier(column)))

    def _fetch(self, query: sql.Composed) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._dsn) as connection:
            return connection.execute(query).fetchall()


def _table_path(feed: Feed, name: str) -> str:
    table = feed.tables[name]
    if table.parent is None:
        return _below("/", parse_path(table.record or ""))
    return _below(_table_path(feed, table.parent), parse_path(table.rows or ""))


def _below(base: str, path: Path) -> str:
    """Where ``path`` ends, from ``base``; names without their prefixes, predicates as they are told apart by."""
    place = PurePosixPath(base)
    for _ in range(path.up):
        place = place.parent
    for step in path.steps:
        tests = "".join(map(_spell, step.predicates))
        place /= f"{step.name.local}{tests}"
    return str(place / f"@{path.attribute.local}") if path.attribute else str(place)


def _spell(predicate: Predicate) -> str:
    names = [name.local for name in predicate.steps]
    if predicate.attribute:
        names.append(f"@{predicate.attribute.local}")
    return f"[{'/'.join(names)}='{predicate.value}']"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
