"""What was seen of the texts of one element or attribute: all of them, in little memory.

A text that reads as a number is added to ``numbers``. Of any other its form is kept: every digit as 9, every letter as
A or a. A few forms say all about codes, dates and times; more forms than ``MAX_FORMS`` are free text.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from sluice.draft.moments import MOMENT_FORMS, Reading, is_moment, readings_of
from sluice.values import is_json

MAX_FORMS = 64
MAX_DISTINCT = 1000
# No longer text is kept as a value, nor looked at for its form.
MAX_TEXT = 200
NULL_TOKENS = frozenset(
    {"-", "--", "?", "N/A", "NA", "NIL", "NONE", "NULL", "None", "Null", "n/a", "nil", "none", "null"}
)
WHITE = " \t\r\n"

_NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?")
_FORM = str.maketrans(string.digits + string.ascii_uppercase + string.ascii_lowercase, "9" * 10 + "A" * 26 + "a" * 26)
_NUMBER_STARTS = frozenset("+-.0123456789")
_SEPARATED = re.compile(r"[+-]?[0-9.]+(?:([ ,;|])[+-]?[0-9.]+)(?:\1[+-]?[0-9.]+)*")


@dataclass(slots=True)
class Numbers:
    """The texts that are decimal numbers. ``whole`` and ``fraction`` are the most digits before and after the point."""

    count: int = 0
    whole: int = 0
    fraction: int = 0
    with_point: int = 0
    leading_zeros: int = 0  # 007, but not 0 or 0.5
    signed: int = 0
    plus: int = 0
    zeros_and_ones: int = 0
    least: float | None = None
    greatest: float | None = None
    widths: set[int] = field(default_factory=set)  # a few lengths of texts, to know one from many

    def add(self, text: str, sign: str, whole: str, fraction: str | None, times: int) -> None:
        self.count += times
        if fraction is not None:
            self.with_point += times
            self.fraction = max(self.fraction, len(fraction.rstrip("0")))
        if sign:
            self.signed += sign == "-"
            self.plus += sign == "+"
        if len(whole) > 1 and whole[0] == "0":
            self.leading_zeros += times
        elif text in ("0", "1"):
            self.zeros_and_ones += times
        self.whole = max(self.whole, len(whole.lstrip("0")))
        value = float(text)
        if self.least is None or value < self.least:
            self.least = value
        if self.greatest is None or value > self.greatest:
            self.greatest = value
        if len(self.widths) < 3:
            self.widths.add(len(text))


@dataclass(slots=True)
class FormSeen:
    """The texts of one form: how many, the least and greatest of them, and as which moments all of them can be read."""

    count: int = 0
    least: str = ""
    greatest: str = ""
    readings: tuple[Reading, ...] = ()


@dataclass(slots=True)
class Profile:
    """The texts of one element or attribute, added up. A profile that saw nothing says nothing."""

    count: int = 0
    empty: int = 0  # nothing, or white space only
    padded: int = 0  # with white space at an end
    shortest: int | None = None
    longest: int = 0
    tokens: Counter[str] = field(default_factory=Counter)  # what often stands for "none"
    numbers: Numbers = field(default_factory=Numbers)
    forms: dict[str, FormSeen] = field(default_factory=dict)
    is_free: bool = False  # forms without end: any text
    json: int = 0  # objects and lists that parse
    lists: int = 0  # several numbers in one text
    values: Counter[str] | None = field(default_factory=Counter)  # None where there are more than ``MAX_DISTINCT``

    def add(self, text: str) -> None:
        self._take(text, 1)

    def add_all(self, texts: Iterable[str]) -> None:
        for text, times in Counter(texts).items():
            self._take(text, times)

    @property
    def filled(self) -> int:
        return self.count - self.empty

    @property
    def distinct(self) -> int | None:
        """How many texts there are; None where too many were seen to keep them."""
        return None if self.values is None else len(self.values)

    def _take(self, text: str, times: int) -> None:
        self.count += times
        bare = text.strip(WHITE)
        if not bare:
            self.empty += times
            return
        length = len(bare)
        if length != len(text):
            self.padded += times
        if length > self.longest:
            self.longest = length
        if self.shortest is None or length < self.shortest:
            self.shortest = length
        if self.values is not None:
            self.values[bare[: MAX_TEXT + 1]] += times
            if len(self.values) > MAX_DISTINCT or length > MAX_TEXT:
                self.values = None
        if bare in NULL_TOKENS:
            self.tokens[bare] += times
        elif bare[0] in _NUMBER_STARTS and length <= MAX_TEXT and self._take_number(bare, times):
            return
        elif not self.is_free:
            self._take_form(bare, times)

    def _take_number(self, text: str, times: int) -> bool:
        match = _NUMBER.fullmatch(text)
        if match is None or not (match[2] or match[3]):
            return False
        self.numbers.add(text, match[1], match[2], match[3], times)
        if len(text) in MOMENT_FORMS and text.isdigit():
            self._take_moment("9" * len(text), text, times)
        return True

    def _take_moment(self, form: str, text: str, times: int) -> FormSeen | None:
        seen = self.forms.get(form)
        if seen is None:
            if len(self.forms) >= MAX_FORMS:
                self.is_free = True
                return None
            seen = self.forms[form] = FormSeen(0, text, text, readings_of(form, text))
        seen.count += times
        if text < seen.least:
            seen.least = text
        elif text > seen.greatest:
            seen.greatest = text
        if seen.readings:
            seen.readings = tuple(reading for reading in seen.readings if is_moment(text, reading))
        return seen

    def _take_form(self, text: str, times: int) -> None:
        if text[0] in "{[":
            self.json += times * is_json(text)
        elif text[0] in _NUMBER_STARTS and _SEPARATED.fullmatch(text[:MAX_TEXT]):
            self.lists += times
        if len(text) > MAX_TEXT:
            self.is_free = self.json == 0
        else:
            self._take_moment(text.translate(_FORM), text, times)
