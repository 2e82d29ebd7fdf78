"""A byte range of something that can be read at any place, as a file of its own."""

from __future__ import annotations

import io
import os
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, BinaryIO

from sluice.errors import SourceChanged
from sluice.records import SourceFile

_BUFFER_BYTES = 64 << 10


def changed(file: SourceFile) -> SourceChanged:
    """What is there has another version than the listed file."""
    return SourceChanged(f"{file.uri} was changed after it was listed")


def shorter(file: SourceFile) -> SourceChanged:
    """What is there ends before the listed file does."""
    return SourceChanged(f"{file.uri} became shorter while it was being read")


class Stretch(io.RawIOBase):
    """The bytes ``[start, end)``; positions count from ``start``. Subclasses say how bytes are read."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__()
        self._start = start
        self._size = max(0, end - start)
        self._position = 0

    @abstractmethod
    def _read_at(self, offset: int, buffer: memoryview) -> int:
        """Fill one byte or more of ``buffer`` from ``offset`` of the whole; returns how many.

        ``buffer`` is never empty and never reaches beyond the range.
        """

    def buffered(self) -> BinaryIO:
        return io.BufferedReader(self, _BUFFER_BYTES)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise ValueError(f"cannot seek to {origin + offset}")
        self._position = origin + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")[: max(0, self._size - self._position)]
        if not view:
            return 0
        count = self._read_at(self._start + self._position, view)
        self._position += count
        return count


class BlockStretch(Stretch):
    """Reads in blocks of ``block_bytes``, since each request costs; only the last block is kept."""

    def __init__(self, start: int, end: int, block_bytes: int) -> None:
        super().__init__(start, end)
        self._block_bytes = block_bytes
        self._block, self._block_start = memoryview(b""), start

    @abstractmethod
    def _fetch(self, start: int, end: int) -> bytes:
        """All bytes from ``start`` to ``end`` of the whole, an end that is not beyond that of the range."""

    def _read_at(self, offset: int, buffer: memoryview) -> int:
        if not self._block_start <= offset < self._block_start + len(self._block):
            self._block = memoryview(b"")  # frees the old one before the next is there
            end = min(offset + self._block_bytes, self._start + self._size)
            self._block, self._block_start = memoryview(self._fetch(offset, end)), offset
        data = self._block[offset - self._block_start :][: len(buffer)]
        buffer[: len(data)] = data
        return len(data)


class Guarded(Stretch):
    """Something that must stay as it was listed: its version is checked at opening, at the range's end and at closing.

    Subclasses open it, then call ``_begin``, and ``_check_version`` when they have read up to the end.
    """

    file: SourceFile

    @abstractmethod
    def _present_version(self) -> str:
        """The version of what is open. Raises ``SourceUnavailable``."""

    @abstractmethod
    def _let_go(self) -> None:
        """Close what was opened."""

    def _begin(self) -> None:
        try:
            self._check_version()
        except Exception:
            self._release()
            raise

    def _check_version(self) -> None:
        if self._present_version() != self.file.version:
            raise changed(self.file)

    def _release(self) -> None:
        self._let_go()
        super().close()

    def close(self) -> None:
        if self.closed:
            return
        try:
            self._check_version()
        finally:
            self._release()


class FileStretch(Stretch):
    """A range of a seekable file; ``on_short`` makes the error to raise where the file ends before the range does."""

    def __init__(self, file: BinaryIO, start: int, end: int, on_short: Callable[[], Exception]) -> None:
        super().__init__(start, end)
        self._file = file
        self._on_short = on_short

    def _read_at(self, offset: int, buffer: memoryview) -> int:
        self._file.seek(offset)
        data = self._file.read(len(buffer))
        if not data:
            raise self._on_short()
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
