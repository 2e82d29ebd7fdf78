"""Texts become typed values exactly: by the fast way and by the slow one alike, or they are rejected with a code."""

from __future__ import annotations

import datetime as dt
import decimal
import re
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice import convert
from sluice.convert import BadValue, Converter
from sluice.errors import REJECT_CODES
from sluice.feed.model import Column
from sluice.walk import NIL


def clock(*numbers: int) -> dt.datetime:
    """A timestamp without a zone."""
    return dt.datetime(*numbers)  # type: ignore[arg-type]  # noqa: DTZ001


def converter(**column: Any) -> Converter:
    return Converter("c", Column(path="x", **column))


def outcome(values: list[Any], **column: Any) -> tuple[list[Any], dict[int, str]]:
    """The converted values, and the codes of those that did not fit, by index."""
    array, bad = converter(**column).convert(values)
    assert array.type == converter(**column).arrow
    return array.to_pylist(), {item.index: item.code for item in bad}


def slow(values: list[Any], **column: Any) -> tuple[pa.Array, list[BadValue]]:
    return converter(**column)._one_by_one(values)


# -- the two ways agree -----------------------------------------------------------------------------------------------

_DIGITS = st.text("0123456789", max_size=5)
_SIGN = st.sampled_from(("", "", "-", "+", "--", "−"))
_ODD = st.sampled_from(
    ("", " ", "\n", "\u00a0", "x", "0x1F", "1e3", "1E5", "NaN", "Infinity", "-", "+", ".", "1_000", "1,5", "٣", "１２",
     "1 2", "0" * 50, "9" * 50, "-0", "+0", "00", "1.", ".5", "true", "false", "TRUE", "null", "1\n", " 1 ", "\t-7\r\n")
)  # fmt: skip
_NUMBERS = st.one_of(
    st.builds("".join, st.tuples(_SIGN, _DIGITS, st.sampled_from(("", "", ".")), _DIGITS)),
    st.integers(-(10**22), 10**22).map(str),
    st.sampled_from([sign * 2**bits + step for sign in (-1, 1) for bits in (31, 63) for step in (-1, 0, 1)]).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=4).map(str),
    _ODD,
)  # fmt: skip
_YEARS = st.sampled_from(
    ("0000", "0001", "1582", "1900", "1970", "2000", "2023", "2024", "9998", "9999", "10000", "-0001", "24")
)
_TWO = st.one_of(
    st.integers(0, 61).map("{:02d}".format),
    st.sampled_from(("00", "01", "02", "12", "23", "24", "29", "30", "31", "60", "1", "")),
)
_DATES = st.builds("-".join, st.tuples(_YEARS, _TWO, _TWO))
_ZONES = st.sampled_from(
    ["", "", " Z", "Z", "Z", "z", "+00:00", "-00:00", "+14:00", "-14:00", "+14:01", "+15:00", "+13:59", "-23:59",
     "+24:00", "+02", "+0200", "+2:00", "+00:60"]
)  # fmt: skip
_FRACTIONS = st.one_of(st.just(""), st.text("0123456789", max_size=9).map(".{}".format), st.just(",5"))
_TIMES = st.builds(":".join, st.tuples(_TWO, _TWO, _TWO))
_MOMENTS = st.builds("".join, st.tuples(_DATES, st.sampled_from("T T  t"), _TIMES, _FRACTIONS, _ZONES))
_ZONED = st.builds("{:%Y-%m-%dT%H:%M:%S}{}".format, st.datetimes(min_value=clock(1000, 1, 1)), _ZONES)
_WHEN = st.one_of(_DATES, _MOMENTS, _ZONED, st.datetimes().map(dt.datetime.isoformat), st.dates().map(str), _ODD)
_TYPES = st.one_of(
    st.sampled_from(("integer", "bigint", "boolean", "date", "timestamp", "timestamptz", "text")),
    st.builds(
        lambda precision, share: f"numeric({precision},{precision * share // 10})",
        st.sampled_from((1, 2, 5, 9, 18, 19, 38, 39, 76)),
        st.integers(0, 10),
    ),
)


@settings(max_examples=250, deadline=None)
@given(
    _TYPES,
    st.lists(st.one_of(_NUMBERS, _WHEN, st.none(), st.just(NIL)), min_size=1, max_size=3),
    st.booleans(),
    st.sampled_from((None, None, "1", "2024-01-01")),
    st.sampled_from(((), (), ("-1", "0"), ("9999-12-31", "1"))),
)
def test_the_fast_way_agrees_with_the_slow_one(
    type_name: str, values: list[Any], required: bool, default: str | None, null: tuple[str, ...]
) -> None:
    """On every value, odd ones included; whatever a column declares besides its type."""
    column = {"type": type_name, "required": required, "default": default, "null": null}
    for batch in (values, *([value] for value in values)):
        fast_array, fast_bad = converter(**column).convert(batch)
        slow_array, slow_bad = slow(batch, **column)
        assert fast_array.to_pylist() == slow_array.to_pylist()
        assert fast_array.type == slow_array.type
        assert fast_bad == slow_bad
        assert {bad.code for bad in slow_bad} <= REJECT_CODES.keys()


