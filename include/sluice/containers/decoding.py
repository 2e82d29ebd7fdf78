"""Compression formats, told by content: gzip, bzip2, xz and zstd, each of any number of concatenated frames.

Output is pulled in bounded pieces, whatever the ratio; windows and dictionaries are bounded by ``WINDOW_BYTES``.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import zstandard

from sluice.containers.limits import Meter
from sluice.containers.streams import PIECE_BYTES, Readable, Stream
from sluice.errors import MalformedXML

try:
    from isal import isal_zlib as inflate
    from isal.igzip_lib import IsalError

    # Its type stub takes the class for an instance.
    INFLATE_ERRORS: tuple[type[Exception], ...] = (IsalError, zlib.error)  # type: ignore[assignment]
except ImportError:  # a platform without a wheel: three times slower
    import zlib as inflate  # type: ignore[no-redef]

    INFLATE_ERRORS = (zlib.error,)

WINDOW_BYTES = 128 << 20
_INPUT_BYTES = 64 << 10
# A block of four bytes may stand for 128 KiB, so this bounds what one step can give (8 MiB at worst).
_ZSTD_STEP_BYTES = 256

_GZIP_WBITS = 31
_RAW_WBITS = -15


class Decompressor(Protocol):
    """One frame's state, as the standard library's ``bz2`` and ``lzma`` have it."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Inflate:
    """Deflate in the shape of ``Decompressor``."""

    def __init__(self, wbits: int) -> None:
        self._state = inflate.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._state.eof

    @property
    def needs_input(self) -> bool:
        return not self._state.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._state.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._state.decompress(self._state.unconsumed_tail + data, max_length)


class _Zstd:
    """Zstandard in the shape of ``Decompressor``; may give somewhat more than ``max_length``."""

    def __init__(self) -> None:
        self._state = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES).decompressobj()
        self._waiting = memoryview(b"")

    @property
    def eof(self) -> bool:
        return self._state.eof

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    @property
    def unused_data(self) -> bytes:
        return self._state.unused_data + bytes(self._waiting)

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        self._waiting = memoryview(data) if data else self._waiting
        pieces, size = [], 0
        while self._waiting and not self._state.eof and size < max_length:
            step, self._waiting = self._waiting[:_ZSTD_STEP_BYTES], self._waiting[_ZSTD_STEP_BYTES:]
            pieces.append(self._state.decompress(step))
            size += len(pieces[-1])
        return b"".join(pieces)


@dataclass(frozen=True, slots=True)
class Codec:
    """A compression format; ``errors`` are what its decompressors raise for broken data."""

    name: str
    start: Callable[[], Decompressor]
    errors: tuple[type[Exception], ...]


GZIP = Codec("gzip", lambda: _Inflate(_GZIP_WBITS), INFLATE_ERRORS)
DEFLATE = Codec("deflate", lambda: _Inflate(_RAW_WBITS), INFLATE_ERRORS)
BZIP2 = Codec("bzip2", bz2.BZ2Decompressor, (OSError, ValueError))
XZ = Codec("xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=WINDOW_BYTES), (lzma.LZMAError,))
ZSTD = Codec("zstd", _Zstd, (zstandard.ZstdError,))

_MAGIC = (
    (b"\x1f\x8b\x08", GZIP),
    (b"\xfd7zXZ\x00", XZ),
    (b"\x28\xb5\x2f\xfd", ZSTD),
    *((bytes([low]) + b"\x2a\x4d\x18", ZSTD) for low in range(0x50, 0x60)),  # a skippable frame first
    *((b"BZh%d" % level + magic, BZIP2) for level in range(1, 10) for magic in (b"1AY&SY", b"\x17rE8P\x90")),
)
_UNREAD = (
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x1f\x9d", "compress (.Z) data"),
    (b"\x04\x22\x4d\x18", "LZ4 data"),
    (b"MSCF", "a cabinet archive"),
)

_ALL_MAGICS = tuple(magic for magic, _ in (*_MAGIC, *_UNREAD))


def codec_of(head: bytes) -> Codec | None:
    """The compression format of data that starts with ``head``; ``MalformedXML`` for one that Sluice does not read."""
    if not head.startswith(_ALL_MAGICS):
        return None
    for magic, name in _UNREAD:
        if head.startswith(magic):
            raise MalformedXML("not_xml", f"the content is {name}, which Sluice does not read")
    return next((codec for magic, codec in _MAGIC if head.startswith(magic)), None)


class Decoded(Stream):
    """The decompressed content of another stream.

    Zeros between and after frames are padding; anything else must be a frame.
    """

    def __init__(self, source: Readable, codec: Codec, meter: Meter | None = None) -> None:
        super().__init__(meter)
        self._source = source
        self._codec = codec
        self._frame = codec.start()
        self._rest = b""

    def _pull(self) -> bytes:
        while not self._frame.eof or self._start_frame():
            if piece := self._decompress():
                return piece
        return b""

    def _decompress(self) -> bytes:
        is_hungry = self._frame.needs_input
        data, self._rest = self._rest, b""
        if not data and is_hungry:
            data = self._source.read(_INPUT_BYTES)
        try:
            piece = self._frame.decompress(data, PIECE_BYTES)
        except self._codec.errors as error:
            raise self._broken(error) from error
        if is_hungry and not data and not piece and not self._frame.eof:
            raise MalformedXML("truncated", f"the {self._codec.name} data ends early")
        return piece

    def _start_frame(self) -> bool:
        rest = self._frame.unused_data.lstrip(b"\0")
        while not rest:
            data = self._source.read(_INPUT_BYTES)
            if not data:
                return False
            rest = data.lstrip(b"\0")
        self._frame, self._rest = self._codec.start(), rest
        return True

    def _broken(self, error: Exception) -> MalformedXML:
        if "memory" in str(error).lower():
            needed = f"more than {WINDOW_BYTES >> 20} MiB of memory"
            return MalformedXML("archive_refused", f"the {self._codec.name} data needs {needed}")
        return MalformedXML("archive_broken", f"the {self._codec.name} data is broken: {error}")
