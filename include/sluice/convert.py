"""Turns the texts of a column into typed Arrow values, exactly: what does not fit is reported, never rounded or nulled.

Each type has two ways that must agree. The fast one checks the whole column against a pattern and lets Arrow cast it;
if anything in the column is unusual, the slow one looks at every value by itself and says what is wrong with it. The
slow one defines what is right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sluice.feed.model import Column
from sluice.feed.types import ColumnType
from sluice.nodes import WHITE
from sluice.records import VALUE_CAP
from sluice.values import BOOLEANS, TO_VALUE, Unfit
from sluice.walk import NIL

# What the fast way may see: patterns in RE2's syntax, anchored, that Arrow's own cast reads in the same way.
_DAY = r"-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_YEAR = r"([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
# Without the first and the last year, out of which the zone may lead.
_INNER_YEAR = r"([1-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8]|0[1-9][0-9]{2}|00[1-9][0-9]|000[2-9])"
_ZONE = r"(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)"
_FAST_PATTERNS = {
    "integer": r"^[+-]?[0-9]{1,10}$",
    "bigint": r"^[+-]?[0-9]{1,19}$",
    "date": f"^{_YEAR}{_DAY}$",
    "timestamp": f"^{_YEAR}{_DAY}{_CLOCK}$",
    "timestamptz": f"^{_INNER_YEAR}{_DAY}{_CLOCK}{_ZONE}$",
}


# Types whose values are texts: none is trimmed unasked, and an empty one is a value.
_AS_THEY_ARE = ("text", "markup")


@dataclass(frozen=True, slots=True)
class BadValue:
    """A value that its column cannot take: index in the column, reject code, message, the value (capped)."""

    index: int
    code: str
    message: str
    value: str | None


class Converter:
    """Converts one column; made once per feed and table."""

    def __init__(self, name: str, column: Column, max_bytes: int | None = None) -> None:
        """``max_bytes`` is how long a text may be, in UTF-8, where PostgreSQL is to index it."""
        self.name = name
        self.column = column
        self.max_bytes = max_bytes
        self.type: ColumnType = column.column_type
        self.arrow: pa.DataType = self.type.arrow
        self._nulls = frozenset(column.null)
        self._to_value = TO_VALUE[self.type.kind]
        self._fast_pattern = self._choose_pattern()

    @property
    def is_plain_text(self) -> bool:
        """Whether text is taken as it is, but for its length."""
        column = self.column
        is_text = self.type.kind == "text" and not self.type.is_list
        return is_text and not column.trim and not self._nulls and column.default is None

    @property
    def has_usual_form(self) -> bool:
        """Whether values that look as usual can be read without more ado."""
        if self.type.kind == "boolean":
            return not self.type.is_list and not any(token in BOOLEANS for token in self._nulls)
        return self._fast_pattern is not None

    def _choose_pattern(self) -> str | None:
        """What all values of the column must look like for the fast way; None where there is none."""
        if self.column.formats or self.type.is_list:
            return None
        pattern = _numeric_pattern(self.type) if self.type.kind == "numeric" else _FAST_PATTERNS.get(self.type.kind)
        return None if pattern and any(re.match(pattern, token) for token in self._nulls) else pattern

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
        if not self.is_plain_text:
            return None
        try:
            array = pa.array(values, pa.string())
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            return None
        is_unfit = self.column.required and array.null_count
        if self.max_bytes and not is_unfit:
            is_unfit = (pc.max(pc.binary_length(array)).as_py() or 0) > self.max_bytes
        return None if is_unfit else array

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
            except Unfit as unfit:
                converted.append(None)
                bad.append(BadValue(index, unfit.code, str(unfit), _capped(value)))
        return pa.array(converted, self.arrow), bad

    def _convert_value(self, value: Any) -> Any:
        if self.type.is_list:
            converted = self._convert_items(value)
            is_missing = converted is None or all(item is None for item in converted)
        else:
            value = self.column.default if value is None else value
            converted = None if value is None or value is NIL else self._convert_text(value)
            is_missing = converted is None
        if is_missing and self.column.required:
            raise Unfit("required_missing", "the column is required and has no value")
        if self.max_bytes:
            self._check_length(converted)
        return converted

    def _check_length(self, converted: Any) -> None:
        items = converted if isinstance(converted, list) else [converted]
        size = sum(len(item.encode()) for item in items if isinstance(item, str))
        if self.max_bytes and size > self.max_bytes:
            raise Unfit("too_long_for_index", f"the value has {size:,} bytes; an index takes {self.max_bytes:,}")

    def _convert_items(self, values: Sequence[Any] | None) -> list[Any] | None:
        """The items of a list; NULL where nothing matched, the default as its only item where there is one."""
        if values is None:
            return None if self.column.default is None else [self._convert_text(self.column.default)]
        return [self._convert_text(value) for value in values if value is not NIL]

    def _convert_text(self, text: str) -> Any:
        if self.type.kind not in _AS_THEY_ARE or self.column.trim:
            text = text.strip(WHITE)
        if self._nulls and text.strip(WHITE) in self._nulls:
            return None
        if text == "" and self.type.kind not in _AS_THEY_ARE:
            raise Unfit("empty_value", f"the value is empty; {self.type.element} has no empty value")
        return self._to_value(text, self.column)


def _numeric_pattern(kind: ColumnType) -> str:
    """No more digits than the type has: Arrow's cast wraps around where the digits after the point push out others."""
    places = kind.precision - kind.scale
    whole = f"[0-9]{{1,{places}}}" if places else "0"
    return f"^[+-]?{whole}" + (rf"(\.[0-9]{{1,{kind.scale}}})?$" if kind.scale else "$")


def _capped(value: Any) -> str | None:
    if value is None or value is NIL:
        return None
    text = value if isinstance(value, str) else ", ".join(map(str, value))
    return text if len(text) <= VALUE_CAP else text[:VALUE_CAP] + "…"
