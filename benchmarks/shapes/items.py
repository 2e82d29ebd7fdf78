"""Shape B: a flat catalogue, a dozen child elements an item."""

from __future__ import annotations

import random

from benchmarks.shapes.recordfile import ID_MARK, Shape
from benchmarks.shapes.words import escape, phrase

_CATEGORIES = ("Home & Garden", "Lighting", "Tools", "Paper", "Textiles", "Bicycles", "Kitchen", "Outdoor", "Office")
COUNTRIES = ("BE", "DE", "FR", "NL", "PL", "SE")
_FIRST_YEAR, _YEARS = 2010, 10


def make_record(choose: random.Random, revision: int) -> str:
    """An item. A later revision was updated later, and costs something else."""
    day = f"{choose.randint(1, 12):02d}-{choose.randint(1, 28):02d}"
    year = _FIRST_YEAR + choose.randrange(_YEARS)
    time = f"{choose.randrange(24):02d}:{choose.randrange(60):02d}:{choose.randrange(60):02d}"
    lines = [
        "  <item>",
        f"    <id>{ID_MARK}</id>",
        f"    <sku>{choose.choice(('AB', 'KX', 'MV', 'QT'))}-{choose.randrange(10**6):06d}</sku>",
        f"    <name>{escape(phrase(choose, 3, 8))}</name>",
        f"    <category>{escape(choose.choice(_CATEGORIES))}</category>",
        f'    <price currency="{choose.choice(("EUR", "GBP", "USD"))}">{_price(choose, revision)}</price>',
        f"    <qty>{choose.randrange(1000)}</qty>",
        f"    <created>{year}-{day}T{time}Z</created>",
        f"    <updated>{year + revision * _YEARS}-{day}</updated>",
        f"    <active>{choose.choice(('true', 'false'))}</active>",
        f"    <country>{choose.choice(COUNTRIES)}</country>",
        *_weight(choose),
        f"    <description>{escape(phrase(choose, 10, 30))}</description>",
        "  </item>",
        "",
    ]
    return "\n".join(lines)


def _price(choose: random.Random, revision: int) -> str:
    return f"{choose.randrange(5000) + revision}.{choose.randrange(100):02d}"


def _weight(choose: random.Random) -> list[str]:
    kind = choose.random()
    if kind < 0.7:
        return [f"    <weight>{choose.randrange(50)}.{choose.randrange(1000):03d}</weight>"]
    return ["    <weight/>"] if kind < 0.85 else []


SHAPE = Shape(
    "items",
    "B",
    '<?xml version="1.0" encoding="UTF-8"?>\n<catalog>\n',
    "</catalog>\n",
    make_record,
    records_per_block=16_000,
)
