"""Turns the texts of a column into typed Arrow values, exactly: what does not fit is reported, never rounded or nulled.

Each type has two ways that must agree. The fast one checks the whole column against a pattern and lets Arrow cast it;
if anything in the column is unusual, the slow one looks at every value by itself and says what is wrong with it. The
slow one defines what is right.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
from lxml import etree

from sluice.feed.model import Column
from sluice.feed.types import ColumnType
from sluice.plan import NIL

VALUE_CAP = 200
_WHITE = " \t\r\n"
_INTEGER_RANGES = {"integer": (-(1 << 31), (1 << 31) - 1), "bigint": (-(1 << 63), (1 << 63) - 1)}
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:Z|[+-]\d\d:\d\d)?")
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:?\d\d)?")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_EXACT = decimal.Context(prec=100, traps=[decimal.InvalidOperation])

# What the fast way may see: patterns in RE2's syntax, anchored, that Arrow's own cast reads in the same way.
_FAST_PATTERNS = {
    "integer": r"^[+-]?[0-9]{1,10}$",
    "bigint": r"^[+-]?[0-9]{1,19}$",
    "numeric": r"^[+-]?[0-9]+(\.[0-9]+)?$",
    "date": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "timestamp": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?$",
    "timestamptz": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})$",
}


@dataclass(frozen=True, slots=True)
class BadValue:
    """A value that its column cannot take: index in the column, reject code, message, the value (capped)."""

    index: int
    code: str
    message: str
    value: str | None


class _Unfit(ValueError):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Converter:
    """Converts one column; made once per feed and table."""

    def __init__(self, name: str, column: Column) -> None:
        self.name = name
        self.column = column
        self.type: ColumnType = column.column_type
        self.arrow: pa.DataType = self.type.arrow
        self._nulls = frozenset(column.null)
        self._convert_one = _CONVERTERS[self.type.kind]
        self._fast_pattern = None if column.formats or self.type.is_list else _FAST_PATTERNS.get(self.type.kind)

    def convert(self, values: Sequence[Any]) -> tuple[pa.Array, list[BadValue]]:
        """``values`` hold text, None (absent) or NIL, or lists of texts for list columns.

        Returns an Arrow array of the same length and what did not fit; there the array holds NULL.
        """
        if self.type.kind == "text" and not self.type.is_list:
            fast = self._plain_text(values)
        else:
            fast = self._cast(values) if self._fast_pattern else None
        return (fast, []) if fast is not None else self._one_by_one(values)

    def _plain_text(self, values: Sequence[Any]) -> pa.Array | None:
        """Text as it is, where nothing has to be looked at value by value."""
        column = self.column
        if column.trim or self._nulls or column.default is not None:
            return None
        try:
            array = pa.array(values, pa.string())
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            return None
        return None if column.required and array.null_count else array

    def _cast(self, values: Sequence[Any]) -> pa.Array | None:
        try:
            texts = pa.array(values, pa.string())
            if texts.null_count and (self.column.required or self.column.default is not None):
                return None
            if not pc.all(pc.match_substring_regex(texts, self._fast_pattern), min_count=0).as_py():
                return None
            return pc.cast(texts, self.arrow)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            return None

    def _one_by_one(self, values: Sequence[Any]) -> tuple[pa.Array, list[BadValue]]:
        converted: list[Any] = []
        bad: list[BadValue] = []
        for index, value in enumerate(values):
            try:
                converted.append(self._convert_value(value))
            except _Unfit as unfit:
                converted.append(None)
                bad.append(BadValue(index, unfit.code, str(unfit), _capped(value)))
        return pa.array(converted, self.arrow), bad

    def _convert_value(self, value: Any) -> Any:
        if self.type.is_list and value is not None:
            items = [self._convert_text(item) for item in value if item is not NIL]
            return items
        if value is None:
            value = self.column.default
        converted = None if value is None or value is NIL else self._convert_text(value)
        if converted is None and self.column.required:
            raise _Unfit("required_missing", "the column is required and has no value")
        return converted

    def _convert_text(self, text: str) -> Any:
        if self.type.kind != "text" or self.column.trim:
            text = text.strip(_WHITE)
        if self._nulls and text.strip(_WHITE) in self._nulls:
            return None
        if text == "" and self.type.kind != "text":
            raise _Unfit("empty_value", f"the value is empty; {self.type.element_sql} has no empty value")
        return self._convert_one(text, self)


def _capped(value: Any) -> str | None:
    if value is None or value is NIL:
        return None
    text = value if isinstance(value, str) else ", ".join(map(str, value))
    return text if len(text) <= VALUE_CAP else text[:VALUE_CAP] + "…"


def _to_text(text: str, _: Converter) -> str:
    return text


def _to_integer(text: str, converter: Converter) -> int:
    if not _INTEGER.fullmatch(text):
        raise _Unfit("not_a_number", f"not a whole number for {converter.type.kind}")
    low, high = _INTEGER_RANGES[converter.type.kind]
    # Python refuses to read thousands of digits; nothing that long fits anyway.
    if len(text.lstrip("+-0")) > 19 or not low <= int(text) <= high:
        raise _Unfit("out_of_range", f"the number does not fit {converter.type.kind}")
    return int(text)


def _to_numeric(text: str, converter: Converter) -> decimal.Decimal:
    kind = converter.type
    if not _DECIMAL.fullmatch(text):
        raise _Unfit("not_a_number", f"not a decimal number for {kind.element_sql}")
    whole, _, fraction = text.lstrip("+-").partition(".")
    if len(fraction.rstrip("0")) > kind.scale:
        raise _Unfit(
            "too_precise", f"{len(fraction.rstrip('0'))} digits after the point; {kind.element_sql} keeps {kind.scale}"
        )
    if len(whole.lstrip("0")) > kind.precision - kind.scale:
        raise _Unfit(
            "out_of_range",
            f"{len(whole.lstrip('0'))} digits before the point; {kind.element_sql} keeps {kind.precision - kind.scale}",
        )
    sign = "-" if text.startswith("-") else ""
    return _EXACT.create_decimal(f"{sign}{whole or '0'}.{fraction[: kind.scale] or '0'}")


def _to_boolean(text: str, _: Converter) -> bool:
    if text not in _BOOLEANS:
        raise _Unfit("not_a_boolean", "neither true, false, 1 nor 0")
    return _BOOLEANS[text]


def _to_date(text: str, converter: Converter) -> dt.date:
    for form in converter.column.formats:
        try:
            return dt.datetime.strptime(text, form).date()  # noqa: DTZ007 - a date has no zone
        except ValueError:
            continue
    match = None if converter.column.formats else _DATE.fullmatch(text)
    if match is None:
        raise _Unfit("not_a_date", f"not a date in the form {' or '.join(converter.column.formats) or 'YYYY-MM-DD'}")
    try:
        return dt.date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError as error:
        raise _Unfit("not_a_date", f"no such day: {error}") from None


def _to_timestamp(text: str, converter: Converter) -> dt.datetime:
    value = _parse_timestamp(text, converter)
    if value.tzinfo is not None:
        raise _Unfit("zone_unexpected", "the value has a time zone, and timestamp keeps none; use timestamptz")
    return value


def _to_timestamptz(text: str, converter: Converter) -> dt.datetime:
    value = _parse_timestamp(text, converter)
    if value.tzinfo is None:
        if converter.column.timezone is None:
            raise _Unfit("zone_missing", "the value has no time zone, and the column declares none")
        value = value.replace(tzinfo=ZoneInfo(converter.column.timezone))
    try:
        return value.astimezone(dt.UTC)
    except OverflowError as error:
        raise _Unfit("out_of_range", "the instant lies outside the years 1 to 9999") from error


def _parse_timestamp(text: str, converter: Converter) -> dt.datetime:
    for form in converter.column.formats:
        try:
            return dt.datetime.strptime(text, form)  # noqa: DTZ007 - the caller decides about the zone
        except ValueError:
            continue
    match = None if converter.column.formats else _TIMESTAMP.fullmatch(text)
    if match is None:
        raise _Unfit(
            "not_a_timestamp",
            f"not a timestamp in the form {' or '.join(converter.column.formats) or 'YYYY-MM-DDThh:mm:ss'}",
        )
    day, hour, minute, second, fraction, zone = match.groups()
    fraction = (fraction or "").rstrip("0")
    if len(fraction) > 6:
        raise _Unfit("too_precise", f"{len(fraction)} digits of a second; microseconds (6) are kept")
    is_midnight_after = hour == "24" and minute == "00" and (second or "00") == "00" and not fraction
    try:
        value = dt.datetime.fromisoformat(
            f"{day}T{'00' if is_midnight_after else hour}:{minute}:{second or '00'}.{fraction or '0':0<6}"
        )
        value = value + dt.timedelta(days=1) if is_midnight_after else value
        return value.replace(tzinfo=_zone(zone)) if zone else value
    except (ValueError, OverflowError) as error:
        raise _Unfit("not_a_timestamp", f"no such time: {error}") from None


def _zone(text: str) -> dt.tzinfo:
    if text == "Z":
        return dt.UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 14 or minutes > 59:
        raise ValueError("the offset of the time zone is out of range")
    offset = dt.timedelta(hours=hours, minutes=minutes)
    return dt.timezone(-offset if text[0] == "-" else offset)


def _to_json(text: str, _: Converter) -> str:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _Unfit("not_json", f"not JSON: {error}") from None
    return text


def _to_xml(text: str, _: Converter) -> str:
    """The raw fragment; a value from an attribute or from elsewhere must be a fragment by itself."""
    try:
        etree.fromstring(f"<_>{text}</_>", etree.XMLParser(resolve_entities=False, no_network=True))
    except (etree.XMLSyntaxError, ValueError) as error:
        raise _Unfit("malformed", f"not an XML fragment: {error}") from None
    return text


_CONVERTERS: dict[str, Callable[[str, Converter], Any]] = {
    "text": _to_text,
    "integer": _to_integer,
    "bigint": _to_integer,
    "numeric": _to_numeric,
    "boolean": _to_boolean,
    "date": _to_date,
    "timestamp": _to_timestamp,
    "timestamptz": _to_timestamptz,
    "json": _to_json,
    "xml": _to_xml,
}
