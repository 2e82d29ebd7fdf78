"""Random content models against a validator: how often an element may be there is told by what libxml2 accepts."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path

import pytest
from lxml import etree
from tests.draft.schemas import occurs, tree, xsd

NAMES = "abc"
LONGEST = 6
DOCUMENTS = [children for length in range(LONGEST + 1) for children in product(NAMES, repeat=length)]


def model(chance: random.Random, depth: int) -> str:
    """A sequence or choice of elements and further models."""
    kind = chance.choice(["sequence", "sequence", "choice"])
    parts = [
        model(chance, depth - 1) if depth and chance.random() < 0.4 else element(chance)
        for _ in range(chance.randint(1, 3))
    ]
    return f"<xs:{kind}{times(chance)}>{''.join(parts)}</xs:{kind}>"


def element(chance: random.Random) -> str:
    return f'<xs:element ref="{chance.choice(NAMES)}"{times(chance)}/>'


def times(chance: random.Random) -> str:
    least, most = chance.choice([(1, 1), (1, 1), (1, 1), (0, 1), (0, 2), (1, 2)])
    return f' minOccurs="{least}" maxOccurs="{most}"' if (least, most) != (1, 1) else ""


def accepted(body: str) -> list[tuple[str, ...]] | None:
    """All short documents that libxml2 accepts; None where it finds the model ambiguous."""
    try:
        schema = etree.XMLSchema(etree.fromstring(xsd(body)))
    except etree.XMLSchemaParseError:
        return None
    return [
        children
        for children in DOCUMENTS
        if schema.validate(etree.fromstring(f"<r>{''.join(f'<{name}/>' for name in children)}</r>"))
    ]


@pytest.mark.parametrize("seed", range(150))
def test_what_a_validator_accepts_is_within_what_is_told(seed: int, tmp_path: Path) -> None:
    """And what is told happens: an element that may be absent is so in some document, as is one that may repeat."""
    chance = random.Random(seed)
    globals_ = "".join(f'<xs:element name="{name}"/>' for name in NAMES)
    body = f'{globals_}<xs:element name="r"><xs:complexType>{model(chance, 2)}</xs:complexType></xs:element>'
    valid = accepted(body)
    if not valid:
        return  # ambiguous, or too long
    told = occurs(tree(tmp_path, body))
    counts = {name: [children.count(name) for children in valid] for name in NAMES}
    for name in NAMES:
        least, most = told.get(name, (0, 0))
        assert all(least <= count <= (LONGEST if most is None else most) for count in counts[name])
        shortest = min(map(len, valid))
        if shortest + 2 <= LONGEST:
            assert least or 0 in counts[name]
            assert most in (0, 1) or max(counts[name]) > 1