def test_the_fast_way_is_taken() -> None:
    """For plain values: agreement would be no news if both were the slow one."""
    plain = {
        "integer": "-7",
        "bigint": "123456789012",
        "numeric(18,2)": "1234.50",
        "numeric(76,38)": "-" + "9" * 38 + "." + "9" * 38,
        "date": "2024-02-29",
        "timestamp": "2024-02-29T23:59:59.5",
        "timestamptz": "2024-02-29 23:59:59+02:00",
    }
    for type_name, value in plain.items():
        assert converter(type=type_name)._cast([value, None]) is not None


# -- what is right ----------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(_NUMBERS, st.integers(1, 76), st.data())
def test_decimals_are_exact(text: str, precision: int, data: st.DataObject) -> None:
    """By fractions: a value keeps every digit, and is refused only for one that the type has no place for."""
    scale = data.draw(st.integers(0, precision))
    (value,), bad = outcome([text], type=f"numeric({precision},{scale})")
    stripped = text.strip(" \t\r\n")
    if not re.fullmatch(r"[+-]?(?=\.?[0-9])[0-9]*\.?[0-9]*", stripped):
        assert bad[0] in ("not_a_number", "empty_value")
        return
    exact = Fraction(stripped.rstrip("."))
    if (exact * 10**scale).denominator != 1:
        assert bad == {0: "too_precise"}
    elif abs(exact) >= 10 ** (precision - scale):
        assert bad == {0: "out_of_range"}
    else:
        assert (Fraction(value), bad) == (exact, {})


@settings(max_examples=150, deadline=None)
@given(_NUMBERS, st.sampled_from((("integer", 31), ("bigint", 63))))
def test_integers_are_exact(text: str, kind: tuple[str, int]) -> None:
    (value,), bad = outcome([text], type=kind[0])
    if not re.fullmatch(r"[+-]?[0-9]+", text.strip(" \t\r\n")):
        assert bad[0] in ("not_a_number", "empty_value")
    elif -(1 << kind[1]) <= int(text) < 1 << kind[1]:
        assert (value, bad) == (int(text), {})
    else:
        assert bad == {0: "out_of_range"}


@settings(max_examples=150, deadline=None)
@given(st.datetimes(), st.integers(-14 * 60, 14 * 60), st.integers(0, 6))
def test_instants_keep_zone_and_fraction(moment: dt.datetime, minutes: int, digits: int) -> None:
    """By counting: the instant is the clock's reading less the offset, to the microsecond."""
    offset = dt.timedelta(minutes=minutes)
    sign, size = ("-", -minutes) if minutes < 0 else ("+", minutes)
    fraction = f".{moment.microsecond:06d}"[: digits + 1] if digits else ""
    kept = moment.replace(microsecond=int(f"{fraction[1:]:0<6}"))
    text = f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + fraction + f"{sign}{size // 60:02d}:{size % 60:02d}"
    (value,), bad = outcome([text], type="timestamptz")
    try:
        expected = (kept - offset).replace(tzinfo=dt.UTC)
    except OverflowError:
        assert bad == {0: "out_of_range"}
    else:
        assert (value, bad) == (expected, {})


@settings(max_examples=100, deadline=None)
@given(_DATES)
def test_dates_are_those_of_the_calendar(text: str) -> None:
    (value,), bad = outcome([text], type="date")
    try:
        if not re.fullmatch(r"[0-9]{4}(-[0-9]{2}){2}", text):
            raise ValueError
        expected = dt.date(*map(int, text.split("-")))
    except ValueError:
        assert bad == {0: "not_a_date"}
    else:
        assert (value, bad) == (expected, {})


