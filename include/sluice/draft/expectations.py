"""What was seen of values, as expectations, each with its evidence.

What samples showed is no promise of the sender: such expectations only warn, until a person knows better. What an XSD
allows is one: a value beside it rejects its record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sluice.draft.drafted import ColumnDraft, TableDraft
from sluice.draft.naming import word_set, words_of
from sluice.draft.profile import Profile
from sluice.draft.shape import SimpleType

MAX_VALUES = 20
ENOUGH_VALUES = 50
MAX_ENUMERATION = 60
_FREE_TEXT = word_set(
    "address city comment description first last line name postal postcode zip nm note region street text title town"
)
_NEVER_NEGATIVE = word_set("age count days percent quantity qty seconds year years")
_FIXED = re.compile(r"[A9-]{2,20}")


@dataclass(frozen=True, slots=True)
class ExpectationDraft:
    name: str
    arguments: dict[str, object]
    why: str
    severity: str = "warning"


def expect(table: TableDraft) -> list[ExpectationDraft]:
    """The expectations of a table, in the order of its columns."""
    return [found for column in table.columns for found in _of_column(column)]


def _of_column(column: ColumnDraft) -> Iterator[ExpectationDraft]:
    value = column.value
    if value.is_list or value.what != "text":
        return
    if value.attribute is not None:
        name, profile, declared = value.attribute.name, value.attribute.values, value.attribute.declared
    else:
        name, profile, declared = value.shape.name, value.shape.values, value.shape.declared
    simple = declared.simple if declared else None
    if column.kind.type == "text":
        found = _allowed(column, profile, simple) or _few(column, name, profile) or _form(column, profile)
        if found is not None:
            yield found
    elif column.kind.type == "bigint" or column.kind.type.startswith("numeric"):
        least = profile.numbers.least
        is_enough = profile.numbers.count >= ENOUGH_VALUES and least is not None and least >= 0
        if is_enough and _NEVER_NEGATIVE & set(words_of(name)):
            arguments: dict[str, object] = {"column": column.name, "min_value": 0}
            why = f"none of {profile.numbers.count:,} values is negative"
            yield ExpectationDraft("expect_column_values_to_be_between", arguments, why)


def _allowed(column: ColumnDraft, profile: Profile, simple: SimpleType | None) -> ExpectationDraft | None:
    """The values that an XSD lists."""
    if simple is None or not simple.enumeration or len(simple.enumeration) > MAX_ENUMERATION:
        return None
    seen = set(profile.values or ())
    if profile.values is None or profile.empty or not seen <= set(simple.enumeration):
        return None
    if profile.padded and not column.kind.trim:
        return None
    arguments: dict[str, object] = {"column": column.name, "value_set": list(simple.enumeration)}
    return ExpectationDraft("expect_column_values_to_be_in_set", arguments, "the XSD allows no others", "critical")


def _few(column: ColumnDraft, name: str, profile: Profile) -> ExpectationDraft | None:
    """A set of few values, each of them many times."""
    values = profile.values
    if values is None or profile.empty or not 1 < len(values) <= MAX_VALUES or profile.filled < ENOUGH_VALUES:
        return None
    if profile.filled < 5 * len(values) or profile.longest > 40 or _FREE_TEXT & set(words_of(name)):
        return None
    if profile.padded and not column.kind.trim:
        return None
    told = ", ".join(f"{value} {count:,}" for value, count in values.most_common(3))
    why = f"no other in {profile.filled:,}: {told}" + (", …" if len(values) > 3 else "")
    arguments: dict[str, object] = {"column": column.name, "value_set": sorted(values)}
    return ExpectationDraft("expect_column_values_to_be_in_set", arguments, why)


def _form(column: ColumnDraft, profile: Profile) -> ExpectationDraft | None:
    """Codes of one fixed form, such as currencies and postal codes."""
    if profile.is_free or profile.empty or profile.padded or profile.tokens or profile.filled < ENOUGH_VALUES:
        return None
    if profile.numbers.count:
        return None
    forms = list(profile.forms)
    if len(forms) != 1 or not _FIXED.fullmatch(forms[0]) or (profile.distinct or 2) < 2:
        return None
    pattern = "".join(f"{_CLASSES.get(run[0], run[0])}{{{len(run)}}}" if len(run) > 1 or run[0] in _CLASSES else run
                      for run in (match[0] for match in re.finditer(r"A+|9+|-", forms[0])))  # fmt: skip
    arguments: dict[str, object] = {"column": column.name, "regex": f"^{pattern}$".replace("{1}", "")}
    why = f"so are all {profile.filled:,} values"
    return ExpectationDraft("expect_column_values_to_match_regex", arguments, why)


_CLASSES = {"A": "[A-Z]", "9": "[0-9]"}
