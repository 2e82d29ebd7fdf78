"""Real documents that their XSD accepts, as libxml2 judges: joined with that XSD nothing contradicts.

They are read from ``../shared/data`` beside the repository; without that folder these tests are skipped.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from sluice.draft.joining import join
from sluice.draft.samples import read_samples
from sluice.draft.schema import read_schema
from sluice.draft.shape import Shape

DATA = Path(__file__).parents[3] / "shared" / "data"
BANKS = sorted([*(DATA / "iso20022" / "genkgo").glob("*.xml"), *(DATA / "iso20022" / "moov").glob("*.xml")])
GLEIF = DATA / "gleif"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not on this machine")


def xsd_of(document: Path) -> Path | None:
    """The XSD of a bank's document, if it is here and accepts it."""
    try:
        parsed = etree.parse(document)
    except etree.XMLSyntaxError:
        return None
    name = str(etree.QName(parsed.getroot()).namespace).rpartition(":")[2]
    path = DATA / "iso20022" / "xsd" / f"{name}.xsd"
    return path if path.is_file() and etree.XMLSchema(etree.parse(path)).validate(parsed) else None


def undeclared(root: Shape) -> list[str]:
    """What was seen and has no declaration, though what it lies in has one and leaves nothing open."""
    return [
        shape.local
        for shape in root.walk()
        if shape.declared is None and shape.parent is not None and shape.parent.declared is not None
        and not shape.parent.declared.is_wildcard_parent
    ]  # fmt: skip


def test_valid_bank_documents_contradict_nothing() -> None:
    valid = [(path, found) for path in BANKS if (found := xsd_of(path)) is not None]
    assert len(valid) >= 10
    for path, schema in valid:
        samples = read_samples([path])
        joining = join(read_schema([schema]), samples.roots, samples.namespaces)
        assert joining.notes == [], path.name
        assert [name for root in joining.roots for name in undeclared(root)] == []


def test_the_register_contradicts_nothing() -> None:
    samples = read_samples(sorted(GLEIF.glob("*.xml")))
    joining = join(read_schema([GLEIF / "xsd/2017-03-21_lei-cdf-v2-1.xsd"]), samples.roots, samples.namespaces)
    assert joining.notes == []
    assert [name for root in joining.roots for name in undeclared(root)] == []