@pytest.mark.parametrize(
    ("type_name", "text", "expected"),
    [
        ("date", "2024-02-30", "not_a_date"),
        ("date", "0000-01-01", "not_a_date"),
        ("date", "2024-1-1", "not_a_date"),
        ("date", "٢٠٢٤-01-01", "not_a_date"),
        ("date", "2024-01-01Z", dt.date(2024, 1, 1)),
        ("date", "2024-01-01+14:00", dt.date(2024, 1, 1)),
        ("date", "2024-01-01+99:99", "not_a_date"),
        ("date", "", "empty_value"),
        ("date", "\n", "empty_value"),
        ("timestamp", "2024-02-28T24:00:00", clock(2024, 2, 29)),
        ("timestamp", "2024-02-28T24:00:01", "not_a_timestamp"),
        ("timestamp", "9999-12-31T24:00:00", "not_a_timestamp"),
        ("timestamp", "2016-12-31T23:59:60", "not_a_timestamp"),
        ("timestamp", "2024-01-01T00:00:00Z", "zone_unexpected"),
        ("timestamp", "2024-01-01", "not_a_timestamp"),
        ("timestamp", "2024-01-01T10:00", clock(2024, 1, 1, 10)),
        ("timestamp", "2024-01-01T00:00:00.1234567", "too_precise"),
        ("timestamp", "2024-01-01T00:00:00.1234560000", clock(2024, 1, 1, 0, 0, 0, 123456)),
        ("timestamp", "0000-01-01T00:00:00", "not_a_timestamp"),
        ("timestamptz", "2024-01-01T00:00:00", "zone_missing"),
        ("timestamptz", "2024-01-01T00:00:00+0130", dt.datetime(2023, 12, 31, 22, 30, tzinfo=dt.UTC)),
        ("timestamptz", "2024-01-01T00:00:00+14:01", "not_a_timestamp"),
        ("timestamptz", "0001-01-01T00:00:00+14:00", "out_of_range"),
        ("timestamptz", "9999-12-31T23:59:59-00:01", "out_of_range"),
        ("boolean", "1", True),
        ("boolean", " false\n", False),
        ("boolean", "True", "not_a_boolean"),
        ("boolean", "", "empty_value"),
        ("integer", "1.0", "not_a_number"),
        ("integer", "0x10", "not_a_number"),
        ("integer", "1_000", "not_a_number"),
        ("bigint", "0" * 5000 + "1", 1),
        ("bigint", "9" * 5000, "out_of_range"),
        ("numeric(38,20)", "11111111111111111111.5", "out_of_range"),
        ("numeric(5,2)", "1e2", "not_a_number"),
        ("numeric(5,2)", "1\u00a0000", "not_a_number"),
        ("numeric(5,2)", "-0.00", decimal.Decimal("0.00")),
        ("numeric(5,2)", "1.230000000", decimal.Decimal("1.23")),
        ("numeric(1,0)", "9.", decimal.Decimal(9)),
        ("numeric(1,1)", ".9", decimal.Decimal("0.9")),
        ("numeric(76,0)", "9" * 76, decimal.Decimal("9" * 76)),
        ("json", '{"a": [1, null, "x"]}', '{"a": [1, null, "x"]}'),
        ("json", "{", "not_json"),
        ("json", "[NaN]", "not_json"),
        ("json", "-Infinity", "not_json"),
        ("json", '["a\\u0000"]', "bad_character"),
        ("json", '{"\\ud800": 1}', "bad_character"),
        ("json", '"\\ud83d\\ude00"', '"\\ud83d\\ude00"'),
        ("json", '"\\\\u0000"', '"\\\\u0000"'),
        ("json", "1e131072", "out_of_range"),
        ("json", "1e-16384", "out_of_range"),
        ("json", "1e99999999999999999999", "out_of_range"),
        ("json", "9" * 5000, "9" * 5000),
        ("json", "[" * 100_000 + "]" * 100_000, "not_json"),
        ("xml", "<a>x</a> y <b/>", "<a>x</a> y <b/>"),
        ("xml", "a & b", "malformed"),
        ("xml", "<a>", "malformed"),
        ("xml", "</_><_>", "malformed"),
        ("xml", "<p:a/>", "malformed"),
        ("xml", "<?xml version='1.0'?><a/>", "malformed"),
        ("xml", "<!DOCTYPE a><a/>", "malformed"),
        ("text", "", ""),
        ("text", " \u00a0x\n", " \u00a0x\n"),
    ],
)  # fmt: skip
def test_a_value_or_a_code(type_name: str, text: str, expected: Any) -> None:
    (value,), bad = outcome([text], type=type_name)
    assert (bad.get(0) or value) == expected or (value, expected) == (False, False)


def test_absent_nil_and_empty_are_told_apart() -> None:
    """Absent and nil are NULL, the default is for the absent alone, and empty is a text like others."""
    assert outcome([None, NIL, ""], type="text") == ([None, None, ""], {})
    assert outcome([None, NIL, ""], type="text", default="d") == (["d", None, ""], {})
    assert outcome([None, NIL, ""], type="integer", default="7") == ([7, None, None], {2: "empty_value"})
    assert outcome([None, NIL, "", "0"], type="integer", default="7", null=["", "0"]) == ([7, None, None, None], {})
    required = {0: "required_missing", 1: "required_missing"}
    assert outcome([None, NIL, ""], type="text", required=True) == ([None, None, ""], required)
    assert outcome(["x", "n/a"], type="text", required=True, null=["n/a"]) == (["x", None], {1: "required_missing"})
    assert outcome([None], type="date", required=True, default="2024-01-01") == ([dt.date(2024, 1, 1)], {})


