"""How the counting scripts open samples: with nothing but the standard library, and nothing of Sluice."""

from __future__ import annotations

import gzip
import re
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from pathlib import Path

_DECLARATION = re.compile(rb"<\?xml\s")


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Path below ``folder`` and bytes of each file, in the order of their names; archives give their members."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".gz":
            yield name, gzip.decompress(path.read_bytes())
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    yield f"{name}!{member}", archive.read(member)
        else:
            yield name, path.read_bytes()


def documents(folder: Path) -> Iterator[tuple[str, ET.Element]]:
    """Path and root of each document; a file may hold several, each with a declaration of its own."""
    for name, data in contents(folder):
        starts = [match.start() for match in _DECLARATION.finditer(data)] or [0]
        for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
            yield name, ET.fromstring(data[start:end])


def local(element: ET.Element) -> str:
    """The name without its namespace."""
    return element.tag.rpartition("}")[2]


def walk(element: ET.Element, path: str) -> Iterator[ET.Element]:
    """All elements below ``element`` at a path of local names, such as ``TaxTotal/TaxSubtotal``, in document order."""
    step, _, rest = path.partition("/")
    for child in element:
        if local(child) == step:
            if rest:
                yield from walk(child, rest)
            else:
                yield child


def first(element: ET.Element, path: str) -> str | None:
    """Text of the first element at ``path``, marks within it left out; None where there is none."""
    found = next(walk(element, path), None)
    return None if found is None else "".join(found.itertext())


def texts(element: ET.Element, path: str) -> list[str]:
    return ["".join(found.itertext()) for found in walk(element, path)]


def count_below(records: list[ET.Element], root: str, paths: list[str]) -> dict[str, int]:
    """Number of elements at each path below all records, by the path from the root of the document."""
    counts = {root: len(records)}
    for path in paths:
        counts[f"{root}/{path}"] = sum(1 for record in records for _ in walk(record, path))
    return counts
