"""Files at a web address. They are overwritten in place and cannot be listed, so listing fetches and archives them.

The URI is the address (without a password), the version the first 16 hex digits of the content's SHA-256: a page that
did not change is no new file. Bytes are kept by ``WorkFiles.archive`` and read from there.

What a ``WebAccess`` or the address itself shows to be let in goes to that address' own origin only, wherever it
redirects.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import shutil
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import BinaryIO
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx

from sluice import __version__
from sluice.errors import PermanentError, SourceChanged, SourceMissing, SourceUnavailable
from sluice.feed.model import slug
from sluice.records import SourceFile
from sluice.sources.pattern import UriPattern
from sluice.sources.stretch import FileStretch
from sluice.workfiles import WorkFiles, open_scratch

_TIMEOUT = httpx.Timeout(60, connect=10)
_HEADERS = {"User-Agent": f"sluice/{__version__}", "Accept-Encoding": "identity"}
_CHUNK_BYTES = 1 << 20
_VERSION_DIGITS = 16
_MAX_REDIRECTS = 10
_ABSENT = {httpx.codes.NOT_FOUND, httpx.codes.GONE}

# It logs every request, with the whole address, into the task's log.
logging.getLogger("httpx").setLevel(logging.WARNING)


@dataclass(frozen=True)
class WebAccess:
    """What a server asks for before it answers: a user with a password, headers, certificates.

    ``host`` is the server that all this is meant for, '' for that of the feed's addresses, whichever it is. ``verify``
    may be False, or the path of a CA bundle; ``certificate`` is the path of the client's own, or the paths of that and
    of its key; ``proxy`` the URL of a proxy.
    """

    host: str = ""
    login: tuple[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    verify: bool | str = True
    certificate: str | tuple[str, str] | None = None
    proxy: str | None = None
    is_encrypted: bool = False  # the connection is for https: nothing of it is shown in clear text

    def client(self) -> httpx.Client:
        """A client without anything of ``login`` and ``headers``."""
        context = self.verify if isinstance(self.verify, bool) else ssl.create_default_context(cafile=self.verify)
        return httpx.Client(headers=_HEADERS, timeout=_TIMEOUT, verify=context, cert=self.certificate, proxy=self.proxy)


class HttpSource:
    """Reads what an address answers, and archives it below the feed's archive."""

    def __init__(self, work: WorkFiles, feed: str, access: Callable[[], WebAccess] = WebAccess) -> None:
        self._work = work
        self._feed = feed
        self._access = access

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
        uri, login = _split_login(address)
        with open_scratch() as content:
            headers = _download(uri, login, self._access(), content)
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


def _download(uri: str, login: tuple[str, str] | None, access: WebAccess, target: BinaryIO) -> httpx.Headers:
    """Writes the content to ``target``; returns the answer's headers. ``login`` goes before that of ``access``."""
    if access.host and access.host != urlsplit(uri).hostname:
        raise PermanentError(f"{uri} is not at {access.host}, the only host that its connection is for")
    if access.is_encrypted and urlsplit(uri).scheme != "https":
        raise PermanentError(f"{uri} is not encrypted, and its connection is for https")
    try:
        with access.client() as client, _follow(client, uri, login or access.login, access.headers) as answer:
            if answer.status_code in _ABSENT:
                raise SourceMissing(f"{uri} does not exist (status {answer.status_code})")
            if answer.status_code != httpx.codes.OK:
                raise SourceUnavailable(f"{uri} answered with status {answer.status_code}")
            for chunk in answer.iter_bytes(_CHUNK_BYTES):
                target.write(chunk)
            return answer.headers
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceUnavailable(f"{uri} does not answer properly: {error or type(error).__name__}") from error


@contextmanager
def _follow(
    client: httpx.Client, uri: str, login: tuple[str, str] | None, headers: Mapping[str, str]
) -> Iterator[httpx.Response]:
    """The answer at the end of all redirects. httpx would take headers along to other servers."""
    home = httpx.URL(uri)
    address = home
    for _ in range(_MAX_REDIRECTS + 1):
        is_home = _origin(address) == _origin(home)
        with client.stream(
            "GET", address, headers=headers if is_home else None, auth=(login if is_home else None)
        ) as answer:
            if answer.next_request is None:
                yield answer
                return
            address = answer.next_request.url
    raise SourceUnavailable(f"{uri} redirects more than {_MAX_REDIRECTS} times")


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


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


def _split_login(address: str) -> tuple[str, tuple[str, str] | None]:
    """``address`` without user and password, which must not get into the ledger and logs, and these."""
    parts = urlsplit(address)
    uri = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return uri, (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
