"""The floor: libxml2's own SAX pass over a file, every handler null, nothing kept."""

from __future__ import annotations

import ctypes
import time
from pathlib import Path
from typing import Any

_CHUNK_BYTES = 64 << 10
_XML_PARSE_HUGE = 1 << 19
# struct _xmlSAXHandler: 27 functions, then `initialized`, which says that it is one of SAX2
_HANDLER_BYTES = 512
_INITIALIZED_AT = 27 * ctypes.sizeof(ctypes.c_void_p)
_SAX2_MAGIC = 0xDEEDBEAF


def measure(path: str) -> dict[str, Any]:
    """CPU and wall seconds of one pass over ``path``. Raises ValueError if libxml2 finds a fault in it."""
    library = _libxml2()
    handler = (ctypes.c_char * _HANDLER_BYTES)()
    ctypes.c_uint.from_buffer(handler, _INITIALIZED_AT).value = _SAX2_MAGIC
    with Path(path).open("rb", buffering=0) as file:
        cpu, wall, size = time.process_time(), time.perf_counter(), 0
        context = library.xmlCreatePushParserCtxt(handler, None, None, 0, None)
        library.xmlCtxtUseOptions(context, _XML_PARSE_HUGE)
        while chunk := file.read(_CHUNK_BYTES):
            size += len(chunk)
            _check(library.xmlParseChunk(context, chunk, len(chunk), 0), size)
        _check(library.xmlParseChunk(context, b"", 0, 1), size)
        library.xmlFreeParserCtxt(context)
        return {"mb": size / 1e6, "cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def _libxml2() -> Any:
    """The libxml2 that lxml brings: the one that Sluice's reference tier uses."""
    from lxml import etree

    library = ctypes.PyDLL(etree.__file__)
    library.xmlCreatePushParserCtxt.restype = ctypes.c_void_p
    library.xmlCreatePushParserCtxt.argtypes = [
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p,
    ]  # fmt: skip
    library.xmlParseChunk.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    library.xmlCtxtUseOptions.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.xmlFreeParserCtxt.argtypes = [ctypes.c_void_p]
    return library


def _check(error: int, size: int) -> None:
    if error:
        raise ValueError(f"libxml2 stopped with error {error} in the first {size} bytes")
