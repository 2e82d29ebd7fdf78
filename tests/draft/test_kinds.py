"""The type of a column: never narrower than what was seen, and text where that is not sure."""

from __future__ import annotations

import pytest

from sluice.convert import Converter
from sluice.draft.kinds import Kind, decide
from sluice.draft.profile import MAX_DISTINCT, Profile
from sluice.draft.shape import SimpleType
from sluice.feed.model import Column


def profile_of(*texts: str) -> Profile:
    profile = Profile()
    profile.add_all(texts)
    return profile


def column_of(kind: Kind) -> Column:
    options = {"path": "x", "type": kind.type, "null": kind.null, "formats": kind.formats, "trim": kind.trim}
    return Column.model_validate(options | ({"timezone": kind.timezone} if kind.timezone else {}))


CASES: list[tuple[str, list[str], str]] = [
    ("Count", ["1", "20", "-3"], "bigint"),
    ("Amount", ["1", "20"], "numeric(18,4)"),
    ("Amount", ["1.50", "-123456.7"], "numeric(18,4)"),
    ("Rate", [".123456789", "1."], "numeric(25,11)"),
    ("Amount", ["1.5", "123456789012345678.12"], "numeric(26,4)"),
    ("Score", ["+1", "2"], "text"),
    ("Score", ["007", "2"], "text"),
    ("Score", ["0", "12"], "bigint"),
    ("OrderId", ["17", "4"], "text"),
    ("ZipCode", ["12345", "54321"], "text"),
    ("phone", ["5551234", "5551235"], "text"),
    ("NumberOfLines", ["1", "2"], "bigint"),
    ("Serie", ["123456", "234567"], "text"),
    ("Total", ["1" * 30], "numeric(38,4)"),
    ("Version", ["2.1", "3.0"], "text"),
    ("Value", ["1.5E3", "2"], "text"),
    ("Flag", ["true", "false", "1"], "boolean"),
    ("Flag", ["0", "1"], "bigint"),
    ("Flag", ["TRUE", "FALSE"], "text"),
    ("Date", ["2026-03-31", "2026-04-01Z"], "date"),
    ("Date", ["2026-03-31", "2026-02-30"], "text"),
    ("Date", ["0000-01-01"], "text"),
    ("Date", ["31.03.2026", "1.4.2026"], "date"),
    ("Date", ["31/03/2026", "01/04/2026"], "date"),
    ("Date", ["03/31/2026", "04/01/2026"], "date"),
    ("Date", ["03/04/2026", "01/02/2026"], "text"),
    ("Date", ["20260331", "20260401"], "date"),
    ("Serial", ["20260331", "20261332"], "text"),
    ("Date", ["31 Mar 2026", "1 Apr 2026"], "date"),
    ("Date", ["2026-03-31", "31.03.2026"], "date"),
    ("Time", ["2026-03-31T01:02:03", "2026-03-31T24:00:00"], "timestamp"),
    ("Time", ["2026-03-31T01:02:03.123456789", "2026-03-31T01:02:03"], "text"),
    ("Time", ["2026-03-31T01:02:03.123456000Z", "2026-03-31T01:02:03+0200"], "timestamptz"),
    ("Time", ["2026-03-31T01:02:03Z", "2026-03-31T01:02:03"], "timestamptz"),
    ("Time", ["2026-03-31T01:02:03Z", "2026-03-31"], "timestamptz"),
    ("Time", ["2026-03-31T01:02", "2026-03-31"], "timestamp"),
    ("Time", ["31.03.2026 01:02"], "timestamp"),
    ("Time", ["20260331010203", "20260331010204"], "timestamp"),
    ("Time", ["Tue, 31 Mar 2026 01:02:03 GMT", "Tue, 31 Mar 2026 01:02:03 +0200"], "timestamptz"),
    ("Time", ["2026-03-31T01:02:03+14:00", "2026-03-31T01:02:03-14:00"], "timestamptz"),
    ("Time", ["2026-03-31T01:02:03+14:30"], "text"),
    ("Date", ["2026-03-31+14:00"], "date"),
    ("Date", ["2026-03-31-15:00"], "text"),
    ("Date", ["2026-03-31+05:75"], "text"),
    ("Time", ["2026-03-31T01:02:03+05:75"], "text"),
    ("Time", ["01:02:03"], "text"),
    ("Extra", ['{"a": 1}', "[1, 2]"], "json"),
    ("Extra", ['{"a": 1}', "{a}"], "text"),
    ("Extra", ["[NaN]"], "text"),
    ("Extra", ['{"a": "\\u0000"}'], "text"),
    ("Score", ["1" * 120], "text"),
    ("Amount", ["1" * 120], "text"),
    ("Note", ["", "  "], "text"),
    ("Date", ["2026-03-31", "", "  "], "date"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "texts", "type_"), CASES)
def test_the_type_takes_every_text_that_was_seen(name: str, texts: list[str], type_: str) -> None:
    """By the very converters that load it: nothing of what was seen may become a reject."""
    kind = decide(name, profile_of(*texts))
    assert kind.type == type_
    _, bad = Converter("x", column_of(kind)).convert(texts)
    assert bad == []


