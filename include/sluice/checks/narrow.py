"""Columns that are narrower than the XSD: values, absences and repetitions that it allows and the feed rejects."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from sluice.checks.declaration import WrittenFeed
from sluice.draft.schema_paths import Found, Way
from sluice.draft.shape import SimpleType
from sluice.feed.model import Column, Feed
from sluice.feed.readings import Reading, steps_to_rows
from sluice.feed.types import ColumnType
from sluice.findings import Finding, Severity
from sluice.spots import Spot

IN_SET = "expect_column_values_to_be_in_set"
MAX_TOLD = 5
_FITS_INTEGER = frozenset({"int", "short", "byte", "unsignedShort", "unsignedByte"})
_SAFE_DIGITS = {"integer": 9, "bigint": 18}


def find_narrow(
    feed: Feed, choices: Sequence[Reading], found: Sequence[Found], written: WrittenFeed
) -> Iterator[Finding]:
    """What is too narrow about a column; ``found`` says where each of its paths leads."""
    reading = choices[0]
    table = feed.tables[reading.table]
    column = table.columns[reading.column]
    ways = [(each, way) for each, one in zip(choices, found, strict=True) for way in one.ways]
    for severity, code, key, message in _faults(feed, column, reading, ways, is_sure=not any(f.is_open for f in found)):
        spot, where = _place(written, reading, key)
        yield Finding(severity, code, message, spot, where, reading.table, reading.column, reading.path.text)
    yield from _expectation_faults(feed, reading, [way for _, way in ways], written)


def _place(written: WrittenFeed, reading: Reading, key: str) -> tuple[Spot, str]:
    loc = ("tables", reading.table, "columns", reading.column)
    return written.spot((*loc, key)) if key != "path" else written.spot(reading.loc)


_Fault = tuple[Severity, str, str, str]


def _faults(
    feed: Feed, column: Column, reading: Reading, ways: Sequence[tuple[Reading, Way]], *, is_sure: bool
) -> Iterator[_Fault]:
    table = feed.tables[reading.table]
    messages = dict.fromkeys(
        message for _, way in ways if (simple := _text_of(way)) is not None
        for message in type_faults(column.column_type, simple)
    )  # fmt: skip
    if not column.formats:
        yield from (("warning", "xsd_wider", "type", message) for message in messages)
    is_needed = column.required or reading.column in table.order_columns
    is_single = len({one.choice for one, _ in ways}) == 1
    missing = next(filter(None, (_optional_on(feed, one, way) for one, way in ways)), None)
    if missing and is_needed and column.default is None and is_sure and is_single:
        what = "required" if column.required else "part of the key or version"
        message = f"the column is {what}, and the XSD lets {missing} be absent"
        yield "warning", "xsd_optional", "required" if column.required else "path", message
    many = next(filter(None, (_many_on(feed, one, way) for one, way in ways)), None)
    if many and not column.column_type.is_list and not column.first:
        cure = "`first: true`, a list or a child table takes them"
        message = f"the XSD lets {many} be there several times, and such a record is rejected: {cure}"
        yield "warning", "xsd_repeats", "path", message


def _text_of(way: Way) -> SimpleType | None:
    declared = way.end.declared
    return declared.simple if declared is not None else None


def _below_row(feed: Feed, reading: Reading, way: Way) -> Iterator[tuple[int, str]]:
    """The elements of a way that are not on the way to the row, each with its place in it."""
    start = len(steps_to_rows(feed, reading.table)) - reading.path.up
    for index in range(start, len(way.shapes)):
        yield index, way.shapes[index].local


def _optional_on(feed: Feed, reading: Reading, way: Way) -> str | None:
    for index, local in _below_row(feed, reading, way):
        declared = way.shapes[index].declared
        if declared is not None and (declared.min_occurs == 0 or declared.is_nillable):
            return local
    attribute = way.attribute
    if attribute is not None and attribute.declared is not None and attribute.declared.min_occurs == 0:
        return f"@{attribute.name.rpartition('}')[2]}"
    return None


def _many_on(feed: Feed, reading: Reading, way: Way) -> str | None:
    for index, local in _below_row(feed, reading, way):
        declared = way.shapes[index].declared
        is_chosen = bool(reading.steps[index].predicates)
        if declared is not None and not is_chosen and (declared.max_occurs is None or declared.max_occurs > 1):
            return local
    return None


# -- types ------------------------------------------------------------------------------------------------------------


def type_faults(column: ColumnType, simple: SimpleType) -> Iterator[str]:
    """Why a column of this type does not take all that the XSD allows. Lists and unions are not looked into."""
    if simple.is_list or simple.members:
        return
    if column.kind in ("integer", "bigint"):
        yield from _integer_faults(column.kind, simple)
    elif column.kind == "numeric":
        yield from _numeric_faults(column, simple)
    elif column.kind == "date" and simple.base in ("dateTime", "dateTimeStamp"):
        yield f"the type is date, and the XSD says xs:{simple.base}"
    elif column.kind in ("timestamp", "timestamptz") and simple.base in ("gYear", "gYearMonth", "time"):
        yield f"the type is {column.kind}, and the XSD says xs:{simple.base}"


def _integer_faults(kind: str, simple: SimpleType) -> Iterator[str]:
    if simple.base == "decimal" and simple.fraction_digits != 0:
        yield f"the type is {kind}, and the XSD allows fractions (xs:decimal)"
    elif simple.base in ("double", "float"):
        yield f"the type is {kind}, and the XSD says xs:{simple.base}"
    elif (simple.is_whole_number or simple.base == "decimal") and not _is_within(kind, simple):
        digits = simple.whole_digits
        allowed = f"{digits} digits" if digits else "numbers of any size"
        yield f"the type is {kind}, and the XSD allows {allowed} (xs:{simple.base})"


def _is_within(kind: str, simple: SimpleType) -> bool:
    digits = simple.whole_digits
    if simple.base in _FITS_INTEGER or (digits is not None and digits <= _SAFE_DIGITS[kind]):
        return True
    # whole numbers without bounds: a bigint takes what anybody counts
    return kind == "bigint" and (digits is None or simple.base == "long")


def _numeric_faults(column: ColumnType, simple: SimpleType) -> Iterator[str]:
    if simple.fraction_digits is not None and simple.fraction_digits > column.scale:
        yield f"the XSD allows {simple.fraction_digits} digits after the point, and {column} takes {column.scale}"
    digits = simple.whole_digits
    if digits is not None and digits > column.precision - column.scale:
        yield f"the XSD allows {digits} digits before the point, and {column} takes {column.precision - column.scale}"


# -- expectations -----------------------------------------------------------------------------------------------------


def _expectation_faults(feed: Feed, reading: Reading, ways: Sequence[Way], written: WrittenFeed) -> Iterator[Finding]:
    simple = [_text_of(way) for way in ways]
    allowed = dict.fromkeys(value for each in simple if each is not None for value in each.enumeration)
    if not allowed or not all(each is not None and each.enumeration for each in simple):
        return
    for index, expectation in enumerate(feed.tables[reading.table].expectations):
        values = expectation.arguments.get("value_set")
        is_of_column = expectation.type == IN_SET and expectation.arguments.get("column") == reading.column
        if not is_of_column or not isinstance(values, list):
            continue
        spot, where = written.spot(("tables", reading.table, "expectations", index, IN_SET, "value_set"))
        given = [str(value) for value in values]
        if lacking := [value for value in allowed if value not in given]:
            message = f"the XSD allows {_some(lacking)} too"
            severity: Severity = "warning" if expectation.severity == "critical" else "note"
            yield Finding(severity, "xsd_wider", message, spot, where, reading.table, reading.column)
        for value in given:
            if value not in allowed:
                near = next(iter(difflib.get_close_matches(value, allowed, n=1)), None)
                message = f"the XSD does not allow {value!r}"
                names = (reading.table, reading.column)
                yield Finding("note", "xsd_value_impossible", message, spot, where, *names, suggestion=near)


def _some(values: Sequence[str]) -> str:
    more = f" and {len(values) - MAX_TOLD} more" if len(values) > MAX_TOLD else ""
    return ", ".join(map(repr, values[:MAX_TOLD])) + more
