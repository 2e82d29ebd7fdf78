"""Our reading of real schemas against that of ``xmlschema``, a validating library: the same elements, as often, with
the same types; what other types would bring by xsi:type left out.

Schemas that are no part of this project are read from ``../shared/data``, else the tests are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xmlschema

from sluice.draft.schema import grow, read_schema
from sluice.draft.shape import Shape
from sluice.xmlio import XS

DATA = Path(__file__).parents[3] / "shared" / "data"
SCHEMAS = sorted(
    path
    for folder in ("iso20022", "gleif")
    for path in (DATA / folder).rglob("*.xsd")
    if path.name != "w3.xml.1998.xsd"
)
MAX_LEVELS = 16


def ours(shape: Shape, path: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
    path = (*path, shape.name)
    declared = shape.declared
    assert declared is not None
    simple = declared.simple
    facts = (simple.base, simple.enumeration, simple.total_digits, simple.fraction_digits) if simple else None
    uses = [(name, use.declared) for name, use in shape.attributes.items() if use.declared is not None]
    attributes = {name: use.min_occurs for name, use in uses if not use.variant_of}
    yield (
        path,
        (declared.min_occurs, declared.max_occurs),
        declared.is_mixed,
        declared.is_nillable,
        facts,
        frozenset(attributes.items()),
    )
    own = [child for child in shape.children.values() if child.declared is not None and not child.declared.variant_of]
    for child in own:
        yield from ours(child, path)


def theirs(element: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
    path = (*path, element.name)
    kind = element.type
    simple = kind.simple_type if kind.has_simple_content() or kind.is_simple() else None
    uses = kind.attributes.items() if kind.is_complex() else ()
    attributes = {name: int(use.use == "required") for name, use in uses if name}
    yield (
        path,
        occurs_of(element),
        kind.is_complex() and bool(kind.mixed),
        element.nillable,
        facts_of(simple),
        frozenset(attributes.items()),
    )
    if kind.is_complex() and kind.has_complex_content() and len(path) < MAX_LEVELS:
        seen = set()
        for child in kind.content.iter_elements():
            if isinstance(child, xmlschema.XsdElement) and child.name not in seen:
                seen.add(child.name)
                yield from theirs(child, path)


def occurs_of(element: Any) -> tuple[int, int | None]:
    """How often it may be there, by the groups in which it lies: where it has its name for itself among them."""
    least, most = element.min_occurs, element.max_occurs
    group = element.parent
    while isinstance(group, xmlschema.validators.XsdGroup):
        is_alternative = group.model == "choice" and len(group) > 1
        least *= 0 if is_alternative else group.min_occurs
        most = None if most is None or group.max_occurs is None else most * group.max_occurs
        group = group.parent
    return least, most


def facts_of(simple: Any) -> tuple[Any, ...] | None:
    if simple is None:
        return None
    step = simple
    while step is not None and (step.name is None or not step.name.startswith(XS)):
        step = step.base_type
    if step is None:
        return ("string", (), None, None)  # a union
    facets = [simple.get_facet(f"{XS}{name}") for name in ("totalDigits", "fractionDigits")]
    digits = [None if facet is None else facet.value for facet in facets]
    return (step.name.removeprefix(XS), tuple(simple.enumeration or ()), *digits)


@pytest.mark.skipif(not SCHEMAS, reason=f"{DATA} is not on this machine")
@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_real_schemas_are_read_as_a_validator_reads_them(path: Path) -> None:
    schema = read_schema([path])
    peer = xmlschema.XMLSchema(str(path), validation="skip", allow="local", defuse="never")
    elements = {element.name: element for element in peer.elements.values()}
    assert schema.roots
    for name in schema.roots:
        root = schema.root(name)
        assert grow(schema, root) == ()
        assert sorted(map(repr, ours(root))) == sorted(map(repr, theirs(elements[name])))
