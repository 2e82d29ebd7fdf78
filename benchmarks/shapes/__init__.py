"""The shapes of input that benchmarks run on, all invented, the same bytes for the same seed.

| shape | feed | what it is |
|---|---|---|
| A | citations | nested, much of it unread, mixed content, child tables |
| B | items | flat, a dozen child elements a record |
| C | posts | attributes only, with long escaped texts |
| D | invoices | many files of some 13 KB with several namespaces, child rows |

A, B and C are one file of any size (``recordfile.RecordFile``), D is a folder (``invoices.write_invoices``).
"""

from __future__ import annotations

from benchmarks.shapes import citations, items, posts
from benchmarks.shapes.recordfile import RecordFile, Shape

SHAPES: dict[str, Shape] = {shape.name: shape for shape in (citations.SHAPE, items.SHAPE, posts.SHAPE)}

__all__ = ["SHAPES", "RecordFile", "Shape"]
