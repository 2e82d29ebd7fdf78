"""What one text is worth in a column's type: a typed value, exactly, or an ``Unfit`` that says why there is none.

Only ASCII digits are digits. Years run from 1 to 9999, as Python and PostgreSQL both have them.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import re
from collections.abc import Callable
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from sluice.feed.model import Column
from sluice.xmlio import find_fault_in_fragment

_INTEGER_RANGES = {"integer": (-(1 << 31), (1 << 31) - 1), "bigint": (-(1 << 63), (1 << 63) - 1)}
_INTEGER = re.compile(r"[+-]?0*([0-9]+)")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(Z|[+-][0-9]{2}:[0-9]{2})?")
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_EXACT = decimal.Context(prec=100, traps=[decimal.InvalidOperation])
_MAX_OFFSET = dt.timedelta(hours=14)
_UTC_NAME = re.compile(r"\b(?:UTC|GMT)\b", re.IGNORECASE)

# Beyond these PostgreSQL refuses a jsonb, and with it the whole batch.
_MAX_JSON_DEPTH = 1000
_MAX_JSON_DIGITS, _MAX_JSON_SCALE = 131_072, 16_383


class Unfit(ValueError):
    """A text that is no value of the column's type; ``code`` is one of ``errors.REJECT_CODES``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def to_text(text: str, _: Column) -> str:
    return text


def to_integer(text: str, column: Column) -> int:
    kind = column.column_type.kind
    match = _INTEGER.fullmatch(text)
    if not match:
        raise Unfit("not_a_number", f"not a whole number for {kind}")
    low, high = _INTEGER_RANGES[kind]
    # Python refuses to read thousands of digits; nothing that long fits anyway.
    number = int(match[1]) if len(match[1]) <= 19 else high + 2
    number = -number if text.startswith("-") else number
    if not low <= number <= high:
        raise Unfit("out_of_range", f"the number does not fit {kind}")
    return number


def to_decimal(text: str) -> decimal.Decimal | None:
    """The number by itself, whatever column it might be for; None where it is none, or longer than any column takes."""
    return _EXACT.create_decimal(text) if len(text) <= _EXACT.prec and _DECIMAL.fullmatch(text) else None


def to_numeric(text: str, column: Column) -> decimal.Decimal:
    kind = column.column_type
    if not _DECIMAL.fullmatch(text):
        raise Unfit("not_a_number", f"not a decimal number for {kind.element}")
    whole, _, fraction = text.lstrip("+-").partition(".")
    whole, fraction = whole.lstrip("0"), fraction.rstrip("0")
    if len(fraction) > kind.scale:
        raise Unfit("too_precise", f"{len(fraction)} digits after the point; {kind.element} keeps {kind.scale}")
    places = kind.precision - kind.scale
    if len(whole) > places:
        raise Unfit("out_of_range", f"{len(whole)} digits before the point; {kind.element} keeps {places}")
    sign = "-" if text.startswith("-") else ""
    return _EXACT.create_decimal(f"{sign}{whole or '0'}.{fraction}")


def to_boolean(text: str, _: Column) -> bool:
    if text not in BOOLEANS:
        raise Unfit("not_a_boolean", "neither true, false, 1 nor 0")
    return BOOLEANS[text]


def to_date(text: str, column: Column) -> dt.date:
    if column.formats:
        return _by_formats(text, column, "not_a_date").date()
    match = _DATE.fullmatch(text)
    if match is None:
        raise Unfit("not_a_date", "not a date in the form YYYY-MM-DD")
    try:
        if match[4]:
            parse_zone(match[4])
        return dt.date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError as error:
        raise Unfit("not_a_date", f"no such day: {error}") from None


def to_timestamp(text: str, column: Column) -> dt.datetime:
    value = _parse_timestamp(text, column)
    if value.tzinfo is not None:
        raise Unfit("zone_unexpected", "the value has a time zone, and timestamp keeps none; use timestamptz")
    return value


def to_timestamptz(text: str, column: Column) -> dt.datetime:
    value = _parse_timestamp(text, column)
    if value.tzinfo is None:
        if column.timezone is None:
            raise Unfit("zone_missing", "the value has no time zone, and the column declares none")
        value = value.replace(tzinfo=ZoneInfo(column.timezone))
    try:
        return value.astimezone(dt.UTC)
    except OverflowError as error:
        raise Unfit("out_of_range", "the instant lies outside the years 1 to 9999") from error


