"""Inputs that something was wrong with once, by their target."""

from __future__ import annotations

FOUND: dict[str, tuple[bytes, ...]] = {
    "splitter": (
        # A name that expat does not know: the reference was wrong.
        b"\0\1 <root/><!DOCTYPE t[<!ENTITY \xef\xbb\xbf ''>]><root><rec/></root>",
    ),
    "parser": (
        # Two byte order marks and an instruction at the end of a file: the reference was wrong.
        b"\x01\x86<root><rec/></root>\xef\xbb\xbf\xef\xbb\xbf <?end?>",
    ),
    "feeds": (),
}
