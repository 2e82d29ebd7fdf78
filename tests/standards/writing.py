"""What the samples are written with: elements and texts as XML, and files that are the same whenever they are made.

The samples in the repository are what ``make_samples.py`` of each standard has written::

    python -m tests.standards.write_samples
"""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

Samples = dict[str, bytes]
"""File name below the folder of samples to its content."""


class Markup(str):
    """XML as it stands: an entity, a CDATA section, a mark within a text."""


@dataclass(frozen=True)
class Line:
    """A comment or an instruction that stands between elements."""

    xml: str


@dataclass(frozen=True)
class Node:
    tag: str
    attributes: Mapping[str, str]
    content: Sequence[Node | Line | str]

    def render(self, indent: str = "  ", level: int = 0) -> str:
        """The element as XML; without ``indent``, all on one line. What holds a text is never broken."""
        start = self.tag + "".join(f" {name}={quoteattr(value)}" for name, value in self.attributes.items())
        if not self.content:
            return f"<{start}/>"
        is_text = any(isinstance(item, str) for item in self.content)
        inner = [_render(item, "" if is_text else indent, level + 1) for item in self.content]
        if is_text or not indent:
            return f"<{start}>{''.join(inner)}</{self.tag}>"
        lines = "".join(f"\n{indent * (level + 1)}{item}" for item in inner)
        return f"<{start}>{lines}\n{indent * level}</{self.tag}>"


def _render(item: Node | Line | str, indent: str, level: int) -> str:
    if isinstance(item, Node):
        return item.render(indent, level)
    if isinstance(item, Line):
        return item.xml
    return item if isinstance(item, Markup) else escape(item)


def node(
    tag: str, *content: Node | Line | str | int | None, at: Mapping[str, str] | None = None, **attributes: object
) -> Node:
    """An element; content that is None is left out, and so is an attribute. ``at`` is for names with other signs."""
    kept = [str(item) if isinstance(item, int) else item for item in content if item is not None]
    named = {**(at or {}), **{name: str(value) for name, value in attributes.items() if value is not None}}
    return Node(tag, named, kept)


def document(root: Node, before: str = "", indent: str = "  ", encoding: str = "UTF-8", end: str = "\n") -> bytes:
    """The root as a document with its declaration; ``before`` stands between the two."""
    declared = f'<?xml version="1.0" encoding="{encoding}"?>\n'
    return f"{declared}{before}{root.render(indent)}{end}".encode(encoding)


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)


def zipped(members: Mapping[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return sink.getvalue()


def write_files(folder: Path, files: Samples) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