def _parse_timestamp(text: str, column: Column) -> dt.datetime:
    if column.formats:
        return _by_formats(text, column, "not_a_timestamp")
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise Unfit("not_a_timestamp", "not a timestamp in the form YYYY-MM-DDThh:mm:ss")
    day, hour, minute, second, fraction, zone = match.groups()
    second, fraction = second or "00", (fraction or "").rstrip("0")
    if len(fraction) > 6:
        raise Unfit("too_precise", f"{len(fraction)} digits of a second; microseconds (6) are kept")
    ends_the_day = (hour, minute, second, fraction) == ("24", "00", "00", "")
    try:
        value = dt.datetime.fromisoformat(
            f"{day}T{'00' if ends_the_day else hour}:{minute}:{second}.{fraction or '0':0<6}"
        )
        value = value + dt.timedelta(days=1) if ends_the_day else value
        return value.replace(tzinfo=parse_zone(zone)) if zone else value
    except (ValueError, OverflowError) as error:
        raise Unfit("not_a_timestamp", f"no such time: {error}") from None


def _by_formats(text: str, column: Column, code: str) -> dt.datetime:
    """The moment by the first format that fits."""
    is_plain = all(character.isascii() or not character.isdecimal() for character in text)
    for form in column.formats if is_plain else ():
        try:
            value = dt.datetime.strptime(text, form)  # noqa: DTZ007 - the caller decides about the zone
        except (ValueError, OverflowError):
            continue
        if "%Z" not in form or value.tzinfo is not None:
            return value
        # Python reads the name of a zone and forgets it; besides these two it knows those of its own machine.
        if _UTC_NAME.search(text):
            return value.replace(tzinfo=dt.UTC)
    what = "date" if code == "not_a_date" else "timestamp"
    raise Unfit(code, f"not a {what} in the form {' or '.join(column.formats)}")


def parse_zone(text: str) -> dt.tzinfo:
    """The zone of a text like Z, +02:00 or -0530. Raises ValueError where no place on earth has it."""
    if text == "Z":
        return dt.UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    offset = dt.timedelta(hours=hours, minutes=minutes)
    if minutes > 59 or offset > _MAX_OFFSET:
        raise ValueError("the offset of the time zone is out of range")
    return dt.timezone(-offset if text[0] == "-" else offset)


def is_json(text: str) -> bool:
    """Whether a column of type json would take the text."""
    try:
        _refuse_no_json(text)
    except Unfit:
        return False
    return True


def to_json(text: str, _: Column) -> str:
    """The text itself, if it is JSON that PostgreSQL's jsonb can hold."""
    _refuse_no_json(text)
    return text


def _refuse_no_json(text: str) -> None:
    try:
        document = json.loads(text, parse_constant=_refuse_constant, parse_int=_check_number, parse_float=_check_number)
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise Unfit("not_json", f"not JSON: {error}") from None
    _check_json(document)


def _refuse_constant(name: str) -> NoReturn:
    raise Unfit("not_json", f"not JSON: {name} is no number")


def _check_number(text: str) -> None:
    try:
        _, digits, exponent = decimal.Decimal(text).as_tuple()
    except decimal.InvalidOperation:  # an exponent that even Decimal does not hold
        exponent = "n"
    if isinstance(exponent, str) or len(digits) + exponent > _MAX_JSON_DIGITS or -exponent > _MAX_JSON_SCALE:
        raise Unfit("out_of_range", "a number in the JSON is larger or finer than PostgreSQL keeps")


def _check_json(document: Any) -> None:
    """Refuse characters that only an escape can spell, and nesting that PostgreSQL's stack may not bear."""
    level = [document]
    for _ in range(_MAX_JSON_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += value.keys()
                below += value.values()
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str) and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
                raise Unfit("bad_character", "the JSON holds an escaped NUL or half a surrogate pair")
        if not below:
            return
        level = below
    raise _too_deep()


def _too_deep() -> Unfit:
    return Unfit("not_json", f"the JSON is nested deeper than {_MAX_JSON_DEPTH} levels")


def to_xml(text: str, _: Column) -> str:
    """The raw fragment; a value from an attribute or from elsewhere must be a fragment by itself."""
    fault = find_fault_in_fragment(text)
    if fault is not None:
        code, why = fault
        raise Unfit(code, why if code != "malformed" else f"not an XML fragment: {why}")
    return text


TO_VALUE: dict[str, Callable[[str, Column], Any]] = {
    "text": to_text,
    "integer": to_integer,
    "bigint": to_integer,
    "numeric": to_numeric,
    "boolean": to_boolean,
    "date": to_date,
    "timestamp": to_timestamp,
    "timestamptz": to_timestamptz,
    "json": to_json,
    "xml": to_xml,
    "markup": lambda text, _: text,
}
