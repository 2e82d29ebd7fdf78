"""Whether a peer loaded the same rows as Sluice, compared row by row and value by value, before its time counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest

import psycopg

COLUMNS = (
    "id", "sku", "name", "category", "price", "currency", "qty", "created", "updated", "active", "country", "weight",
    "description",
)  # fmt: skip
SLUICE = {
    **{name: name for name in COLUMNS},
    "created": "to_char(created AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')",
}


@dataclass(frozen=True, slots=True)
class PeerTable:
    """Where a peer puts the rows, how each column is brought to Sluice's spelling, and what it cannot hold.

    ``known`` says why where a column of Sluice is missing, or why an expression is more than a name.
    """

    table: str
    expressions: Mapping[str, str]
    known: str

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name for name in COLUMNS if name in self.expressions)


_SAME = {name: name for name in COLUMNS}
_IN_UTC = "to_char(created AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"
_AS_IT_STANDS = "to_char(created, 'YYYY-MM-DD HH24:MI:SS')"
PEER_TABLES = {
    "xml2db": PeerTable(
        "by_xml2db.item",
        {
            **_SAME,
            "price": "price_value::numeric(12,2)",
            "currency": "price_currency",
            "created": _IN_UTC,
            "weight": "nullif(weight, '')::numeric(12,3)",
        },
        "decimals are doubles and are rounded to be compared; weight is a text",
    ),
    "pandas": PeerTable(
        "by_pandas.items",
        {
            **{name: expression for name, expression in _SAME.items() if name != "currency"},
            "price": "price::numeric(12,2)",
            "weight": "weight::numeric(12,3)",
            "created": _IN_UTC,
            "updated": "updated::date",
        },
        "no currency, which is an attribute of a child; decimals are doubles and are rounded to be compared",
    ),
    "spark": PeerTable("by_spark.items", {**_SAME, "created": _AS_IT_STANDS}, "timestamps lose their zone"),
}


def compare_with_peer(dsn: str, peer: str, sluice_table: str = "items.items") -> tuple[int, list[str]]:
    """(rows compared, differences) between what Sluice and a peer have put into one database."""
    table = PEER_TABLES[peer]
    mine = [SLUICE[name] for name in table.columns]
    theirs = [table.expressions[name] for name in table.columns]
    with psycopg.connect(dsn) as one, psycopg.connect(dsn) as other:
        counted = _Counted(_rows(one, sluice_table, mine))
        differences = find_differences(table.columns, counted, _rows(other, table.table, theirs))
        return counted.rows, differences


def find_differences(
    columns: Iterable[str],
    mine: Iterable[tuple[str | None, ...]],
    theirs: Iterable[tuple[str | None, ...]],
    most: int = 5,
) -> list[str]:
    """The first differences between two tables that are sorted by their first column, in words; empty if equal."""
    found: list[str] = []
    names = tuple(columns)
    for row, other in zip_longest(mine, theirs):
        if row == other:
            continue
        if row is None or other is None:
            key, who = (row or other or ("?",))[0], "Sluice" if other is None else "the peer"
            found.append(f"{key}: only {who} has it")
        elif row[0] != other[0]:
            found.append(f"keys {row[0]} and {other[0]} stand side by side")
            break  # everything after it differs, too
        else:
            pairs = zip(names, row, other, strict=True)
            found += [f"{row[0]}: {name} is {a!r}, the peer has {b!r}" for name, a, b in pairs if a != b]
        if len(found) >= most:
            break
    return found[:most]


@dataclass(slots=True)
class _Counted:
    """Counts the rows that are taken from it."""

    source: Iterator[tuple[str | None, ...]]
    rows: int = 0

    def __iter__(self) -> Iterator[tuple[str | None, ...]]:
        for row in self.source:
            self.rows += 1
            yield row


def _rows(connection: psycopg.Connection, table: str, expressions: list[str]) -> Iterator[tuple[str | None, ...]]:
    texts = ", ".join(f"({expression})::text" for expression in expressions)
    with connection.cursor(name="rows") as cursor:
        cursor.itersize = 20_000
        # with the table's name before it: the bare name would mean the text
        cursor.execute(f"SELECT {texts} FROM {table} AS rows ORDER BY rows.{expressions[0]}")
        yield from cursor
