"""Folders on this machine (or mounted on it).

URIs are ``file://`` and the absolute path as it is, without percent-encoding; only bytes of a name that are no UTF-8
are written as ``%XX``. The version is ``{size}-{mtime in ns}``.
"""

from __future__ import annotations

import datetime as dt
import errno
import io
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from sluice.errors import SourceChanged, SourceMissing, SourceUnavailable
from sluice.records import SourceFile
from sluice.sources.pattern import UriPattern, glob_regex
from sluice.sources.stretch import Guarded, changed, shorter
from sluice.sources.walking import Entry, walk, walk_below

# What is read at opening, at once.
SMALL_BYTES = 64 << 10

_URI_START = "file://"
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class FileSource:
    """Reads files of a folder. Directories, devices and pipes are never listed; links to files are followed."""

    def list_files(self, pattern: UriPattern, dates: Sequence[dt.date]) -> Iterator[SourceFile]:
        """See ``Source.list_files``. The literal folder of the pattern must exist; a dated one below may be missing."""
        base = path_of(pattern.base) or "/"
        if not _is_folder(base):
            raise SourceMissing(f"folder {base} does not exist")
        found: dict[str, SourceFile] = {}
        for glob in pattern.globs(dates):
            for entry in walk(_Folders(), glob.removeprefix(_URI_START)):
                uri = _uri_of(entry.path)
                if uri in found or not pattern.matches(uri):
                    continue
                if file := _describe(uri, entry.path, pattern.date_of(uri)):
                    found[uri] = file
        yield from (found[uri] for uri in sorted(found))

    def open(self, file: SourceFile, start: int = 0, end: int | None = None) -> BinaryIO:
        """See ``Source.open``. The version is checked at opening, at the range's end and at closing; a small range is
        read when it is opened, and checked then.
        """
        path = path_of(file.uri)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            if not _is_folder(path.rpartition("/")[0] or "/"):
                raise SourceUnavailable(f"{file.uri}: its folder is gone") from error
            raise SourceChanged(f"{file.uri} is gone since it was listed") from error
        except OSError as error:
            raise _unavailable(file.uri, error) from error
        end = file.size_bytes if end is None else min(end, file.size_bytes)
        if end - start <= SMALL_BYTES:
            return io.BytesIO(_read_at_once(descriptor, file, start, max(end - start, 0)))
        return _LocalStretch(descriptor, file, start, end).buffered()


def describe_file(path: Path) -> SourceFile:
    """A file that a person names, as a listing would have it. Raises ``SourceMissing``."""
    name = str(path.absolute())
    found = _describe(_uri_of(name), name, None)
    if found is None:
        raise SourceMissing(f"{path} is no file")
    return found


def describe_below(folder: Path) -> list[SourceFile]:
    """The files that ``**`` means in a folder, whatever the name of the folder itself."""
    start, visible = f"{folder.absolute()}/", glob_regex("**")
    paths = [
        entry.path for entry in walk_below(_Folders(), start) if visible.fullmatch(_readable(entry.path[len(start) :]))
    ]
    described = (_describe(_uri_of(path), path, None) for path in sorted(paths))
    return [file for file in described if file is not None]


def _read_at_once(descriptor: int, file: SourceFile, start: int, size: int) -> bytes:
    """A few bytes of a file: there may be thousands of such. Closes ``descriptor``."""
    try:
        data = os.pread(descriptor, size, start)
        while len(data) < size and (more := os.pread(descriptor, size - len(data), start + len(data))):
            data += more
        version = _version_of(os.fstat(descriptor))
    except OSError as error:
        raise _unavailable(file.uri, error) from error
    finally:
        os.close(descriptor)
    if version != file.version:
        raise changed(file)
    if len(data) < size:
        raise shorter(file)
    return data


class _LocalStretch(Guarded):
    """A range of a file on this machine. Owns ``descriptor``."""

    def __init__(self, descriptor: int, file: SourceFile, start: int, end: int) -> None:
        super().__init__(start, end)
        self.file = file
        self._descriptor = descriptor
        self._begin()

    def _read_at(self, offset: int, buffer: memoryview) -> int:
        try:
            count = os.preadv(self._descriptor, [buffer], offset)
        except OSError as error:
            raise _unavailable(self.file.uri, error) from error
        if count == 0:
            raise shorter(self.file)
        if offset + count == self._start + self._size:
            self._check_version()
        return count

    def _present_version(self) -> str:
        try:
            return _version_of(os.fstat(self._descriptor))
        except OSError as error:
            raise _unavailable(self.file.uri, error) from error

    def _let_go(self) -> None:
        os.close(self._descriptor)


class _Folders:
    """The folders of this machine, for ``walking.walk``."""

    def entries(self, folder: str) -> Iterable[Entry]:
        return [
            Entry(entry.path, _readable(entry.name), _leads_to_folder(entry), entry.is_symlink())
            for entry in _entries(folder)
        ]

    def is_folder(self, path: str) -> bool:
        return _is_folder(path)


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    return _is_folder(entry.path) if entry.is_symlink() else entry.is_dir()


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unavailable(folder, error) from error


def _describe(uri: str, path: str, date: dt.date | None) -> SourceFile | None:
    """The listed file; None if it went away meanwhile, or is a pipe or device."""
    status = _status(path)
    if status is None or not stat.S_ISREG(status.st_mode):
        return None
    modified_at = _EPOCH + dt.timedelta(microseconds=status.st_mtime_ns // 1000)
    return SourceFile(uri, _version_of(status), status.st_size, modified_at, date)


def _is_folder(path: str) -> bool:
    status = _status(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _status(path: str) -> os.stat_result | None:
    """What the file system says of ``path``; None if there is nothing, or a link that leads in a circle."""
    try:
        return os.stat(path)  # noqa: PTH116 -- thousands of paths are asked for, and each Path costs more than this
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise _unavailable(path, error) from error


def _version_of(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _readable(name: str) -> str:
    """``name`` with the bytes that are no UTF-8 as ``%XX``: a text that a database can store."""
    return re.sub("[\udc80-\udcff]", lambda found: f"%{ord(found[0]) - 0xDC00:02X}", name)


def _uri_of(path: str) -> str:
    return _URI_START + _readable(path)


def path_of(uri: str) -> str:
    """The path that a ``file://`` URI stands for."""
    path = uri.removeprefix(_URI_START)
    if "%" not in path or _status(path) is not None:
        return path
    undecoded = unquote(path, errors="surrogateescape")
    return undecoded if _status(undecoded) is not None else path


def _unavailable(what: str, error: OSError) -> SourceUnavailable:
    return SourceUnavailable(f"{what} cannot be read: {error.strerror or error}")
