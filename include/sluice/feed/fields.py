"""The base of the models, and the kinds of values that the keys of a feed file take, each checked as it is read.

A check raises ``ValueError``; its message says what is wrong, ``suggestion`` (where it has one) what was meant.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from sluice.charsets import find_codec
from sluice.feed.faults import describe, nearest
from sluice.feed.paths import parse_path
from sluice.feed.types import KINDS, KNOWN, parse_type
from sluice.sources.pattern import UriPattern, expand_variables

IDENTIFIER = r"^[a-z][a-z0-9_]{0,62}$"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Misspelt(ValueError):
    """A text that is not one of the known ones."""

    def __init__(self, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.suggestion = suggestion


def _one_or_many(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"must be a text or a list of texts, not {describe(value)}")
    return value


def _one_or_more(value: Any) -> Any:
    if not _one_or_many(value):
        raise ValueError("the list is empty, and at least one is needed")
    return _one_or_many(value)


def _check_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except Exception as error:
        raise Misspelt(f"unknown time zone {value!r}", nearest(value, available_timezones())) from error
    return value


def _check_day(value: Any) -> Any:
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{value!r} is not a date such as 2026-03-31") from error


_CRON_FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 7),
)
_CRON_PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
_CRON_NAMES = {
    "month": ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    "day of the week": ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}


def _check_cron(value: str) -> str:
    if value.startswith("@"):
        if value not in _CRON_PRESETS:
            raise Misspelt(
                f"unknown schedule {value!r}; there are {', '.join(_CRON_PRESETS)}", nearest(value, _CRON_PRESETS)
            )
        return value
    parts = value.split()
    if len(parts) != len(_CRON_FIELDS):
        raise ValueError(f"{value!r} has {len(parts)} fields; a cron expression has 5: minute hour day month weekday")
    for part, (name, low, high) in zip(parts, _CRON_FIELDS, strict=True):
        if not all(_is_cron_item(item, name, low, high) for item in part.split(",")):
            raise ValueError(f"{part!r} is no {name} of a cron expression ({low} to {high}, *, lists, ranges, steps)")
    return value


def _is_cron_item(item: str, name: str, low: int, high: int) -> bool:
    match = re.fullmatch(r"(?:\*|(\w+)(?:-(\w+))?)(?:/([1-9]\d*))?", item)
    if match is None:
        return name == "day of the month" and item in ("L", "l")
    bounds = [bound for bound in match.group(1, 2) if bound]
    return all(
        low <= int(bound) <= high if bound.isdecimal() else bound.lower() in _CRON_NAMES.get(name, ())
        for bound in bounds
    )


def _check_encoding(value: str) -> str:
    if find_codec(value) is None:
        raise Misspelt(f"unknown encoding {value!r}", nearest(value, _ENCODINGS))
    return value


_ENCODINGS = ("utf-8", "utf-16", "iso-8859-1", "iso-8859-15", "windows-1252", "windows-1251", "shift_jis", "gb18030")

SCHEMES = ("file", "s3", "sftp", "http", "https")
_WITHOUT_DEFAULT = re.compile(r"\$\{\w+\}")


def _check_uri(value: str) -> str:
    """Reads the pattern as sources do. Variables without a default count as set: what is sound here is so elsewhere."""
    scheme = UriPattern(_WITHOUT_DEFAULT.sub("x", value), env={}).scheme
    if scheme not in SCHEMES:
        known = f"there are {', '.join(SCHEMES)}, or a plain path"
        raise Misspelt(f"unknown scheme {scheme!r}; {known}", nearest(scheme, SCHEMES))
    return value


def _check_queue(value: str) -> str:
    if not value.startswith(("https://", "http://", "${")):
        raise ValueError(
            f"{value!r} is no URL of an SQS queue, such as https://sqs.eu-west-1.amazonaws.com/123456789012/landing"
        )
    expand_variables(_WITHOUT_DEFAULT.sub("x", value), env={})
    return value


_DIRECTIVES = frozenset("aAbBdfGHIjmMpSuUVwWyYzZ%cxX")


def _check_format(value: str) -> str:
    unknown = [directive for directive in re.findall(r"%(.?)", value, re.DOTALL) if directive not in _DIRECTIVES]
    if unknown:
        raise ValueError(f"strptime knows no %{unknown[0]} ({value!r})")
    if "%" not in value:
        raise Misspelt(f"{value!r} holds no strptime directive such as %Y", _as_directives(value))
    return value


def _as_directives(value: str) -> str | None:
    """``dd.MM.yyyy`` as ``%d.%m.%Y``."""
    written = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
    text = re.sub(
        r"yyyy|yy|MM|dd|HH|mm|ss",
        lambda match: written[match.group()],
        value.replace("YYYY", "yyyy").replace("DD", "dd"),
    )
    return text if text != value else None


def _check_type(value: str) -> str:
    return str(parse_type(value))


def _check_column_path(value: str) -> str:
    path = parse_path(value)
    if path.is_absolute:
        raise ValueError(f"{value!r} starts at the root; a column's path starts at its row (use ../ for ancestors)")
    return path.text


def _check_record_path(value: str) -> str:
    path = parse_path(value)
    if not path.is_absolute:
        raise Misspelt("the record path starts at the document's root, with /", f"/{value}")
    if path.attribute or any(step.predicates for step in path.steps):
        raise ValueError("the record path names elements only, without attributes and predicates")
    return path.text


def _check_total_path(value: str) -> str:
    path = parse_path(value)
    if not path.is_absolute:
        raise Misspelt("the path of a total starts at the document's root, with /", f"/{value}")
    if not path.steps:
        raise ValueError("the path of a total names an element, as in /Batch/@count")
    if any(predicate.steps for step in path.steps for predicate in step.predicates):
        raise ValueError("in the path of a total only an attribute can be compared, as in /Batch/Total[@of='amount']")
    return path.text


def _check_row_path(value: str) -> str:
    path = parse_path(value)
    if path.is_absolute or path.up or path.attribute or not path.steps:
        raise ValueError("`rows` names elements below the parent's row, as in Ntry/NtryDtls")
    return path.text


_TYPES = "|".join(kind for kind in KINDS if kind != "numeric")
_TYPE_SCHEMA = {
    "type": "string",
    "title": "type",
    "pattern": rf"^\s*(?:{_TYPES}|numeric\s*\(\s*\d+\s*(?:,\s*\d+\s*)?\))\s*(?:\[\])?\s*$",
    "patternErrorMessage": f"The types are {', '.join(KNOWN)}, each also as a list with [].",
    "examples": [*(kind for kind in KNOWN if kind != "numeric(p,s)"), "numeric(18,2)", "text[]"],
}

# The titles name what a key takes, in the editor and in the reference.
Identifier = Annotated[str, Field(pattern=IDENTIFIER, title="name")]
Flag = Annotated[bool, Field(strict=True)]
Whole = Annotated[int, Field(strict=True)]
Day = Annotated[dt.date, BeforeValidator(_check_day, json_schema_input_type=dt.date), Field(title="date")]
Zone = Annotated[str, AfterValidator(_check_zone), Field(title="time zone", examples=["Europe/Berlin"])]
Cron = Annotated[str, AfterValidator(_check_cron), Field(title="cron expression", examples=["30 6 * * 1-5", "@hourly"])]
Encoding = Annotated[str, AfterValidator(_check_encoding), Field(title="encoding", examples=list(_ENCODINGS))]
Uri = Annotated[
    str,
    AfterValidator(_check_uri),
    Field(title="URI pattern", examples=["s3://landing/orders/{date:%Y/%m/%d}/*.xml*", "/data/orders/**"]),
]
QueueUrl = Annotated[str, AfterValidator(_check_queue), Field(title="URL")]
TypeName = Annotated[str, AfterValidator(_check_type), WithJsonSchema(_TYPE_SCHEMA)]
RecordPath = Annotated[
    str, AfterValidator(_check_record_path), Field(title="path from the root", examples=["/Orders/Order"])
]
RowPath = Annotated[
    str, AfterValidator(_check_row_path), Field(title="path from the parent's row", examples=["Lines/Line"])
]

TotalPath = Annotated[
    str,
    AfterValidator(_check_total_path),
    Field(title="path of a number", examples=["/Document/FIToFICstmrCdtTrf/GrpHdr/NbOfTxs", "/Batch/Trailer/@sum"]),
]

_Path = Annotated[
    str, Field(title="path", examples=["Total", "Total/@currency", "@id", "../Header/Sent", "Ref[@type='po']"])
]
_Format = Annotated[str, Field(title="format", examples=["%d.%m.%Y", "%Y%m%d", "%Y-%m-%dT%H:%M:%S%z"])]
TimeFormat = Annotated[str, AfterValidator(_check_format)]
ColumnPath = Annotated[str, AfterValidator(_check_column_path)]

# in YAML, each of these is a list or, for a single one, just its text
_Many = str | tuple[str, ...]
_More = str | Annotated[tuple[str, ...], Field(min_length=1)]
_ManyFormats = _Format | tuple[_Format, ...]
_MorePaths = _Path | Annotated[tuple[_Path, ...], Field(min_length=1)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_one_or_many, json_schema_input_type=_Many)]
TextsNotEmpty = Annotated[tuple[str, ...], BeforeValidator(_one_or_more, json_schema_input_type=_More)]
TimeFormats = Annotated[tuple[TimeFormat, ...], BeforeValidator(_one_or_many, json_schema_input_type=_ManyFormats)]
ColumnPaths = Annotated[tuple[ColumnPath, ...], BeforeValidator(_one_or_more, json_schema_input_type=_MorePaths)]
