"""How much an archive or a compressed file may hold, and the bookkeeping that enforces it while it is read."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import Any, BinaryIO

from sluice.errors import MalformedXML

# Small files may compress extremely well without harm, so that the ratio is not judged before this much was decoded.
RATIO_FLOOR_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Quotas:
    """Limits on one file, its members together. ``max_ratio`` is decoded by compressed bytes.

    With ``max_nesting`` 1 the members of an archive may be compressed, but not archives themselves.
    """

    max_members: int = 100_000
    max_decoded_bytes: int = 1 << 40
    max_ratio: int = 1000
    max_nesting: int = 1


class Counted(io.RawIOBase):
    """The raw file, counting what is read of it. Does not close it."""

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__()
        self._raw = raw
        self.size = raw.seek(0, os.SEEK_END)
        self.consumed = 0
        raw.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._raw.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._raw.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view) and (data := self._raw.read(len(view) - done)):
            view[done : done + len(data)] = data
            done += len(data)
        self.consumed += done
        return done


class Meter:
    """Counts what one file decodes to, and raises ``MalformedXML`` when a quota is passed."""

    def __init__(self, quotas: Quotas, raw: Counted) -> None:
        self.quotas = quotas
        self._raw = raw
        self._members = 0
        self._decoded = 0

    def add_members(self, count: int) -> None:
        self.expect_members(count)
        self._members += count

    def expect_members(self, count: int) -> None:
        if self._members + count > self.quotas.max_members:
            raise self._passed("archive_refused", "the archive has more members than", "max_members")

    def add_decoded(self, count: int) -> None:
        """Count decoded bytes. Bytes that are read again and again (members may overlap) count once as compressed."""
        self._decoded += count
        if self._decoded > self.quotas.max_decoded_bytes:
            raise self._passed("too_large", "the content decodes to more bytes than", "max_decoded_bytes")
        compressed = max(1, min(self._raw.consumed, self._raw.size))
        if self._decoded > RATIO_FLOOR_BYTES and self._decoded > self.quotas.max_ratio * compressed:
            raise self._passed("archive_refused", "the content grows to more times its size than", "max_ratio")

    def _passed(self, code: str, what: str, quota: str) -> MalformedXML:
        return MalformedXML(code, f"{what} quotas.{quota} ({getattr(self.quotas, quota)})")
