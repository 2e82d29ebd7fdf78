"""Files at a web address. They are overwritten in place and cannot be listed, so listing fetches and archives them.

The URI is the address (without a password), the version the first 16 hex digits of the content's SHA-256: a page that
did not change is no new file. Bytes are kept by ``WorkFiles.archive`` and read from there.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import BinaryIO
from urllib.parse import urlsplit, urlunsplit

import requests

from sluice import __version__
from sluice.errors import SourceChanged, SourceMissing, SourceUnavailable
from sluice.feed.model import slug
from sluice.records import SourceFile
from sluice.sources.pattern import UriPattern
from sluice.sources.stretch import FileStretch
from sluice.workfiles import WorkFiles, open_scratch

CONNECT_SECONDS = 10
READ_SECONDS = 60
_CHUNK_BYTES = 1 << 20
_VERSION_DIGITS = 16
_ABSENT = {404, 410}


class HttpSource:
    """Reads what an address answers, and archives it below the feed's archive."""

    def __init__(self, work: WorkFiles, feed: str) -> None:
        self._work = work
        self._feed = feed

    def list_files(self, pattern: UriPattern, dates: Sequence[dt.date]) -> Iterator[SourceFile]:
        """See ``Source.list_files``. Fetches each address once.

        Where a date in the pattern makes several addresses, those that do not exist are left out, unless none does.
        """
        addresses = pattern.globs(dates)
        files, missing = [], []
        for address in addresses:
            try:
                files.append(self._fetch(address, pattern.date_of(address)))
            except SourceMissing as error:
                missing.append(error)
        if missing and not files:
            raise missing[0]
        yield from sorted(files, key=lambda file: file.uri)

    def open(self, file: SourceFile, start: int = 0, end: int | None = None) -> BinaryIO:
        """See ``Source.open``. Reads the archived copy."""
        path = self._archive_path(file.uri, file.version)
        gone = SourceChanged(f"{file.uri}: the archived copy {file.version} is gone or incomplete")
        if not self._work.exists(path):
            raise gone
        last = file.size_bytes if end is None else min(end, file.size_bytes)
        return FileStretch(self._work.open_read(path), start, last, lambda: gone).buffered()

    def _fetch(self, address: str, date: dt.date | None) -> SourceFile:
        uri = _without_password(address)
        with _download(address, uri) as (content, headers):
            digest, size = _measure(content)
            version = digest[:_VERSION_DIGITS]
            self._archive(content, self._archive_path(uri, version))
        return SourceFile(uri, version, size, _modified_at(headers.get("Last-Modified")), date)

    def _archive(self, content: BinaryIO, path: str) -> None:
        if not self._work.exists(path):
            with self._work.open_write(path) as target:
                shutil.copyfileobj(content, target, _CHUNK_BYTES)

    def _archive_path(self, uri: str, version: str) -> str:
        name = slug(urlsplit(uri).path.rpartition("/")[2])[-100:]
        return self._work.archive(self._feed, f"{version}-{name}")


@contextmanager
def _download(address: str, uri: str) -> Iterator[tuple[BinaryIO, requests.structures.CaseInsensitiveDict[str]]]:
    """The whole content in a temporary file, at its start, and the answer's headers."""
    with open_scratch() as content:
        try:
            headers = _get(address, uri, content)
        except requests.RequestException as error:
            raise SourceUnavailable(f"{uri} does not answer properly: {_reason(error)}") from error
        yield content, headers


def _get(address: str, uri: str, target: BinaryIO) -> requests.structures.CaseInsensitiveDict[str]:
    headers = {"User-Agent": f"sluice/{__version__}", "Accept-Encoding": "identity"}
    with requests.get(address, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as answer:
        if answer.status_code in _ABSENT:
            raise SourceMissing(f"{uri} does not exist (status {answer.status_code})")
        if answer.status_code != requests.codes.ok:
            raise SourceUnavailable(f"{uri} answered with status {answer.status_code}")
        for chunk in answer.iter_content(_CHUNK_BYTES):
            target.write(chunk)
        return answer.headers


def _measure(content: BinaryIO) -> tuple[str, int]:
    """SHA-256 in hex and size of ``content``, which is left at its start."""
    content.seek(0)
    digest = hashlib.sha256()
    while chunk := content.read(_CHUNK_BYTES):
        digest.update(chunk)
    size = content.tell()
    content.seek(0)
    return digest.hexdigest(), size


def _modified_at(last_modified: str | None) -> dt.datetime:
    try:
        moment = parsedate_to_datetime(last_modified or "")
    except ValueError:
        return dt.datetime.now(dt.UTC)
    return moment.replace(tzinfo=moment.tzinfo or dt.UTC).astimezone(dt.UTC)


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _reason(error: requests.RequestException) -> str:
    """The kind of failure only: the text of these errors repeats the address with what may be a token."""
    return type(error).__name__
