"""URI patterns: which files of a source a feed means, and which date each of them belongs to.

A pattern is a path, ``file://``, ``s3://``, ``sftp://`` or ``http(s)://`` address. ``*`` and ``?`` match within one
path segment, ``**`` across segments (web addresses have no wildcards). ``{date:%Y/%m/%d}`` is the run's date.
``${NAME:-default}`` is an environment variable. Wildcards never match hidden names (``.name``) nor half-uploaded files
(``.tmp``, ``.part``, ``.crdownload``); such names are found only where the pattern spells them out.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from sluice.errors import PermanentError

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PLACEHOLDER = re.compile(r"\{date:([^{}]*)\}")
_FORMAT = re.compile(r"(?:%[YmdyHMj]|[^%*?])+")
_DIRECTIVE = re.compile(r"%([YmdyHMj])")
_GLOB_BIT = re.compile(r"\*{2,}/|\*+|\?|/|[^*?/]+")
_WILDCARD = re.compile(r"[*?]")

_DIGITS = {
    "Y": r"\d{4}",
    "y": r"\d{2}",
    "m": r"(?:0[1-9]|1[0-2])",
    "d": r"(?:0[1-9]|[12]\d|3[01])",
    "j": r"(?:[0-2]\d\d|3[0-6]\d)",
    "H": r"(?:[01]\d|2[0-3])",
    "M": r"[0-5]\d",
}
# A run has a date and no time of day, so hours and minutes are wildcards in a listing.
_RENDER: dict[str, Callable[[dt.date], str]] = {
    "Y": lambda day: f"{day.year:04d}",
    "y": lambda day: f"{day.year % 100:02d}",
    "m": lambda day: f"{day.month:02d}",
    "d": lambda day: f"{day.day:02d}",
    "j": lambda day: f"{day.timetuple().tm_yday:03d}",
    "H": lambda day: "??",
    "M": lambda day: "??",
}
_NOT_HALF_UPLOADED = r"(?<!\.tmp)(?<!\.part)(?<!\.crdownload)"


class PatternInvalid(PermanentError, ValueError):
    """A URI pattern that cannot be read; the message says why."""


class UriPattern:
    """A feed's ``source.uri``, ready to list by and to read dates with. Raises ``PatternInvalid``.

    ``text`` is the pattern as written; ``scheme`` is ``file`` (plain paths too), ``s3``, ``http``, ``https``, or what
    else was written. Local patterns are made absolute, so that they match the URIs that sources list. A pattern that
    ends with ``/`` means all files in that folder.
    """

    def __init__(self, text: str, env: Mapping[str, str] = os.environ) -> None:
        self.text = text
        absolute = _absolute(expand_variables(text, env))
        self.scheme = scheme_of(absolute)
        self.has_wildcards = self.scheme not in ("http", "https")
        # Odd items are date formats, even ones the text between them.
        self._pieces = _PLACEHOLDER.split(absolute)
        self.has_date = len(self._pieces) > 1
        _check_pieces(text, self._pieces)
        self._regex = _pattern_regex(self._pieces, self.has_wildcards)

    def __repr__(self) -> str:
        return f"UriPattern({self.text!r})"

    @property
    def base(self) -> str:
        """The literal URI before the first wildcard or date, cut back to its last ``/``, without that."""
        return literal_prefix(self._pieces[0]).rpartition("/")[0]

    def for_date(self, date: dt.date) -> str:
        """The pattern with ``date`` filled in; what is left are the wildcards of ``glob_regex``."""
        return "".join(
            _DIRECTIVE.sub(lambda found: _RENDER[found[1]](date), piece) if index % 2 else piece
            for index, piece in enumerate(self._pieces)
        )

    def globs(self, dates: Iterable[dt.date]) -> list[str]:
        """What to list for ``dates``, each glob once; a pattern without a date does not depend on them."""
        return list(dict.fromkeys(map(self.for_date, dates))) if self.has_date else ["".join(self._pieces)]

    def date_of(self, uri: str) -> dt.date | None:
        """The date in ``uri``; None if the pattern has no date, does not match, or the digits are no date.

        A month or a year without a day is its first day.
        """
        found = self._regex.fullmatch(uri) if self.has_date else None
        return _date_from(found.groupdict()) if found else None

    def matches(self, uri: str, date: dt.date | None = None) -> bool:
        """Whether the pattern means ``uri``, for ``date`` if one is given."""
        if not self._regex.fullmatch(uri):
            return False
        if date is None or not self.has_date:
            return True
        rendered = self.for_date(date)
        return bool(glob_regex(rendered).fullmatch(uri)) if self.has_wildcards else rendered == uri


def scheme_of(uri: str) -> str:
    """The scheme of a URI in lower case; ``file`` for a plain path."""
    found = _SCHEME.match(uri)
    return found[1].lower() if found else "file"


def expand_variables(text: str, env: Mapping[str, str]) -> str:
    """``text`` with ``${NAME}`` and ``${NAME:-default}`` replaced; the default stands for unset and empty ones."""

    def value_of(found: re.Match[str]) -> str:
        name, default = found[1], found[2]
        value = env.get(name, "")
        if value or default is not None:
            return value or default
        raise PatternInvalid(f"{text!r}: the environment variable {name} is not set (or write ${{{name}:-default}})")

    return _VARIABLE.sub(value_of, text)


def literal_prefix(glob: str) -> str:
    """What stands before the first wildcard."""
    return _WILDCARD.split(glob, maxsplit=1)[0]


def has_wildcard(glob: str) -> bool:
    return _WILDCARD.search(glob) is not None


@lru_cache(maxsize=1024)
def glob_regex(glob: str) -> re.Pattern[str]:
    """A regular expression for ``fullmatch`` of a glob: ``*``, ``?`` and ``**`` as this module's docstring has them."""
    source = _glob_source(glob, at_start=True)
    return re.compile(source + (_NOT_HALF_UPLOADED if has_wildcard(glob.rpartition("/")[2]) else ""), re.DOTALL)


