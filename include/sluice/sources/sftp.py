"""Files on a partner's server, by SFTP.

URIs are ``sftp://host/path`` with the path as it is; who logs in, and where else than at that host's port 22, is said
by the Airflow connection of the source. The version is ``{size}-{mtime in s}``: more the protocol does not tell.
"""

from __future__ import annotations

import datetime as dt
import errno
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

from sluice.errors import SourceChanged, SourceMissing, SourceUnavailable
from sluice.records import SourceFile
from sluice.sources.pattern import UriPattern
from sluice.sources.stretch import BlockStretch, Guarded, shorter
from sluice.sources.walking import Entry, walk

READ_AHEAD_BYTES = 4 << 20
_REQUEST_BYTES = 32 << 10  # what every server gives for one request
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_GONE = (errno.ENOENT, errno.ENOTDIR)


class SftpSource:
    """Reads files of a server. ``make_client`` gives paramiko's SFTPClient; it is asked once, when first needed."""

    def __init__(self, make_client: Callable[[], Any]) -> None:
        self._make_client = make_client
        self._made: Any = None

    def list_files(self, pattern: UriPattern, dates: Sequence[dt.date]) -> Iterator[SourceFile]:
        """See ``Source.list_files``. The literal folder of the pattern must exist; a dated one below may be missing."""
        host, base = _split(pattern.base)
        tree = _Tree(self._client())
        if not tree.is_folder(base or "/"):
            raise SourceMissing(f"folder {base or '/'} does not exist on {host}")
        found: dict[str, SourceFile] = {}
        for glob in pattern.globs(dates):
            for entry in walk(tree, _split(glob)[1]):
                uri = f"sftp://{host}{entry.path}"
                status = entry.status or tree.status(entry.path)
                if uri not in found and status and stat.S_ISREG(status.st_mode or 0) and pattern.matches(uri):
                    found[uri] = _describe(uri, status, pattern.date_of(uri))
        yield from (found[uri] for uri in sorted(found))

    def open(self, file: SourceFile, start: int = 0, end: int | None = None) -> BinaryIO:
        """See ``Source.open``. The version is checked at opening, at the range's end and at closing."""
        size = file.size_bytes
        return _RemoteStretch(self._client(), file, start, size if end is None else min(end, size)).buffered()

    def _client(self) -> Any:
        if self._made is None:
            with _told("the server"):
                self._made = self._make_client()
        return self._made


class _Tree:
    """The server's folders, for ``walking.walk``."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def entries(self, folder: str) -> Iterable[Entry]:
        with _told(folder):
            try:
                found = self._client.listdir_attr(folder)
            except OSError as error:
                if error.errno in _GONE:
                    return []
                raise
        return [self._entry(f"{folder.rstrip('/')}/{status.filename}", status) for status in found]

    def _entry(self, path: str, status: Any) -> Entry:
        is_link = stat.S_ISLNK(status.st_mode or 0)
        meant = self.status(path) if is_link else status
        leads_to_folder = meant is not None and stat.S_ISDIR(meant.st_mode or 0)
        return Entry(path, status.filename, leads_to_folder, is_link, meant)

    def is_folder(self, path: str) -> bool:
        status = self.status(path)
        return status is not None and stat.S_ISDIR(status.st_mode or 0)

    def status(self, path: str) -> Any:
        """What the server says of ``path``, links followed; None where there is nothing."""
        with _told(path):
            try:
                return self._client.stat(path)
            except OSError as error:
                if error.errno in _GONE:
                    return None
                raise


class _RemoteStretch(Guarded, BlockStretch):
    """A range of a remote file."""

    def __init__(self, client: Any, file: SourceFile, start: int, end: int) -> None:
        super().__init__(start, end, READ_AHEAD_BYTES)
        self.file = file
        with _told(file.uri):
            try:
                self._remote = client.open(_split(file.uri)[1], "rb")
            except OSError as error:
                if error.errno in _GONE:
                    raise SourceChanged(f"{file.uri} is gone since it was listed") from error
                raise
        self._begin()

    def _fetch(self, start: int, end: int) -> bytes:
        """Many requests at once: one after the other would wait for the network each time."""
        requests = [(at, min(_REQUEST_BYTES, end - at)) for at in range(start, end, _REQUEST_BYTES)]
        with _told(self.file.uri):
            data = b"".join(self._remote.readv(requests))
        if len(data) != end - start:
            raise shorter(self.file)
        if end == self._start + self._size:
            self._check_version()
        return data

    def _present_version(self) -> str:
        with _told(self.file.uri):
            return _version_of(self._remote.stat())

    def _let_go(self) -> None:
        self._remote.close()


def _describe(uri: str, status: Any, date: dt.date | None) -> SourceFile:
    modified_at = _EPOCH + dt.timedelta(seconds=status.st_mtime or 0)
    return SourceFile(uri, _version_of(status), status.st_size or 0, modified_at, date)


def _version_of(status: Any) -> str:
    return f"{status.st_size}-{status.st_mtime}"


def _split(uri: str) -> tuple[str, str]:
    """Host (with user and port, where the URI has them) and absolute path."""
    host, slash, path = uri.removeprefix("sftp://").partition("/")
    return host, slash + path


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Whatever goes wrong with the connection becomes ``SourceUnavailable``."""
    import paramiko

    try:
        yield
    except (OSError, EOFError, UnicodeError, paramiko.SSHException) as error:
        reason = getattr(error, "strerror", None) or error or type(error).__name__
        raise SourceUnavailable(f"{what} cannot be read by SFTP: {reason}") from error
