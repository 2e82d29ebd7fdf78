"""The XSD files of a draft: those that are given, and all that they refer to, found on this machine only.

A reference is resolved by its relative address where that leads below a folder of a given file; else by the file's name
or, for imports, by the namespace, among all ``*.xsd`` in these folders. Of namespaces that all XML shares, a few lines
written for Sluice stand in for files that are not there. Nothing is ever asked of the web.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sluice import xmlio
from sluice.errors import PermanentError
from sluice.xmlio import XS, Element

XML = "http://www.w3.org/XML/1998/namespace"
XLINK = "http://www.w3.org/1999/xlink"
MAX_FILES = 5_000
MAX_FILE_BYTES = 64 << 20
MAX_BYTES = 256 << 20
_REFERENCES = tuple(f"{XS}{kind}" for kind in ("import", "include", "redefine", "override"))


BUILT_IN = {
    XML: (
        "xml.xsd",
        b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/XML/1998/namespace">
  <xs:attribute name="lang" type="xs:string"/>
  <xs:attribute name="space" type="xs:NCName"/>
  <xs:attribute name="base" type="xs:anyURI"/>
  <xs:attribute name="id" type="xs:ID"/>
  <xs:attributeGroup name="specialAttrs">
    <xs:attribute ref="xml:base"/>
    <xs:attribute ref="xml:lang"/>
    <xs:attribute ref="xml:space"/>
    <xs:attribute ref="xml:id"/>
  </xs:attributeGroup>
</xs:schema>
""",
    ),
    XLINK: (
        "xlink.xsd",
        b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/1999/xlink">
  <xs:attribute name="type" type="xs:string"/>
  <xs:attribute name="href" type="xs:anyURI"/>
  <xs:attribute name="role" type="xs:anyURI"/>
  <xs:attribute name="arcrole" type="xs:anyURI"/>
  <xs:attribute name="title" type="xs:string"/>
  <xs:attribute name="show" type="xs:string"/>
  <xs:attribute name="actuate" type="xs:string"/>
  <xs:attribute name="label" type="xs:NCName"/>
  <xs:attribute name="from" type="xs:NCName"/>
  <xs:attribute name="to" type="xs:NCName"/>
</xs:schema>
""",
    ),
}
"""By namespace: the file name and text of the stand-in."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """An import, include, redefine or override, and the file that it leads to; None where there is none."""

    node: Element
    kind: str
    namespace: str
    target: SchemaFile | None


@dataclass(slots=True, eq=False)
class SchemaFile:
    """A parsed XSD file. ``path`` is None for a stand-in."""

    name: str
    path: Path | None
    root: Element
    references: list[Reference] = field(default_factory=list)

    @property
    def namespace(self) -> str:
        return str(self.root.get("targetNamespace", ""))


@dataclass(frozen=True, slots=True)
class SchemaFiles:
    """``given`` first, then what they lead to. ``missing`` tells the references that lead nowhere."""

    given: tuple[SchemaFile, ...]
    files: tuple[SchemaFile, ...]
    missing: tuple[str, ...]


def list_schemas(given: Iterable[Path]) -> list[Path]:
    """The files that are meant by files and folders (with all XSDs below them); raises where there is none."""
    found: dict[Path, None] = {}
    for path in given:
        matches = sorted(_below(path)) if path.is_dir() else [path] if path.is_file() else []
        if not matches:
            raise PermanentError(f"there is no XSD {str(path)!r}")
        found |= dict.fromkeys(match.absolute() for match in matches)
    return list(found)


def read_schema_files(given: Sequence[Path]) -> SchemaFiles:
    """Read the files and all that they refer to; raises ``PermanentError`` where one cannot be read."""
    reading = _Reading(given)
    own = tuple(reading.open(path) for path in given)
    reading.follow()
    return SchemaFiles(own, tuple(reading.by_path.values()), tuple(reading.missing))


def _below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*.xsd") if path.is_file())


class _Reading:
    """The files read so far."""

    def __init__(self, given: Sequence[Path]) -> None:
        self._folders = list(dict.fromkeys(path.parent.resolve() for path in given))
        self.by_path: dict[Path | str, SchemaFile] = {}
        self.missing: dict[str, None] = {}
        self._waiting: deque[SchemaFile] = deque()
        self._bytes = 0

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        """All XSDs in the folders of the given ones: those beside them first."""
        found: dict[str, dict[Path, None]] = {}
        for folder in self._folders:
            for path in (*sorted(folder.glob("*.xsd")), *sorted(_below(folder))):
                found.setdefault(path.name, {})[path.resolve()] = None
                if len(found) > 4 * MAX_FILES:
                    raise PermanentError(f"{folder} holds more than {4 * MAX_FILES:,} XSD files; give a smaller folder")
        return {name: list(paths) for name, paths in found.items()}

    @cached_property
    def _by_namespace(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for paths in self._by_name.values():
            for path in paths:
                if (namespace := xmlio.peek_schema_namespace(path)) is not None:
                    found.setdefault(namespace, path)
        return found

    def open(self, path: Path) -> SchemaFile:
        path = path.resolve()
        known = self.by_path.get(path)
        if known is None:
            known = self._add(path, SchemaFile(path.name, path, self._parse(path)))
        return known

    def _parse(self, path: Path) -> Element:
        try:
            size = path.stat().st_size
        except OSError as error:
            raise PermanentError(f"XSD {path.name}: {error.strerror or error}") from error
        self._bytes += size
        if size > MAX_FILE_BYTES or self._bytes > MAX_BYTES:
            raise PermanentError(
                f"XSD {path.name}: more than {MAX_FILE_BYTES >> 20} MB in it, or {MAX_BYTES >> 20} in all"
            )
        return xmlio.parse_schema_file(path)

    def _add(self, key: Path | str, file: SchemaFile) -> SchemaFile:
        if len(self.by_path) >= MAX_FILES:
            raise PermanentError(f"XSD {file.name}: the schema has more than {MAX_FILES:,} files")
        self.by_path[key] = file
        self._waiting.append(file)
        return file

    def follow(self) -> None:
        """Open what the files refer to, until nothing new comes."""
        while self._waiting:
            file = self._waiting.popleft()
            for node in file.root.iterchildren(*_REFERENCES):
                kind = node.tag.removeprefix(XS)
                namespace = (node.get("namespace") or "") if kind == "import" else file.namespace
                target = self._find(file, node.get("schemaLocation"), namespace, is_import=kind == "import")
                file.references.append(Reference(node, kind, namespace, target))
                if target is None:
                    self._note_missing(file, node, kind, namespace)

    def _note_missing(self, file: SchemaFile, node: Element, kind: str, namespace: str) -> None:
        wanted = node.get("schemaLocation") or f"the namespace {namespace!r}"
        self.missing[f"{file.name}:{node.sourceline}: {kind} of {wanted}: no such file beside the given ones"] = None

    def _find(self, file: SchemaFile, location: str | None, namespace: str, *, is_import: bool) -> SchemaFile | None:
        if location and file.path is not None:
            path = self._relative(file.path, location) or self._named(location)
            if path is not None:
                return self.open(path)
        if not is_import:
            return None
        if (path := self._by_namespace.get(namespace)) is not None and path != file.path:
            return self.open(path)
        return self._stand_in(namespace)

    def _relative(self, origin: Path, location: str) -> Path | None:
        """Only what lies below a folder of the given files, whatever the address climbs over."""
        if "://" in location or "\0" in location:
            return None
        try:
            path = Path(os.path.normpath(origin.parent / location)).resolve()
            is_file = path.is_file()
        except (OSError, ValueError):
            return None
        return path if is_file and any(path.is_relative_to(folder) for folder in self._folders) else None

    def _named(self, location: str) -> Path | None:
        return next(iter(self._by_name.get(location.replace("\\", "/").rsplit("/", 1)[-1], ())), None)

    def _stand_in(self, namespace: str) -> SchemaFile | None:
        if namespace not in BUILT_IN:
            return None
        name, text = BUILT_IN[namespace]
        known = self.by_path.get(namespace)
        return known or self._add(namespace, SchemaFile(name, None, xmlio.parse_document(text)))
