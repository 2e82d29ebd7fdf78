"""Dates and times as senders write them: which forms may be which, and whether a text is really one."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache

from sluice.values import parse_zone


@dataclass(frozen=True, slots=True)
class Reading:
    """A way to read texts: ``kind`` is date, timestamp or timestamptz; ``format`` is None for ISO 8601."""

    kind: str
    format: str | None = None
    iso: str = ""  # the same in strptime's words, for columns that need a list of formats


ISO_DATE = re.compile(r"9999-99-99(A|[+-]99:99)?")
ISO_TIME = re.compile(r"9999-99-99[A ]99:99(:99(\.9+)?)?(A|[+-]99:?99)?")

# Forms of other dates and times (digits as 9, letters as A and a), and how strptime reads them.
_OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "99999999": (("date", "%Y%m%d"),),
    "99999999999999": (("timestamp", "%Y%m%d%H%M%S"),),
    "99.99.9999": (("date", "%d.%m.%Y"),),
    "9.9.9999": (("date", "%d.%m.%Y"),),
    "9.99.9999": (("date", "%d.%m.%Y"),),
    "99.9.9999": (("date", "%d.%m.%Y"),),
    "99/99/9999": (("date", "%d/%m/%Y"), ("date", "%m/%d/%Y")),
    "9/99/9999": (("date", "%d/%m/%Y"), ("date", "%m/%d/%Y")),
    "99/9/9999": (("date", "%d/%m/%Y"), ("date", "%m/%d/%Y")),
    "9/9/9999": (("date", "%d/%m/%Y"), ("date", "%m/%d/%Y")),
    "99-99-9999": (("date", "%d-%m-%Y"), ("date", "%m-%d-%Y")),
    "9999/99/99": (("date", "%Y/%m/%d"),),
    "9999.99.99": (("date", "%Y.%m.%d"),),
    "99-Aaa-9999": (("date", "%d-%b-%Y"),),
    "99-AAA-9999": (("date", "%d-%b-%Y"),),
    "99 Aaa 9999": (("date", "%d %b %Y"),),
    "9 Aaa 9999": (("date", "%d %b %Y"),),
    "99999999A999999": (("timestamp", "%Y%m%dT%H%M%S"),),
    "99999999A999999A": (("timestamptz", "%Y%m%dT%H%M%S%z"),),
    "9999/99/99 99:99:99": (("timestamp", "%Y/%m/%d %H:%M:%S"),),
    "Aaa, 99 Aaa 9999 99:99:99 +9999": (("timestamptz", "%a, %d %b %Y %H:%M:%S %z"),),
    "Aaa, 9 Aaa 9999 99:99:99 +9999": (("timestamptz", "%a, %d %b %Y %H:%M:%S %z"),),
    "Aaa, 99 Aaa 9999 99:99:99 -9999": (("timestamptz", "%a, %d %b %Y %H:%M:%S %z"),),
    "Aaa, 9 Aaa 9999 99:99:99 -9999": (("timestamptz", "%a, %d %b %Y %H:%M:%S %z"),),
    "Aaa, 99 Aaa 9999 99:99:99 AAA": (("timestamptz", "%a, %d %b %Y %H:%M:%S %Z"),),
    "Aaa, 9 Aaa 9999 99:99:99 AAA": (("timestamptz", "%a, %d %b %Y %H:%M:%S %Z"),),
}
_ZONE = re.compile(r"[+-]\d\d:?\d\d$")
_CLOCKED = re.compile(r"(.*9999) (99:99(:99)?)")
_MONTHS = re.compile(r"(9{1,2}) (A?a+) (9999)|(A?a+) (9{1,2}), (9999)")

MOMENT_FORMS = frozenset({8, 14})
"""The lengths of texts of digits that may be a date or a time."""
# A date of eight digits is one only where its year is likely: codes have eight digits too.
_COMPACT_YEARS = range(1900, 2101)


def readings_of(form: str, text: str) -> tuple[Reading, ...]:
    """As what a text of this form may be read, before any day was looked at."""
    if ISO_DATE.fullmatch(form):
        return (Reading("date", None, "%Y-%m-%d" + ("%z" if len(form) > 10 else "")),)
    if match := ISO_TIME.fullmatch(form):
        iso = f"%Y-%m-%d{text[10]}%H:%M" + (":%S" if match[1] else "") + (".%f" if match[2] else "")
        kind = "timestamptz" if match[3] else "timestamp"
        return (Reading(kind, None, iso + ("%z" if match[3] else "")),)
    if form in _OTHERS:
        return tuple(Reading(kind, known, known) for kind, known in _OTHERS[form])
    if (clocked := _CLOCKED.fullmatch(form)) and clocked[1] in _OTHERS:
        clock = " %H:%M:%S" if clocked[3] else " %H:%M"
        return tuple(Reading("timestamp", known + clock, known + clock) for _, known in _OTHERS[clocked[1]])
    if month := _MONTHS.fullmatch(form):
        return (Reading("date", "%d %B %Y", "%d %B %Y"),) if month[1] else (Reading("date", "%B %d, %Y", "%B %d, %Y"),)
    return ()


def is_moment(text: str, reading: Reading) -> bool:
    """Whether the text is such a date or time, and would be taken by a column that reads it so."""
    try:
        if reading.format is None:
            return _is_iso(text, reading.kind)
        return _is_by_format(text, reading.format)
    except (ValueError, OverflowError):
        return False


def _is_iso(text: str, kind: str) -> bool:
    if zone := _ZONE.search(text, 10):
        parse_zone(zone[0])
    if kind == "date":
        day = dt.date.fromisoformat(text[:10])
        return day.year > 0 and (len(text) == 10 or text[10] in "Z+-")
    if text[10] not in "T " or (text[-1].isalpha() and text[-1] != "Z"):
        return False
    fraction = text[20:].rstrip("Z").partition("+")[0].partition("-")[0]
    if text[19:20] == "." and len(fraction.rstrip("0")) > 6:
        return False
    if text[11:].startswith("24:00"):  # the end of a day
        text = f"{text[:11]}00{text[13:]}"
    moment = dt.datetime.fromisoformat(text)
    # The first and the last year are left to text: their instants may lie outside what a timestamp holds.
    return kind == "timestamp" or 1 < moment.year < 9999 or moment.utcoffset() == dt.timedelta()


@lru_cache(maxsize=65_536)
def _is_by_format(text: str, form: str) -> bool:
    moment = dt.datetime.strptime(text, form)  # noqa: DTZ007 - only whether it can be read counts
    is_known_zone = "%Z" not in form or text.endswith(("GMT", "UTC"))
    return is_known_zone and (not form.startswith("%Y%m%d") or moment.year in _COMPACT_YEARS)
