"""A batch's columns as the gate shows them to Great Expectations: fast, and without changing any verdict.

Great Expectations turns every bound into a double, compares columns of Python objects one value at a time, and to sum
up Decimals looks through the call stack for each (half a millisecond). So numbers are shown as doubles wherever that
decides as the exact numbers would, and otherwise in another form that does:

* *plain*: a decimal of at most 15 significant digits, or a whole number up to 2**53, has a double of its own, and
  doubles keep the order; comparisons of such numbers are exact. NULL is NaN.
* *ranks*: other numbers are replaced by their position among all values and bounds that the expectation compares.
* *scaled*: sums are taken of whole numbers in units of the last decimal place, exact while they stay below 2**53.
* *printed*: patterns and lengths see numbers as PostgreSQL prints them, dates and timestamps as ISO 8601 has them.

Means, deviations, medians, quantiles, larger sums, and expectations with a ``row_condition`` are computed in doubles,
as Great Expectations has it. Dates and timestamps are shown as instants in UTC, texts as ``str``, lists as tuples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sluice.gate.values import (
    EXACT_DIGITS,
    LARGEST_DOUBLE_INTEGER,
    VALUE_ARGUMENTS,
    Kind,
    ValueProblem,
    as_doubles,
    columns_of,
    convert_argument,
    is_double,
    kind_of,
    looked_at,
    numbers_in,
    places_of,
    print_value,
    replace_numbers,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

VALUE_CAP = 200
# of whole units in 64 bits; and 10**18 is a double itself, so that one division by it rounds correctly
LARGEST_SCALE = 18

_SUMMED = frozenset({"expect_column_sum_to_be_between", "expect_multicolumn_sum_to_equal"})
_COMPARED = frozenset(VALUE_ARGUMENTS.keys() - _SUMMED) | {
    "expect_column_values_to_be_unique",
    "expect_column_values_to_be_increasing",
    "expect_column_values_to_be_decreasing",
    "expect_column_unique_value_count_to_be_between",
    "expect_column_proportion_of_unique_values_to_be_between",
    "expect_column_pair_values_a_to_be_greater_than_b",
    "expect_column_pair_values_to_be_equal",
    "expect_compound_columns_to_be_unique",
    "expect_multicolumn_values_to_be_equal",
    "expect_select_column_values_to_be_unique_within_record",
}
_PRINTED = frozenset(
    {
        "expect_column_value_lengths_to_be_between",
        "expect_column_value_lengths_to_equal",
        "expect_column_values_to_match_regex",
        "expect_column_values_to_not_match_regex",
        "expect_column_values_to_match_regex_list",
        "expect_column_values_to_not_match_regex_list",
        "expect_column_values_to_match_strftime_format",
        "expect_column_values_to_be_dateutil_parseable",
        "expect_column_values_to_be_json_parseable",
        "expect_column_values_to_match_json_schema",
    }
)


@dataclass(frozen=True)
class View:
    """What one expectation is shown: its arguments, and its columns where they differ from the plain ones.

    A sum that Great Expectations observes counts in units of ``unit``.
    """

    arguments: dict[str, Any]
    own: Mapping[str, pd.Series] | None = None
    unit: Decimal = Decimal(1)


class BatchColumns:
    """The columns of a batch of rows, each converted once."""

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows
        self._plain: dict[str, pd.Series] = {}
        self.names: list[str] = rows.column_names
        self.row_count: int = rows.num_rows

    @property
    def records(self) -> Any:
        """The ``_rec`` of each row, as a NumPy array."""
        return self._rows["_rec"].to_numpy()

    def frame(self, views: Iterable[View]) -> pd.DataFrame:
        """The columns that ``views`` look at, and no others: Great Expectations reads through all that it gets."""
        import pandas as pd

        shown: dict[str, pd.Series] = {}
        for view in views:
            shown |= view.own or {name: self.plain(name) for name in looked_at(view.arguments, self.names)}
        return pd.DataFrame(shown, index=pd.RangeIndex(self.row_count))

    def print_values(self, names: Sequence[str], positions: Any) -> list[str | None]:
        """The values of ``names`` in the rows at ``positions``, as text of at most ``VALUE_CAP`` characters."""
        rows = self._rows.select(list(names)).take(positions)
        columns = [[_print_capped(value) for value in column.to_pylist()] for column in rows.columns]
        if len(names) == 1:
            return columns[0]
        pairs = (zip(names, row, strict=True) for row in zip(*columns, strict=True))
        return [
            ", ".join(f"{name}={'NULL' if text is None else text}" for name, text in row)[:VALUE_CAP] for row in pairs
        ]

    def plain(self, name: str) -> pd.Series:
        if name not in self._plain:
            self._plain[name] = _as_plain(self._rows[name])
        return self._plain[name]

    def kind(self, name: str) -> Kind:
        return kind_of(self._rows.schema.field(name).type)

    def show(self, expectation: str, arguments: Mapping[str, Any]) -> View:
        """What ``expectation`` is shown; raises ``ValueProblem`` for an argument that does not fit its column."""
        names = columns_of(arguments)
        exact = self._exact_arguments(expectation, arguments, names)
        plain = View({**arguments, **as_doubles(exact)})
        numbers = [name for name in names if self.kind(name) == "number"]
        if expectation in _PRINTED and any(self.kind(name) not in ("text", "list") for name in names):
            own = {name: self.plain(name) for name in looked_at(arguments, self.names)}
            return View(plain.arguments, own | {name: _as_printed(self._rows[name]) for name in names})
        if not numbers or arguments.get("row_condition"):
            return plain
        if expectation in _SUMMED:
            return self._scaled(numbers, arguments, exact) or plain
        if expectation in _COMPARED and not self._are_doubles(numbers, exact):
            return self._ranked(names, arguments, exact)
        return plain

    def _exact_arguments(self, expectation: str, arguments: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
        kinds = [self.kind(name) for name in names]
        exact = {}
        for name in VALUE_ARGUMENTS.get(expectation, ()):
            given = arguments.get(name)
            if given is None or not kinds:
                continue
            try:
                exact[name] = convert_argument(name, given, kinds)
            except ValueProblem as problem:
                raise ValueProblem(f"{name}: {problem}") from problem
        return exact

    def _are_doubles(self, numbers: list[str], exact: Mapping[str, Any]) -> bool:
        values = all(map(is_double, numbers_in(exact)))
        return values and all(_has_exact_doubles(self._rows[name]) for name in numbers)

    def _ranked(self, names: tuple[str, ...], arguments: Mapping[str, Any], exact: Mapping[str, Any]) -> View:
        import pandas as pd

        values = {name: self._rows[name].to_pylist() for name in names if self.kind(name) == "number"}
        known = {value for column in values.values() for value in column if value is not None}
        ranks = {value: float(rank) for rank, value in enumerate(sorted(known.union(numbers_in(exact))))}
        own = {name: self.plain(name) for name in names if name not in values}
        for name, column in values.items():
            own[name] = pd.Series([ranks.get(value) for value in column], dtype="float64")
        return View({**arguments, **replace_numbers(exact, ranks.__getitem__)}, own)

    def _scaled(self, numbers: list[str], arguments: Mapping[str, Any], exact: Mapping[str, Any]) -> View | None:
        """The numbers in units of their last decimal place; None where their sum would not be exact."""
        places = max([*map(places_of, numbers_in(exact)), *(_scale(self._rows[name]) for name in numbers)])
        unit = Decimal(1).scaleb(-places)
        own = {name: _in_units(self._rows[name], places) for name in numbers}
        total = sum(float("inf") if column is None else float(column.abs().sum()) for column in own.values())
        largest = max([total, *(abs(float(value / unit)) for value in numbers_in(exact))])
        if largest > LARGEST_DOUBLE_INTEGER:
            return None
        shown = replace_numbers(exact, lambda value: float(value / unit))
        return View({**arguments, **shown}, {name: column for name, column in own.items() if column is not None}, unit)


def _scale(column: pa.ChunkedArray) -> int:
    import pyarrow as pa

    return column.type.scale if pa.types.is_decimal(column.type) else 0


def _has_exact_doubles(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa

    if pa.types.is_floating(column.type):
        return True
    if pa.types.is_decimal(column.type):
        return _scale(column) <= LARGEST_SCALE and _largest(column).scaleb(_scale(column)) < 10**EXACT_DIGITS
    return _largest(column) <= LARGEST_DOUBLE_INTEGER


def _largest(column: pa.ChunkedArray) -> Decimal:
    """The largest absolute value; 0 where there is none."""
    import pyarrow.compute as pc

    ends = pc.min_max(column).as_py()
    return max((abs(Decimal(end)) for end in ends.values() if end is not None), default=Decimal(0))


def _unscaled(column: pa.ChunkedArray) -> Any:
    """A decimal column of at most 18 digits as whole units of its last place, in doubles, NULL as NaN."""
    import pyarrow as pa

    units = column.cast(pa.decimal64(LARGEST_SCALE, _scale(column))).combine_chunks().view(pa.int64())
    return units.to_numpy(zero_copy_only=False).astype("float64")


def _in_units(column: pa.ChunkedArray, places: int) -> pd.Series | None:
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_floating(column.type) or _scale(column) > LARGEST_SCALE:
        return None
    if _largest(column).scaleb(places) > LARGEST_DOUBLE_INTEGER:
        return None
    whole = _unscaled(column) if pa.types.is_decimal(column.type) else column.cast(pa.float64()).to_numpy()
    return pd.Series(whole * 10.0 ** (places - _scale(column)))


def _as_plain(column: pa.ChunkedArray) -> pd.Series:
    import pandas as pd
    import pyarrow as pa

    kind = kind_of(column.type)
    if kind == "number":
        if pa.types.is_decimal(column.type) and _has_exact_doubles(column):
            return pd.Series(_unscaled(column) / 10.0 ** _scale(column))
        return pd.Series(column.cast(pa.float64(), safe=False).to_numpy())
    if kind in ("date", "timestamp", "timestamptz"):
        moments = column if kind == "timestamptz" else column.cast(pa.timestamp("us"))
        return moments.cast(pa.timestamp("us", "UTC")).to_pandas()
    if kind == "list":
        return pd.Series([None if item is None else tuple(item) for item in column.to_pylist()], dtype=object)
    if kind == "boolean" and column.null_count:
        return column.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
    if kind == "boolean":
        return column.to_pandas()
    return pd.Series(column.to_pandas(), dtype="str")


def _print_capped(value: Any) -> str | None:
    return None if value is None else print_value(value)[:VALUE_CAP]


def _as_printed(column: pa.ChunkedArray) -> pd.Series:
    import pandas as pd

    return pd.Series([None if value is None else print_value(value) for value in column.to_pylist()], dtype="str")
