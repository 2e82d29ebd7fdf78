"""A byte range of something that can be read at any place, as a file of its own."""

from __future__ import annotations

import io
import os
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, BinaryIO

_BUFFER_BYTES = 64 << 10


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
