"""Inputs that something was wrong with once, by their target."""

from __future__ import annotations

FOUND: dict[str, tuple[bytes, ...]] = {
    "splitter": (
        # A name that expat does not know: the reference was wrong.
        b"\0\1 <root/><!DOCTYPE t[<!ENTITY \xef\xbb\xbf ''>]><root><rec/></root>",
        # A byte order mark at the end: the reference was wrong.
        b"\x04@\x01\xef\xbb\xbf<t p=''/><root p=''></root><?e?>\xef\xbb\xbf",
    ),
    "parser": (
        # Two byte order marks and an instruction at the end of a file: the reference was wrong.
        b"\x01\x86<root><rec/></root>\xef\xbb\xbf\xef\xbb\xbf <?end?>",
        # A fault in the middle of a file of which records are kept: a cut one keeps more, as it should.
        b"\x05\0<root><rec x='1'/><rec></a></rec><rec x='2'/></root>",
    ),
    "feeds": (
        # The name of an XSD that is longer than a name of a file can be: it was an error of the system.
        b"xsd: {files: " + b"a" * 300 + b"}",
    ),
}
