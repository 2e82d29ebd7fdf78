"""Finds where records begin and end in a stream of XML bytes, at about a gigabyte a second.

The scanner knows just enough XML to be exact on well-formed input: tags (with quoted attribute values), comments, CDATA
sections, processing instructions, document type declarations, and several documents one after another. It does not
prove well-formedness; whoever uses its cuts parses each piece with a real parser, and that parse is the proof.

Input is UTF-8 (``charsets.Utf8Stream`` sees to it): every byte below 0x80 is then a character of its own.

``scan`` is compiled by Numba once per machine and cached. It is resumable: all of its state is in ``state`` and
``stack``, so that a stream may be handed over in chunks of any size.
"""

from __future__ import annotations

from sluice.scanner.events import (
    ANCESTOR_END,
    ANCESTOR_START,
    CONTENT,
    DECLARATION,
    DOCUMENT_END,
    ERROR,
    EVENT_CAPACITY,
    LAST_CHILD_END,
    MODE,
    OUTSIDE,
    RECORD_END,
    RECORD_START,
    ROOT_START,
    STRAY_END_TAG,
    STRAY_TEXT,
)
from sluice.scanner.loop import scan
from sluice.scanner.paths import PathTable

__all__ = [
    "ANCESTOR_END", "ANCESTOR_START", "CONTENT", "DECLARATION", "DOCUMENT_END", "ERROR", "EVENT_CAPACITY",
    "LAST_CHILD_END", "MODE", "OUTSIDE", "RECORD_END", "RECORD_START", "ROOT_START", "STRAY_END_TAG", "STRAY_TEXT",
    "PathTable", "scan",
]  # fmt: skip
