"""The column types of a feed, and what they are in Arrow and in PostgreSQL.

==================  =============================  ====================
feed                Arrow                          PostgreSQL
==================  =============================  ====================
text                string                         text
integer / bigint    int32 / int64                  integer / bigint
numeric(p,s)        decimal128, decimal256         numeric(p,s)
boolean             bool                           boolean
date                date32                         date
timestamp           timestamp(us)                  timestamp
timestamptz         timestamp(us, UTC)             timestamptz
json / xml          string                         jsonb / xml
markup              string                         text
any of them + []    list                           array
==================  =============================  ====================
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = ("text", "integer", "bigint", "numeric", "boolean", "date", "timestamp", "timestamptz", "json", "xml", "markup")
_NUMERIC = re.compile(r"numeric\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")
MAX_PRECISION = 76


KNOWN = (*(kind for kind in KINDS if kind != "numeric"), "numeric(p,s)")
_ELSEWHERE = {
    "integer": ("int", "int4", "int32", "smallint", "short"),
    "bigint": ("int8", "int64", "long", "biginteger"),
    "numeric": ("decimal", "number", "float", "double", "double precision", "real", "money"),
    "text": ("string", "str", "varchar", "char", "character varying"),
    "boolean": ("bool",),
    "timestamp": ("datetime", "timestamp without time zone"),
    "timestamptz": ("datetimetz", "timestamp with time zone"),
    "json": ("jsonb", "object"),
}
"""What the types of the language are called elsewhere."""


class TypeProblem(ValueError):
    """A type that the language does not know; ``suggestion`` is the type that was probably meant."""

    def __init__(self, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class ColumnType:
    """``kind`` is one of ``KINDS``; ``precision`` and ``scale`` belong to numeric; ``is_list`` to ``type[]``."""

    kind: str
    precision: int = 0
    scale: int = 0
    is_list: bool = False

    def __str__(self) -> str:
        return self.element + ("[]" if self.is_list else "")

    @property
    def element(self) -> str:
        """The type of one value, as the feed language spells it."""
        return f"numeric({self.precision},{self.scale})" if self.kind == "numeric" else self.kind

    @property
    def sql(self) -> str:
        """The PostgreSQL type."""
        element = {"json": "jsonb", "markup": "text"}.get(self.kind, self.element)
        return element + ("[]" if self.is_list else "")

    @property
    def is_markup(self) -> bool:
        """Whether a value is the element itself, not the text in it."""
        return self.kind in ("xml", "markup")

    @property
    def arrow(self) -> pa.DataType:
        import pyarrow as pa

        element = self._arrow_element()
        return pa.list_(element) if self.is_list else element

    def _arrow_element(self) -> pa.DataType:
        import pyarrow as pa

        if self.kind == "numeric":
            return (
                pa.decimal128(self.precision, self.scale)
                if self.precision <= 38
                else pa.decimal256(self.precision, self.scale)
            )
        return {
            "integer": pa.int32(),
            "bigint": pa.int64(),
            "boolean": pa.bool_(),
            "date": pa.date32(),
            "timestamp": pa.timestamp("us"),
            "timestamptz": pa.timestamp("us", "UTC"),
        }.get(self.kind, pa.string())


def parse_type(text: str) -> ColumnType:
    """Parse ``text`` as written in a feed file; raises ``TypeProblem``."""
    source = text.strip().lower()
    is_list = source.endswith("[]")
    if is_list:
        source = source[:-2].strip()
    match = _NUMERIC.fullmatch(source)
    if match:
        precision, scale = int(match.group(1)), int(match.group(2) or 0)
        if not (1 <= precision <= MAX_PRECISION and scale <= precision):
            raise TypeProblem(f"{text!r}: precision must be 1 to {MAX_PRECISION} and scale no larger than it")
        return ColumnType("numeric", precision, scale, is_list)
    if source == "numeric":
        raise TypeProblem("numeric needs its digits, as in numeric(18,2), so that nothing is ever rounded")
    if source not in KINDS:
        known = f"the types are {', '.join(KNOWN)}, each also as a list with []"
        raise TypeProblem(f"unknown type {text!r}; {known}", _nearest_type(source, is_list))
    return ColumnType(source, is_list=is_list)


def _nearest_type(source: str, is_list: bool) -> str | None:
    """The type that ``source`` was probably meant to be, with its digits where it has some."""
    word, bracket, digits = source.partition("(")
    word = word.strip()
    meaning = {kind: kind for kind in KINDS} | {name: kind for kind, names in _ELSEWHERE.items() for name in names}
    found = difflib.get_close_matches(word, meaning, n=1)
    if not found:
        return None
    kind = meaning[found[0]]
    if kind == "numeric":
        numbers = re.fullmatch(r"\s*\d+\s*(?:,\s*\d+\s*)?\)", digits)
        kind += bracket + digits if numbers else "(p,s)"
    return kind + ("[]" if is_list else "")
