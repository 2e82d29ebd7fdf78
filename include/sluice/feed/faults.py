"""Mistakes in a declaration, as values: where they are in the document, what is wrong, and the nearest right word.

A ``Fault`` knows keys and positions only; ``document`` turns them into lines and columns.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake. ``loc`` leads to it from the top of the document; ``at_key`` means the key there, not its value."""

    loc: Loc
    message: str
    suggestion: str | None = None
    at_key: bool = False

    def below(self, loc: Loc) -> Fault:
        """The same mistake, seen from further up."""
        return replace(self, loc=(*loc, *self.loc))

    def __str__(self) -> str:
        hint = f" (did you mean {self.suggestion!r}?)" if self.suggestion else ""
        return f"{spell(self.loc)}: {self.message}{hint}"


class Unsound(ValueError):
    """Raised by the model's validators with all faults that they found; places are relative to the validated value."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


def spell(loc: Loc) -> str:
    """``('tables', 'trades', 'key', 1)`` as ``tables.trades.key[1]``."""
    text = ""
    for item in loc:
        text += f"[{item}]" if isinstance(item, int) else f".{item}"
    return text.removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that ``word`` was probably meant to be."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def faults_of(error: ValidationError, model: type[BaseModel]) -> Iterator[Fault]:
    """What Pydantic found, in the words of this package."""
    for details in error.errors(include_url=False):
        cause = details.get("ctx", {}).get("error")
        if isinstance(cause, Unsound):
            yield from (fault.below(details["loc"]) for fault in cause.faults)
        elif details["loc"][-1:] == ("[key]",):
            yield Fault(details["loc"][:-1], *_phrase(details), at_key=True)
        elif details["type"] == "extra_forbidden":
            yield _unknown_key(details["loc"], model)
        elif details["type"] == "missing":
            yield Fault(details["loc"][:-1], f"the key {details['loc'][-1]!r} is missing", at_key=True)
        else:
            yield Fault(details["loc"], *_phrase(details))


def _unknown_key(loc: Loc, model: type[BaseModel]) -> Fault:
    known = _keys_at(model, loc[:-1])
    return Fault(loc, f"unknown key; the keys here are {', '.join(known)}", nearest(str(loc[-1]), known), at_key=True)


def _keys_at(annotation: Any, loc: Loc) -> tuple[str, ...]:
    """The keys that may stand at ``loc`` below a value of this annotation."""
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(arg for arg in get_args(annotation) if arg is not types.NoneType)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
        return _keys_at(fields.get(str(loc[0])), loc[1:]) if loc else tuple(fields)
    if loc and get_origin(annotation) is dict:
        return _keys_at(get_args(annotation)[1], loc[1:])
    if loc and get_origin(annotation) is tuple:
        return _keys_at(get_args(annotation)[0], loc[1:])
    return ()


_EXPECTED = {
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
}


def _phrase(details: ErrorDetails) -> tuple[str, str | None]:
    """The message and the suggestion for one error of Pydantic."""
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "value_error":
        return str(context["error"]), getattr(context["error"], "suggestion", None)
    if kind in _EXPECTED:
        return _wrong_type(_EXPECTED[kind], value)
    if kind == "string_pattern_mismatch":
        return _no_identifier(str(value))
    if kind == "literal_error":
        return _no_choice(value, str(context["expected"]))
    if kind in ("greater_than_equal", "less_than_equal"):
        limit = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
        return f"must be {limit}, not {value}", None
    return f"{describe(value)} is not allowed here ({kind.replace('_', ' ')})", None


def _wrong_type(expected: str, value: Any) -> tuple[str, str | None]:
    message = f"must be {expected}, not {describe(value)}"
    if expected == "a text" and isinstance(value, (bool, int, float)):
        return f"{message}; put it in quotes", None
    if expected == "true or false" and isinstance(value, str):
        return message, {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(value.lower())
    return message, None


def describe(value: Any) -> str:
    """A value of a document in words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 60 else f"the text {value[:60]!r}…"
    return "a list" if isinstance(value, (list, tuple)) else "a mapping"


def _no_identifier(value: str) -> tuple[str, str | None]:
    rule = "a name has lower-case letters, digits and _, starts with a letter, and is at most 63 long"
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in value.lower()).strip("_")
    return f"{value!r} is no name for PostgreSQL: {rule}", plain if plain[:1].isalpha() and len(plain) <= 63 else None


def _no_choice(value: Any, expected: str) -> tuple[str, str | None]:
    choices = [choice.strip(" '") for choice in expected.replace(" or ", ",").split(",")]
    return f"must be one of {', '.join(choices)}, not {describe(value)}", nearest(str(value), choices)