def test_null_tokens_are_compared_after_trimming() -> None:
    """Also those that look like values of the type."""
    assert outcome(["99", " 99\n", "98"], type="integer", null=["99"]) == ([None, None, 98], {})
    assert outcome(["0.00", "0.01"], type="numeric(5,2)", null=["0.00"]) == ([None, decimal.Decimal("0.01")], {})
    assert outcome(["9999-12-31", "2024-01-01"], type="date", null=["9999-12-31"]) == ([None, dt.date(2024, 1, 1)], {})
    assert outcome([" - ", "-x"], type="text", null=["-"]) == ([None, "-x"], {})


def test_text_is_trimmed_only_where_asked_for() -> None:
    """And of XML's white space only: a no-break space is a character."""
    assert outcome([" a\t", "\u00a0a\u2003"], type="text", trim=True) == (["a", "\u00a0a\u2003"], {})
    assert outcome([[" a ", "b\n"]], type="text[]", trim=True) == ([["a", "b"]], {})


def test_lists() -> None:
    """An item that does not fit is the row's fault; a nil item is none; a default is the only item."""
    assert outcome([["1", " 2"], None, [], [NIL]], type="integer[]") == ([[1, 2], None, [], []], {})
    assert outcome([["1", "x"], ["2"]], type="integer[]") == ([None, [2]], {0: "not_a_number"})
    assert outcome([None, ["2"]], type="integer[]", default="7") == ([[7], [2]], {})
    missing = {0: "required_missing", 1: "required_missing", 2: "required_missing"}
    assert outcome([None, [NIL], ["-"], ["1", "-"]], type="integer[]", null="-", required=True) == (
        [None, None, None, [1, None]],
        missing,
    )
    decimals = [["1.10", "-2"], ["9" * 38 + ".5"]]
    assert outcome(decimals, type="numeric(76,38)[]")[0] == [
        [decimal.Decimal(item) for item in row] for row in decimals
    ]


def test_formats_are_tried_in_order() -> None:
    column = {"type": "date", "formats": ["%d.%m.%Y", "%m/%d/%y"]}
    assert outcome(["01.02.2024", "12/31/24"], **column) == ([dt.date(2024, 2, 1), dt.date(2024, 12, 31)], {})
    assert outcome(["2024-02-01", "٠١.02.2024", "30.02.2024", "01.01.0000"], **column)[1] == dict.fromkeys(
        range(4), "not_a_date"
    )
    column = {"type": "timestamptz", "formats": "%Y%m%d%H%M%S.%f", "timezone": "Europe/Zurich"}
    summer = dt.datetime(2024, 6, 30, 22, 0, 0, 500_000, dt.UTC)
    assert outcome(["20240701000000.5", "20240701000000.1234567"], **column) == ([summer, None], {1: "not_a_timestamp"})
    assert outcome(["2024 Z"], type="timestamp", formats="%Y %z")[1] == {0: "zone_unexpected"}


def test_the_name_of_a_zone_is_never_dropped() -> None:
    """Python reads ``%Z`` and forgets it, so that UTC would be taken for the column's zone."""
    column = {"type": "timestamptz", "formats": "%Y-%m-%d %H:%M %Z", "timezone": "Asia/Tokyo"}
    noon = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)
    values = ["2024-01-01 12:00 UTC", "2024-01-01 12:00 gmt", "2024-01-01 12:00 CET", "2024-01-01 12:00 JST"]
    array, bad = outcome(values, **column)
    assert array == [noon, noon, None, None]
    assert bad == {2: "not_a_timestamp", 3: "not_a_timestamp"}


def test_a_declared_zone_is_for_values_without_one() -> None:
    values = ["2024-07-01T00:00:00", "2024-01-01T00:00:00", "2024-01-01T00:00:00Z"]
    expected = [
        dt.datetime(2024, 6, 30, 22, tzinfo=dt.UTC),
        dt.datetime(2023, 12, 31, 23, tzinfo=dt.UTC),
        dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    ]
    assert outcome(values, type="timestamptz", timezone="Europe/Zurich") == (expected, {})
    assert outcome(["0001-01-01T00:00:00"], type="timestamptz", timezone="Asia/Tokyo")[1] == {0: "out_of_range"}
    assert outcome(["9999-12-31T23:00:00"], type="timestamptz", timezone="America/New_York")[1] == {0: "out_of_range"}


def test_values_are_capped_in_the_report() -> None:
    """The quarantine keeps what a value was, not megabytes of it."""
    (bad,) = converter(type="integer").convert(["x" * 1000])[1]
    assert bad.value == "x" * convert.VALUE_CAP + "…"
    (bad,) = converter(type="integer[]").convert([["1", "x"]])[1]
    assert bad.value == "1, x"
    (bad,) = converter(type="integer", required=True).convert([None])[1]
    assert bad.value is None
