"""Values straight from bytes are worth what ``convert`` says, or are left to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.compiled.words import words_of
from sluice.convert import Converter
from sluice.feed.model import Column
from sluice.kernel.columns import ColumnReader, Tokens
from sluice.kernel.output import NO_VALUE
from sluice.walk import NIL

COLUMNS = [
    Column(path="x", type=kind, **options)
    for kind in ("text", "integer", "bigint", "numeric(9,2)", "numeric(18,18)", "numeric(18,0)", "numeric(38,4)",
                 "boolean", "date", "timestamp", "timestamptz", "text[]", "integer[]")
    for options in ({}, {"required": True}, {"default": "1"}, {"null": ["", "n/a"]}, {"null": ["1", "true"]})
]  # fmt: skip
COLUMNS += [
    Column(path="x", type="text", trim=True),
    Column(path="x", type="text", trim=True, null=["", "x"], required=True),
]

_digits = st.text("0123456789", min_size=1, max_size=20)
_numbers = st.builds(
    "{}{}{}".format, st.sampled_from(["", "-", "+"]), _digits, st.sampled_from(["", ".", ".5", ".50", ".123"])
)
_days = st.builds(
    "{:04d}-{:02d}-{:02d}".format,
    st.integers(0, 9999),
    st.integers(0, 13),
    st.one_of(st.integers(0, 32), st.integers(27, 31)),
)
_clocks = st.builds("{:02d}:{:02d}:{:02d}".format, st.integers(0, 24), st.integers(0, 60), st.integers(0, 60))
_zones = st.sampled_from(["", "Z", "+02:00", "-14:00", "+14:01", "+13:59", "+0200", "z", "+2:00", "-00:00"])
_moments = st.builds(
    "{}{}{}{}{}".format, _days, st.sampled_from(["T", " ", "t", ""]), _clocks,
    st.sampled_from(["", ".1", ".123456", ".1234567", ".1234560", "."]), _zones,
)  # fmt: skip
_texts = st.one_of(
    _numbers, _days, st.builds("{}{}".format, _days, _zones), _moments,
    st.sampled_from(["", " ", "true", "false", "1", "0", "TRUE", "n/a", "x", " x ", "naïve", "日本", "tru", "falsy"]),
    st.text("0159.+-eTZ: \n\ttruefalsn/ax", max_size=12),
)  # fmt: skip
_padded = st.builds("{}{}{}".format, st.sampled_from(["", "", " ", "\n "]), _texts, st.sampled_from(["", "", "\t"]))
_values = st.lists(st.one_of(_padded, _padded, _padded, st.none(), st.just(NIL)), max_size=12)


def _tokens(values: list[Any]) -> tuple[Tokens, np.ndarray]:
    """Tokens for these values of one cell, a row each; and for each row its token."""
    chosen = np.full(len(values), -1, np.int32)
    tokens, text = [], b"<"
    for row, value in enumerate(values):
        if value is None:
            continue
        chosen[row] = len(tokens)
        spelled = b"" if value is NIL else value.encode()
        tokens.append((0, row, len(text), NO_VALUE if value is NIL else len(spelled)))
        text += spelled
    buffer = np.frombuffer(text + bytes(32), np.uint8).copy()
    return Tokens(buffer, words_of(buffer), np.array(tokens, np.int32).reshape(-1, 4)), chosen


@pytest.mark.parametrize(
    "column", COLUMNS, ids=lambda column: f"{column.type} {column.model_dump(exclude_defaults=True)}"
)
@given(values=_values)
@settings(max_examples=60, deadline=None)
def test_a_column_is_what_convert_makes_of_it(column: Column, values: list[Any]) -> None:
    converter = Converter("c", column)
    tokens, chosen = _tokens(values)
    array, bad = ColumnReader(converter, (0,)).read(tokens, chosen, len(values))
    given_to_convert = [None if v is None else [v] for v in values] if column.column_type.is_list else values
    expected, expected_bad = converter._one_by_one(given_to_convert)
    assert array.equals(expected)
    assert bad == expected_bad
    array.validate(full=True)
