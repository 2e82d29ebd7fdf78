"""Whether the texts of samples fit what an XSD says of them, and the declaration that takes both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sluice.draft.profile import Profile
from sluice.draft.shape import Declared, Shape, SimpleType

MAX_TOLD = 3
_MOMENTS = frozenset({"date", "dateTime", "dateTimeStamp"})
_BOOLEAN = frozenset({"true", "false", "0", "1"})


def find_misfits(simple: SimpleType, values: Profile) -> Iterator[str]:
    """What of the texts that were seen the XSD does not allow. Patterns are not tried, nor lists and unions."""
    if not values.filled or simple.is_list or simple.members:
        return
    if strange := _not_listed(simple, values):
        told = ", ".join(repr(value) for value in strange[:MAX_TOLD]) + (", …" if len(strange) > MAX_TOLD else "")
        yield f"the XSD does not list {told}"
    if simple.max_length is not None and values.longest > simple.max_length:
        yield f"texts of up to {values.longest:,} characters, and the XSD allows {simple.max_length:,}"
    if misfit := _not_of_kind(simple, values):
        yield misfit
    elif simple.base == "decimal" or simple.is_whole_number:
        yield from _digits(simple, values)


def _not_listed(simple: SimpleType, values: Profile) -> list[str]:
    allowed = set(simple.enumeration)
    return sorted(set(values.values or ()) - allowed) if allowed else []


def _not_of_kind(simple: SimpleType, values: Profile) -> str | None:
    numbers, filled, base = values.numbers, values.filled, simple.base
    fitting = filled
    if base == "decimal" or simple.is_whole_number:
        fitting = numbers.count - (numbers.with_point if simple.is_whole_number else 0)
    elif base in _MOMENTS:
        fitting = sum(seen.count for seen in values.forms.values() if seen.readings)
    elif base == "boolean" and values.values is not None:
        fitting = sum(count for value, count in values.values.items() if value in _BOOLEAN)
    return f"{filled - fitting:,} of {filled:,} texts are no xs:{base}" if fitting < filled else None


def _digits(simple: SimpleType, values: Profile) -> Iterator[str]:
    numbers = values.numbers
    if simple.fraction_digits is not None and numbers.fraction > simple.fraction_digits:
        yield f"up to {numbers.fraction} digits after the point, and the XSD allows {simple.fraction_digits}"
    if simple.total_digits is not None and numbers.whole > simple.total_digits:
        yield f"up to {numbers.whole} digits before the point, and the XSD allows {simple.total_digits} in all"


def widened(declared: Declared, shape: Shape) -> Declared:
    """The declaration with room for what was seen."""
    if declared.max_occurs is not None and shape.most > declared.max_occurs:
        declared = replace(declared, max_occurs=shape.most)
    if declared.simple is not None:
        declared = replace(declared, simple=widened_type(declared.simple, shape.values))
    return declared


def widened_type(simple: SimpleType, values: Profile) -> SimpleType:
    """The type with room for the texts that were seen; text where they are of another kind."""
    if not values.filled or simple.is_list or simple.members:
        return simple
    if _not_of_kind(simple, values):
        return SimpleType("string", simple.name)
    numbers = values.numbers
    if _not_listed(simple, values):
        simple = replace(simple, enumeration=())
    if simple.max_length is not None and values.longest > simple.max_length:
        simple = replace(simple, max_length=values.longest)
    if simple.fraction_digits is not None:
        simple = replace(simple, fraction_digits=max(simple.fraction_digits, numbers.fraction))
    if simple.total_digits is not None:
        simple = replace(simple, total_digits=max(simple.total_digits, numbers.whole + numbers.fraction))
    return simple
