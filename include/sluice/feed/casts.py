"""What a change of a column's type does to the values that are there, as PostgreSQL casts them."""

from __future__ import annotations

import re

_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
_MOMENTS = ("date", "timestamp", "timestamptz")
_DIGITS = {"integer": 10, "bigint": 19}
FAILS = "which fails where a value does not fit"
ROUNDS = "which rounds the values that are there: to keep them exact, load them again into a new column instead"
CUTS = "which cuts off the time of day: to keep it, load again into a new column instead"
ROUNDS_TEXT = "which fails where a text is no number, and rounds one with more digits after the point"
READS = "which reads texts by the session's date style and time zone, and cuts off what the type does not keep"
SPELLS = "which spells each list as PostgreSQL does, as in {a,b}"
SHIFTS = "which reads or writes local times by the session's time zone: set it before"


def cast_risk(old: str, new: str) -> str:
    """What may become of values when a column of the type ``old`` gets ``new``; '' where each stays what it is.

    Types are spelled as ``ColumnType.sql`` does; of lists, as of their items.
    """
    if old.endswith("[]") != new.endswith("[]"):
        return SPELLS if new == "text" else FAILS
    old, new = old.removesuffix("[]"), new.removesuffix("[]")
    before, after = _precision(old), _precision(new)
    if before and after:
        return _numeric_risk(before, after)
    if old == "text" and new in _MOMENTS:
        return READS
    if old == "text" and after and new not in _DIGITS:
        return ROUNDS_TEXT
    if new == "text" or (old, new) == ("date", "timestamp"):
        return ""
    if old == "timestamp" and new == "date":
        return CUTS
    if "timestamptz" in (old, new) and {old, new} <= {"timestamptz", "timestamp", "date"}:
        return CUTS if new == "date" else SHIFTS
    return FAILS


def _precision(kind: str) -> tuple[int, int] | None:
    """Digits before and after the point."""
    if kind in _DIGITS:
        return _DIGITS[kind], 0
    if match := _NUMERIC.fullmatch(kind):
        digits, scale = int(match[1]), int(match[2])
        return digits - scale, scale
    return None


def _numeric_risk(old: tuple[int, int], new: tuple[int, int]) -> str:
    if new[1] < old[1]:
        return ROUNDS
    return FAILS if new[0] < old[0] else ""
