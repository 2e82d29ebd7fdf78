"""The bytes of a stream that are at hand: places count from the stream's beginning, whatever was let go of since."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sluice.compiled.looks import count_line_feeds

_TAG_NAME = re.compile(rb"<([^\s/>]+)")


@dataclass(slots=True)
class StreamBuffer:
    """``data`` begins at the place ``begin``, in line ``line``."""

    begin: int
    line: int
    data: bytes = b""

    def __len__(self) -> int:
        return len(self.data)

    @property
    def end(self) -> int:
        return self.begin + len(self.data)

    def slice(self, start: int, end: int) -> bytes:
        return self.data[start - self.begin : end - self.begin]

    def line_of(self, place: int | None) -> int:
        """The line at a place; at the end for None."""
        return self.line + self.data.count(b"\n", 0, None if place is None else place - self.begin)

    def drop_until(self, place: int) -> int:
        """Let go of what stands before ``place``; returns how many bytes, 0 where it is gone already."""
        size = place - self.begin
        if size <= 0:
            return 0
        self.line += count_line_feeds(self.data, min(size, len(self.data)))
        self.data = self.data[size:]
        self.begin = place
        return size

    def name_at(self, start: int) -> bytes:
        """The name in the start tag there."""
        match = _TAG_NAME.match(self.data, start - self.begin)
        return match.group(1) if match else b""

    def tag_at(self, start: int) -> bytes:
        """How the start tag there begins: its name, and what stands behind it."""
        index = start - self.begin
        return self.data[index : index + len(self.name_at(start)) + 2]
