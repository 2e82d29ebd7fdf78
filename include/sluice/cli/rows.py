"""How rows and rejects read at a terminal, or in a pipe."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from sluice.cli.entries import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sluice.records import Reject
    from sluice.spots import Spot

PLAIN_WIDTH = 160
MAX_CHARACTERS = 300
NULL = "NULL"
_NARROWEST = 12  # characters to which values are cut before a table is rather shown on its side
_SIDEWAYS = 34  # characters of a row that is shown on its side


def new_console() -> Console:
    """Plain text of a fixed width to a pipe, colours and the terminal's width on a terminal."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    return console


def spell_value(value: Any) -> str:
    """One value on one line. NULL, '' and a text that looks like one of them or has white space around it differ."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dt.datetime):
        return value.isoformat(" ")
    if isinstance(value, list):
        return f"[{', '.join(spell_value(item) for item in value)}]"
    if not isinstance(value, str):
        return str(value)
    text = printable(value if len(value) <= MAX_CHARACTERS else f"{value[: MAX_CHARACTERS - 1]}…")
    return f"'{text}'" if not value or value == NULL or value != value.strip() else text


def tables_of(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], width: int) -> Iterator[Table]:
    """The rows as a table, or where it has too many columns for ``width`` on its side: a line for each column."""
    needed = [_needed(name, rows) for name in columns]
    if sum(characters + 3 for characters in needed) < width:
        yield _upright(title, rows, dict(zip(columns, needed, strict=True)))
        return
    names = max(map(len, columns))
    abreast = max(1, (width - names - 4) // (_SIDEWAYS + 3))
    for start in range(0, len(rows), abreast):
        yield _sideways(title if not start else "", rows[start : start + abreast], columns, start + 1)


def _needed(name: str, rows: Sequence[Mapping[str, Any]]) -> int:
    """How many characters a column must have at least."""
    longest = max(len(spell_value(row[name])) for row in rows)
    return max(len(name), min(longest, _NARROWEST))


def _upright(title: str, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, int]) -> Table:
    table = _new_table(title)
    for name, least in columns.items():
        is_number = any(isinstance(row[name], (int, Decimal)) and not isinstance(row[name], bool) for row in rows)
        justify: Literal["left", "right"] = "right" if is_number else "left"
        table.add_column(name, overflow="ellipsis", no_wrap=True, justify=justify, min_width=least)
    for row in rows:
        table.add_row(*(_text_of(row[name]) for name in columns))
    return table


def _sideways(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], first: int) -> Table:
    table = _new_table(title)
    table.add_column("column", no_wrap=True)
    for number in range(first, first + len(rows)):
        table.add_column(f"row {number}", overflow="ellipsis", no_wrap=True, max_width=_SIDEWAYS)
    for name in columns:
        table.add_row(name, *(_text_of(row[name]) for row in rows))
    return table


def reject_lines(spot: Spot, reject: Reject) -> Iterator[str]:
    """A line for each reason."""
    for reason in reject.reasons:
        where = ".".join(filter(None, (reason.table, reason.column)))
        path = f" ({reason.path})" if reason.path else ""
        value = "" if reason.value is None else f"; the value is {spell_value(reason.value)}"
        whole = "" if reject.ordinal else "all of it: "
        told = f"{where}{path}: " if where else ""
        yield printable(f"{spot}: {whole}{reason.code}: {told}{reason.message}{value}")


def _new_table(title: str) -> Table:
    from rich.table import Table

    return Table(title=title or None, title_justify="left", show_lines=False)


def _text_of(value: Any) -> Text:
    from rich.text import Text

    return Text(spell_value(value), style="dim" if value is None or value == "" else "")