def _glob_source(glob: str, *, at_start: bool) -> str:
    """Regular expression of ``glob``; ``at_start`` says that it begins a path segment, where a dot hides a name."""
    parts = []
    for bit in _GLOB_BIT.findall(glob):
        visible = r"(?!\.)" if at_start else ""
        if bit.startswith("**") and bit.endswith("/"):
            parts.append(rf"(?:{visible}[^/]*/)(?:(?!\.)[^/]*/)*" if not at_start else r"(?:(?!\.)[^/]*/)*")
        elif bit.startswith("**"):
            parts.append(rf"{visible}(?:[^/]*/(?!\.))*[^/]*")
        elif bit == "*":
            parts.append(rf"{visible}[^/]*")
        elif bit == "?":
            parts.append(rf"{visible}[^/]")
        else:
            parts.append(re.escape(bit))
        at_start = bit.endswith("/")
    return "".join(parts)


def _pattern_regex(pieces: list[str], has_wildcards: bool) -> re.Pattern[str]:
    """A regular expression whose groups are the date's digits; a directive that comes again must have the same."""
    seen: set[str] = set()

    def digits_of(found: re.Match[str]) -> str:
        name = found[1]
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return f"(?P<{name}>{_DIGITS[name]})"

    source, at_start = "", True
    for index, piece in enumerate(pieces):
        if index % 2:
            source += _DIRECTIVE.sub(digits_of, re.escape(piece))
        else:
            source += _glob_source(piece, at_start=at_start) if has_wildcards else re.escape(piece)
        at_start = piece.endswith("/") if piece else at_start
    last_segment = pieces[-1].rpartition("/")[2]
    return re.compile(source + (_NOT_HALF_UPLOADED if has_wildcards and has_wildcard(last_segment) else ""), re.DOTALL)


def _absolute(uri: str) -> str:
    scheme = scheme_of(uri)
    if scheme == "file":
        return _absolute_local(uri)
    if scheme == "s3":
        bucket, _, key = uri.partition("://")[2].partition("/")
        if not bucket or has_wildcard(bucket) or "{" in bucket:
            raise PatternInvalid(f"{uri!r}: s3:// needs the bucket's name, without wildcards")
        return f"s3://{bucket}/{key or '*'}" + ("*" if key.endswith("/") else "")
    return uri + ("*" if scheme == "sftp" and uri.endswith("/") else "")


def _absolute_local(uri: str) -> str:
    path = _SCHEME.sub("", uri, count=1).removeprefix("localhost") if _SCHEME.match(uri) else uri
    if not path or (path != uri and not path.startswith("/")):
        raise PatternInvalid(f"{uri!r}: write file:///folder/*.xml, or a plain path")
    # Links are kept as they are written: a URI must not change because somebody moves what a link points to.
    absolute = os.path.normpath(Path.cwd() / path).strip("/")
    return f"file:///{absolute}" + ("/*" if path.endswith("/") and absolute else "*" if not absolute else "")


def _check_pieces(text: str, pieces: list[str]) -> None:
    for literal in pieces[::2]:
        if brace := re.search(r"\{[^}]*\}?", literal):
            raise PatternInvalid(f"{text!r}: {brace[0]} is not known; dates are written like {{date:%Y-%m-%d}}")
    formats = pieces[1::2]
    for date_format in formats:
        if not _FORMAT.fullmatch(date_format):
            raise PatternInvalid(f"{text!r}: {{date:{date_format}}} may hold %Y %y %m %d %j %H %M and plain text only")
    used = set(_DIRECTIVE.findall("".join(formats)))
    if formats and not used & {"Y", "y"}:
        raise PatternInvalid(f"{text!r}: the date has no year (%Y or %y)")
    if "d" in used and "m" not in used:
        raise PatternInvalid(f"{text!r}: the date has a day (%d) but no month (%m)")


def _date_from(digits: Mapping[str, str]) -> dt.date | None:
    """The date that ``digits`` (directive to text) spell; None where they are no date or disagree with each other."""
    try:
        if "j" in digits:
            date = dt.date(_year(digits), 1, 1) + dt.timedelta(days=int(digits["j"]) - 1)
        else:
            date = dt.date(_year(digits), int(digits.get("m", 1)), int(digits.get("d", 1)))
    except (ValueError, OverflowError):
        return None
    agrees = all(_RENDER[name](date) in (text, "??") for name, text in digits.items())
    return date if agrees else None


def _year(digits: Mapping[str, str]) -> int:
    if "Y" in digits:
        return int(digits["Y"])
    short = int(digits["y"])
    return short + (2000 if short < 69 else 1900)
