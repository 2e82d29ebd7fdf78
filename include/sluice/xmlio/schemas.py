"""XSDs: those that the records of a feed must fit, and single files of which something is looked up."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import cast

from lxml import etree

from sluice.errors import PermanentError
from sluice.xmlio.documents import Element, NothingOutside

XS = "{http://www.w3.org/2001/XMLSchema}"
_FEED_BYTES = 64 << 10


class Schemas:
    """The XSDs of a feed; which one applies is decided by the namespace of the document's root.

    Imports and includes are resolved among the XSD files of the feed's folder only: by file name, else by the namespace
    that they declare. Raises ``PermanentError`` where one is missing or a schema is wrong.
    """

    def __init__(self, folder: Path, files: Iterable[str]) -> None:
        self._files = [folder / name for name in files]

    @cached_property
    def _documents(self) -> dict[str, Element]:
        """By file name, all that may be referred to."""
        available = {path.name: path for file in self._files for path in sorted(file.parent.glob("*.xsd"))}
        return {name: _parse_schema_document(path) for name, path in available.items()}

    @cached_property
    def constraints(self) -> dict[str, frozenset[str]]:
        """The identity constraints by their local name: those of the elements that declare them."""
        found: dict[str, set[str]] = {}
        for document in self._documents.values():
            for constraint in document.iter(*(f"{XS}{kind}" for kind in ("key", "keyref", "unique"))):
                declaring = constraint.getparent()
                if declaring is not None:
                    found.setdefault(constraint.get("name", "").strip(), set()).add(declaring.get("name", "").strip())
        return {name: frozenset(elements) for name, elements in found.items()}

    @cached_property
    def _by_namespace(self) -> dict[str, etree.XMLSchema]:
        documents = self._documents
        by_namespace = {document.get("targetNamespace", ""): name for name, document in documents.items()}
        with tempfile.TemporaryDirectory(prefix="sluice-xsd-") as local:
            for name, document in documents.items():
                _localise_references(name, document, by_namespace, documents.keys())
                (Path(local) / name).write_bytes(etree.tostring(document))
            return dict(_compile_schema(Path(local) / file.name) for file in self._files)

    def for_root(self, root: etree._Element) -> etree.XMLSchema | None:
        """The schema of this document; None where the feed has none for its namespace."""
        return self._by_namespace.get(etree.QName(root).namespace or "")


def _parse_schema_document(path: Path) -> Element:
    try:
        return etree.parse(
            str(path), etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        ).getroot()
    except (OSError, etree.XMLSyntaxError) as error:
        raise PermanentError(f"XSD {path.name}: {error}") from error


def parse_schema_file(path: Path) -> Element:
    """The root of an XSD file that nobody vouches for; raises ``PermanentError``.

    Entities of its own DTD are expanded within libxml2's limit, as some standards have them; external ones are refused.
    """
    parser = etree.XMLParser(
        resolve_entities="internal",  # type: ignore[arg-type]  # the stubs know only booleans
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    parser.resolvers.add(NothingOutside())
    try:
        root = etree.fromstring(path.read_bytes(), parser)
    except (OSError, etree.XMLSyntaxError) as error:
        raise PermanentError(f"XSD {path.name}: {getattr(error, 'strerror', None) or error}") from error
    if root.tag != f"{XS}schema":
        raise PermanentError(f"XSD {path.name}: the root element is {root.tag}, not xs:schema")
    return root


def peek_schema_namespace(path: Path) -> str | None:
    """The target namespace of an XSD file, of which no more than the begin is read; None where it is no XSD."""
    parser = etree.XMLPullParser(("start",), resolve_entities=False, no_network=True, load_dtd=False)
    try:
        with path.open("rb") as file:
            while block := file.read(_FEED_BYTES):
                parser.feed(block)
                for _, root in cast("Iterator[tuple[str, Element]]", parser.read_events()):
                    return root.get("targetNamespace", "") if root.tag == f"{XS}schema" else None
    except (OSError, etree.XMLSyntaxError):
        pass
    return None


def _localise_references(name: str, document: Element, by_namespace: dict[str, str], known: Iterable[str]) -> None:
    for reference in document.iter(f"{XS}import", f"{XS}include", f"{XS}redefine"):
        location = reference.get("schemaLocation")
        wanted = (location or "").rsplit("/", 1)[-1]
        found = wanted if wanted in known else by_namespace.get(reference.get("namespace", "\0"))
        if found is None and location is not None:
            raise PermanentError(f"XSD {name} refers to {location!r}, and there is no such file in the feed's folder")
        if found is not None:
            reference.set("schemaLocation", found)


def _compile_schema(path: Path) -> tuple[str, etree.XMLSchema]:
    document = _parse_schema_document(path)
    try:
        return document.get("targetNamespace", ""), etree.XMLSchema(etree.parse(str(path)))
    except etree.XMLSchemaParseError as error:
        raise PermanentError(f"XSD {path.name}: {error}") from error


def count_faults(document: bytes, schema: etree.XMLSchema, most: int) -> int:
    """How many faults a schema finds in a well-formed document; it stops counting soon after ``most``."""
    parser = etree.XMLParser(schema=schema, huge_tree=True, no_network=True, resolve_entities=False)
    for start in range(0, len(document), _FEED_BYTES):
        parser.feed(document[start : start + _FEED_BYTES])
        if len(parser.feed_error_log) > most:
            break
    return len(parser.feed_error_log)
