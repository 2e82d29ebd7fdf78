"""Streams that are read forward in bounded memory: the shape they share, and a limited stretch of another one."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import Any, Protocol

from sluice.containers.limits import Meter
from sluice.errors import MalformedXML

# Bytes are always made in pieces of this size, so that what is good before a fault does not depend on how it is read.
PIECE_BYTES = 128 << 10


class Readable(Protocol):
    """What streams read from: a buffered file or another stream."""

    def read(self, size: int = ..., /) -> bytes: ...

    def seekable(self) -> bool: ...

    def seek(self, offset: int, whence: int = ..., /) -> int: ...


class Peekable(Readable, Protocol):
    """What may be looked into before it is known what it is."""

    def peek(self, size: int = ..., /) -> bytes: ...


class Stream(io.RawIOBase):
    """A forward stream. ``read`` gives as much as was asked for, less only at the end or right before a fault.

    A fault is raised by the read after the one that gave the last good bytes, so that nothing before it is lost.
    ``meter`` counts what is decoded.
    """

    def __init__(self, meter: Meter | None = None) -> None:
        super().__init__()
        self._meter = meter
        self._ahead = memoryview(b"")
        self._fault: Exception | None = None

    @abstractmethod
    def _pull(self) -> bytes:
        """The next bytes, about ``PIECE_BYTES`` of them, at least one; none at the end. Raises ``MalformedXML``."""

    def readable(self) -> bool:
        return True

    def peek(self, size: int = 1) -> bytes:
        """The next ``size`` bytes without moving; fewer at the end or before a fault, which is left to ``read``."""
        while len(self._ahead) < size and (piece := self._pull_or_hold()):
            self._ahead = memoryview(bytes(self._ahead) + piece)
        return bytes(self._ahead[:size])

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return self.readall()
        pieces: list[bytes | memoryview] = []
        while size > 0 and (piece := self._next_piece(size, is_first=not pieces)):
            pieces.append(piece)
            size -= len(piece)
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: Any) -> int:
        data = self.read(memoryview(buffer).nbytes)
        memoryview(buffer).cast("B")[: len(data)] = data
        return len(data)

    def _next_piece(self, size: int, *, is_first: bool) -> bytes | memoryview:
        if not self._ahead:
            if self._fault and not is_first:
                return b""
            piece = self._pull_or_hold()
            if not piece and self._fault and is_first:
                raise self._fault
            if len(piece) <= size:
                return piece
            self._ahead = memoryview(piece)
        piece_of, self._ahead = self._ahead[:size], self._ahead[size:]
        return piece_of

    def _pull_or_hold(self) -> bytes:
        """Pulls, counts, and keeps a fault for later."""
        if self._fault:
            return b""
        try:
            piece = self._pull()
            if self._meter:
                self._meter.add_decoded(len(piece))
        except Exception as error:  # noqa: BLE001 - nothing is swallowed: the next read raises it
            self._fault = error
            return b""
        return piece


class Unreadable(Stream):
    """The content of what must not or cannot be read: the first read raises ``error``."""

    def __init__(self, error: MalformedXML) -> None:
        super().__init__()
        self._error = error

    def _pull(self) -> bytes:
        raise self._error


class Slice(Stream):
    """The next ``length`` bytes of another stream, or those from ``start`` of a seekable one."""

    def __init__(self, source: Readable, length: int, start: int | None = None, meter: Meter | None = None) -> None:
        super().__init__(meter)
        self._source = source
        self._start = start
        self.left = length

    def _pull(self) -> bytes:
        if self._start is not None:
            self._source.seek(self._start)
            self._start = None
        piece = self._source.read(min(PIECE_BYTES, self.left))
        self.left -= len(piece)
        if not piece and self.left:
            raise MalformedXML("truncated", f"the archive ends {self.left} bytes before its member does")
        return piece