def test_tokens_are_taken_as_null_where_all_else_fits_and_told() -> None:
    kind = decide("Amount", profile_of(*map(str, range(20)), "N/A", "N/A"))
    assert (kind.type, kind.null) == ("numeric(18,4)", ("N/A",))
    assert "N/A 2 times" in kind.doubt
    assert decide("Amount", profile_of("1", "N/A")).type == "text"
    assert "may stand for none: - (1 time)" in decide("Name", profile_of("x", "-")).doubt


def test_dates_that_read_in_two_ways_stay_text_and_are_told() -> None:
    assert "%d/%m/%Y or %m/%d/%Y" in decide("Date", profile_of("03/04/2026")).doubt


def test_a_number_that_is_none_is_told() -> None:
    kind = decide("Amount", profile_of(*map(str, range(20)), "12,50"))
    assert kind.type == "text"
    assert "20 of 21 texts are numbers, but not such as 12,50" in kind.doubt


def test_all_texts_count_not_the_first_few() -> None:
    """The one that is none comes after a hundred thousand that are."""
    profile = Profile()
    for start in range(0, 100_000, 1000):
        profile.add_all(str(number) for number in range(start, start + 1000))
    assert decide("Score", profile).type == "bigint"
    profile.add_all(["x"])
    assert decide("Score", profile).type == "text"
    assert profile.distinct is None
    assert profile.count == 100_001
    assert MAX_DISTINCT < 100_000


@pytest.mark.parametrize(
    ("simple", "texts", "type_"),
    [
        (SimpleType("decimal", total_digits=18, fraction_digits=5), ["1.5"], "numeric(23,5)"),
        (SimpleType("decimal"), ["1.5"], "numeric(18,4)"),
        (SimpleType("decimal"), [], "numeric(38,12)"),
        (SimpleType("int"), [], "integer"),
        (SimpleType("integer"), ["12"], "bigint"),
        (SimpleType("boolean"), ["0", "1"], "boolean"),
        (SimpleType("string"), ["12"], "text"),
        (SimpleType("dateTime"), ["2026-03-31T01:02:03"], "timestamp"),
        (SimpleType("dateTime"), [], "timestamptz"),
        (SimpleType("date"), ["31.03.2026"], "date"),
        (SimpleType("date"), ["soon"], "text"),
        (SimpleType("int"), ["x"], "text"),
        (SimpleType("int", is_list=True), ["1 2"], "text"),
        (SimpleType("int"), ["2147483647", "-2147483648"], "integer"),
        (SimpleType("int"), ["2147483648"], "bigint"),
        (SimpleType("long"), ["9223372036854775807"], "numeric(20,0)"),
        (SimpleType("unsignedLong"), [], "numeric(20,0)"),
        (SimpleType("integer"), ["1" * 25], "numeric(25,0)"),
        (SimpleType("integer", minimum="0", maximum="99999999999999999999"), [], "numeric(20,0)"),
        (SimpleType("nonNegativeInteger", maximum="9999999999"), [], "bigint"),
        (SimpleType("integer"), ["1" * 80], "text"),
        (SimpleType("decimal", total_digits=18), ["0.123456789012"], "numeric(30,12)"),
    ],
)
def test_an_xsd_says_more_unless_samples_break_it(simple: SimpleType, texts: list[str], type_: str) -> None:
    kind = decide("X", profile_of(*texts), simple)
    assert kind.type == type_
    _, bad = Converter("x", column_of(kind)).convert(texts)
    assert bad == []


@pytest.mark.parametrize("base", ["integer", "nonNegativeInteger", "positiveInteger", "negativeInteger"])
def test_whole_numbers_without_bounds_are_a_doubt_where_only_the_xsd_speaks(base: str) -> None:
    """A bigint takes what anybody counts, and what samples showed is evidence; what is only hoped is told."""
    assert decide("X", Profile(), SimpleType(base)) == Kind(
        "bigint", doubt="whole numbers without bounds in the XSD; none of more than 18 digits fits"
    )
    seen = decide("X", profile_of("-3", "1204"), SimpleType(base))
    assert seen == Kind("bigint", why="-3 to 1,204; the XSD sets no bounds")
    for simple in (SimpleType(base, total_digits=9), SimpleType("long"), SimpleType(base, minimum="-9", maximum="9")):
        assert decide("X", Profile(), simple) == Kind("bigint")


@pytest.mark.parametrize(
    ("simple", "texts", "is_trimmed"),
    [
        (SimpleType("token", enumeration=("EUR", "USD")), ["\n EUR\n", "USD"], True),
        (SimpleType("token", enumeration=("EUR", "USD")), ["EUR"], False),
        (SimpleType("token", enumeration=("EUR", "USD")), [], True),
        (SimpleType("string", enumeration=("EUR", "USD")), [" EUR"], False),
        (SimpleType("token"), [" EUR"], False),
    ],
)
def test_white_space_that_an_xsd_takes_away_is_no_part_of_a_listed_value(
    simple: SimpleType, texts: list[str], is_trimmed: bool
) -> None:
    assert decide("Currency", profile_of(*texts), simple) == Kind(trim=is_trimmed)
