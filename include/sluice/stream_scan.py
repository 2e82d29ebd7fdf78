"""The scanner on its way through a stream, as far as the bytes are at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sluice import scanner
from sluice.scanner import PathTable
from sluice.stream_buffer import StreamBuffer

_NO_EVENTS = np.empty((0, 4), np.int64)


class StreamScan:
    """Scans what stands in the buffer, from where it stopped the last time. The buffer may let go of bytes in between,
    as long as they were scanned.
    """

    def __init__(self, paths: PathTable, buffer: StreamBuffer) -> None:
        self._paths, self._buffer = paths, buffer
        self._events = _NO_EVENTS
        self.restart()

    def restart(self, names: Sequence[bytes] = ()) -> None:
        """Begin where the buffer begins: before a document, or between two records, in ancestors of these names."""
        self._state, self._stack = self._paths.new_state(names)
        self._index, self._begin = 0, self._buffer.begin

    def events(self) -> Iterator[np.ndarray]:
        """What there is to tell, table by table, with places in the stream; a table is valid until the next is asked
        for. Whoever restarts the scan asks for no more.
        """
        if not len(self._events):
            self._events = np.empty((scanner.EVENT_CAPACITY, 4), np.int64)
        count = -1
        while count:
            self._follow_buffer()
            view = np.frombuffer(self._buffer.data, np.uint8)
            self._index, count = scanner.scan(self._paths, view, self._index, self._state, self._stack, self._events)
            found = self._events[:count]
            found[:, 1:3] += self._begin
            yield found

    def _follow_buffer(self) -> None:
        """The state counts from where the buffer begins, or began."""
        moved = self._buffer.begin - self._begin
        if moved:
            self._index -= moved
            self._state[scanner.LAST_CHILD_END] = max(int(self._state[scanner.LAST_CHILD_END]) - moved, -1)
            self._begin = self._buffer.begin

    @property
    def place(self) -> int:
        """Where in the stream it has come."""
        return self._begin + self._index

    @property
    def has_failed(self) -> bool:
        """Whether it has met what cannot stand there, at ``place``."""
        return bool(self._state[scanner.ERROR])

    @property
    def is_outside(self) -> bool:
        """Whether it stands before, between or behind documents, and in nothing that is not closed yet."""
        return bool(self._state[scanner.MODE] == scanner.OUTSIDE)

    @property
    def is_in_content(self) -> bool:
        """Whether it stands in an element, and in no comment or the like."""
        return bool(self._state[scanner.MODE] == scanner.CONTENT)

    @property
    def last_child_end(self) -> int | None:
        """The place where the last child of the innermost open ancestor has ended, if it has not been let go of."""
        self._follow_buffer()
        index = int(self._state[scanner.LAST_CHILD_END])
        return self._begin + index if index > 0 else None

    def release(self) -> None:
        """Let go of what takes memory."""
        self._events = _NO_EVENTS
