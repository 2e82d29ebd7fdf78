"""Which files a feed is drafted from and tried on."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from sluice.errors import PermanentError, SourceMissing
from sluice.feed.model import Feed
from sluice.records import LedgerFile, SourceFile
from sluice.sources import Clients, PatternInvalid, UriPattern, source_for
from sluice.sources.files import describe_below, describe_file
from sluice.workfiles import WorkFiles

SAMPLES = "samples"
_NO_DATES: Sequence[dt.date] = ()


class SamplesMissing(PermanentError):
    """A path that was given leads to no file that can be tried."""


def own_samples(feed: Feed) -> list[str]:
    """The feed's own samples, as ``find_samples`` takes them: its folder ``samples``, if there is one."""
    folder = feed.folder / SAMPLES
    return [str(folder)] if folder.is_dir() else []


def find_samples(feed: Feed, paths: Sequence[str], clients: Clients | None = None) -> list[LedgerFile]:
    """The files that ``paths`` lead to, as ``list_samples`` has them, numbered from 1, with their dates."""
    date_of = _date_reader(feed)
    return [
        LedgerFile(number, file.uri, file.version, file.size_bytes, file.modified_at, date_of(file.uri))
        for number, file in enumerate(list_samples(paths, clients), start=1)
    ]


def list_samples(paths: Sequence[str], clients: Clients | None = None) -> list[SourceFile]:
    """The files that ``paths`` lead to, each once, in the order in which a run takes them.

    A path is a file whatever its name, a folder (all that ``**`` means in it), or a pattern as in ``source: {uri: …}``.
    Raises ``SamplesMissing`` for one that leads to nothing.
    """
    found: dict[str, SourceFile] = {}
    for path in paths:
        listed = _list(path, clients or Clients())
        if not listed:
            raise SamplesMissing(f"{path}: there is no such file")
        found |= {file.uri: file for file in listed}
    return sorted(found.values(), key=lambda file: file.uri.encode())


def _list(path: str, clients: Clients) -> list[SourceFile]:
    here = Path(os.path.normpath(Path(path).absolute()))
    if here.is_file():
        return [describe_file(here)]
    if here.is_dir():
        return describe_below(here)
    try:
        pattern = UriPattern(path)
    except PatternInvalid as error:
        raise SamplesMissing(str(error)) from error
    if pattern.scheme in ("http", "https"):
        raise SamplesMissing(f"{path}: samples are not read from the web; download the file first")
    if pattern.has_date:
        raise SamplesMissing(f"{path}: samples are of no run, which would have a date; write * in its place")
    try:
        source = source_for(pattern.text, clients, WorkFiles(os.devnull), SAMPLES)
        return list(source.list_files(pattern, _NO_DATES))
    except SourceMissing as error:
        raise SamplesMissing(f"{path}: {error}") from error


def _date_reader(feed: Feed) -> Callable[[str], dt.date | None]:
    """Reads the date of a file as a run would; samples mostly lie elsewhere, and have none."""
    try:
        return UriPattern(feed.source.uri).date_of
    except PatternInvalid:  # a variable that is not set here
        return lambda uri: None
