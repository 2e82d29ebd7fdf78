"""The arguments of expectations as exact values of the columns that they are compared with."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST_DOUBLE_INTEGER = 2**53
EXACT_DIGITS = 15

Kind = Literal["number", "text", "boolean", "date", "timestamp", "timestamptz", "list"]

_BOUNDS = ("min_value", "max_value")
# the arguments that are compared with a column's values, and so must be of its type
VALUE_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "expect_column_values_to_be_between": _BOUNDS,
    "expect_column_min_to_be_between": _BOUNDS,
    "expect_column_max_to_be_between": _BOUNDS,
    "expect_column_sum_to_be_between": _BOUNDS,
    "expect_column_values_to_be_in_set": ("value_set",),
    "expect_column_values_to_not_be_in_set": ("value_set",),
    "expect_column_distinct_values_to_be_in_set": ("value_set",),
    "expect_column_distinct_values_to_contain_set": ("value_set",),
    "expect_column_distinct_values_to_equal_set": ("value_set",),
    "expect_column_most_common_value_to_be_in_set": ("value_set",),
    "expect_column_pair_values_to_be_in_set": ("value_pairs_set",),
    "expect_multicolumn_sum_to_equal": ("sum_total",),
}


class ValueProblem(ValueError):
    """An argument that cannot be compared with its column; the message says why."""


def columns_of(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that an expectation is about."""
    singles = (arguments.get(name) for name in ("column", "column_A", "column_B"))
    listed = arguments.get("column_list")
    names = [name for name in singles if isinstance(name, str)]
    names += [name for name in listed if isinstance(name, str)] if isinstance(listed, (list, tuple)) else []
    return tuple(dict.fromkeys(names))


def looked_at(arguments: Mapping[str, Any], available: Iterable[str]) -> list[str]:
    """Those of ``available`` that an expectation is about, or that its ``row_condition`` speaks of."""
    named = {*columns_of(arguments), *re.findall(r"\w+", str(arguments.get("row_condition") or ""))}
    return [name for name in available if name in named]


def kind_of(arrow: pa.DataType) -> Kind:
    import pyarrow as pa

    if pa.types.is_decimal(arrow) or pa.types.is_integer(arrow) or pa.types.is_floating(arrow):
        return "number"
    if pa.types.is_timestamp(arrow):
        return "timestamptz" if arrow.tz else "timestamp"
    if pa.types.is_date(arrow):
        return "date"
    if pa.types.is_list(arrow) or pa.types.is_large_list(arrow):
        return "list"
    return "boolean" if pa.types.is_boolean(arrow) else "text"


def convert_argument(name: str, given: Any, kinds: list[Kind]) -> Any:
    """The argument as exact values of the columns' kinds; raises ``ValueProblem``."""
    if name == "value_set":
        return [_as_value(kinds[0], item) for item in _as_list(given)]
    if name == "value_pairs_set":
        return [tuple(map(_as_value, kinds, _as_list(pair))) for pair in _as_list(given)]
    if kinds[0] in ("text", "boolean", "list"):
        raise ValueProblem(f"a bound needs a column of numbers, dates or timestamps; this one is {kinds[0]}")
    return _as_value(kinds[0], given)


def _as_list(given: Any) -> list[Any]:
    if not isinstance(given, (list, tuple, set)):
        raise ValueProblem(f"{given!r} is not a list")
    return list(given)


def _as_value(kind: Kind, given: Any) -> Any:
    """``given`` as a value of the column's kind: a Decimal for numbers, an instant in UTC for dates and timestamps."""
    if given is None:
        return None
    if kind == "number":
        return _as_decimal(given)
    if kind in ("date", "timestamp", "timestamptz"):
        return _as_instant(kind, given)
    if kind == "list":
        return tuple(_as_list(given))
    expected: type = bool if kind == "boolean" else str
    if not isinstance(given, expected):
        hint = f"; write {str(given)!r}" if expected is str else ""
        raise ValueProblem(f"{given!r} is not a {kind}, as the column is{hint}")
    return given


def _as_decimal(given: Any) -> Decimal:
    """The number as it was written: the shortest text of a float is what stood in the feed file."""
    try:
        number = Decimal(str(given).strip()) if not isinstance(given, bool) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueProblem(f"{given!r} is not a number, as the column is")
    return number


def _as_instant(kind: Kind, given: Any) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError as error:
        raise ValueProblem(f"{given!r} is not an ISO 8601 {kind}") from error
    if isinstance(moment, dt.date) and not isinstance(moment, dt.datetime):
        moment = dt.datetime(moment.year, moment.month, moment.day, tzinfo=dt.UTC)
    if not isinstance(moment, dt.datetime):
        raise ValueProblem(f"{given!r} is not a {kind}, as the column is")
    if moment.tzinfo is not None and moment.utcoffset() and kind != "timestamptz":
        raise ValueProblem(f"{given!r} has a time zone, which the column has not")
    # YAML's own timestamps arrive in UTC without a zone
    return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def numbers_in(value: Any) -> Iterable[Decimal]:
    """Every Decimal in ``value``."""
    if isinstance(value, Decimal):
        yield value
    elif isinstance(value, Mapping):
        yield from numbers_in(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from numbers_in(item)


def replace_numbers(value: Any, replace: Callable[[Decimal], float]) -> Any:
    """``value`` with every Decimal in it replaced."""
    if isinstance(value, Decimal):
        return replace(value)
    if isinstance(value, Mapping):
        return {key: replace_numbers(item, replace) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(replace_numbers(item, replace) for item in value)
    return value


def as_doubles(exact: Mapping[str, Any]) -> dict[str, Any]:
    doubles: dict[str, Any] = replace_numbers(exact, float)
    return doubles


def is_double(number: Decimal) -> bool:
    """Whether no other number of this size and as few digits has the same double."""
    if number == number.to_integral_value() and abs(number) <= LARGEST_DOUBLE_INTEGER:
        return True
    return len(f"{number:f}".strip("-0.").replace(".", "")) <= EXACT_DIGITS


def places_of(number: Decimal) -> int:
    """How many digits stand after the point."""
    return len(f"{number:f}".partition(".")[2].rstrip("0"))


def print_value(value: Any) -> str:
    """A value as text: numbers as PostgreSQL prints them, dates and timestamps in ISO 8601."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    return str(value)
