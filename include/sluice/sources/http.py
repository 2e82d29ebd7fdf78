"""Files at a web address. They are overwritten in place and cannot be listed, so listing fetches and archives them.

The URI is the address (without a password), the version the first 16 hex digits of the content's SHA-256: a page that
did not change is no new file. Bytes are kept by ``WorkFiles.archive`` and read from there.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import shutil
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from typing import BinaryIO
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx

from sluice import __version__
from sluice.errors import SourceChanged, SourceMissing, SourceUnavailable
from sluice.feed.model import slug
from sluice.records import SourceFile
from sluice.sources.pattern import UriPattern
from sluice.sources.stretch import FileStretch
from sluice.workfiles import WorkFiles, open_scratch

_TIMEOUT = httpx.Timeout(60, connect=10)
_HEADERS = {"User-Agent": f"sluice/{__version__}", "Accept-Encoding": "identity"}
_CHUNK_BYTES = 1 << 20
_VERSION_DIGITS = 16
_ABSENT = {httpx.codes.NOT_FOUND, httpx.codes.GONE}

# It logs every request, with the whole address, into the task's log.
logging.getLogger("httpx").setLevel(logging.WARNING)


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
        uri, auth = _split_auth(address)
        with open_scratch() as content:
            headers = _download(uri, auth, content)
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


def _download(uri: str, auth: tuple[str, str] | None, target: BinaryIO) -> httpx.Headers:
    """Writes the content to ``target``; returns the answer's headers."""
    try:
        with httpx.stream("GET", uri, auth=auth, headers=_HEADERS, timeout=_TIMEOUT, follow_redirects=True) as answer:
            if answer.status_code in _ABSENT:
                raise SourceMissing(f"{uri} does not exist (status {answer.status_code})")
            if answer.status_code != httpx.codes.OK:
                raise SourceUnavailable(f"{uri} answered with status {answer.status_code}")
            for chunk in answer.iter_bytes(_CHUNK_BYTES):
                target.write(chunk)
            return answer.headers
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceUnavailable(f"{uri} does not answer properly: {error or type(error).__name__}") from error


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


def _split_auth(address: str) -> tuple[str, tuple[str, str] | None]:
    """``address`` without user and password, which must not get into the ledger and logs, and these."""
    parts = urlsplit(address)
    uri = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return uri, (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
