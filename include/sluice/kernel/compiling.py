"""Compiles all that is compiled of the fast tier and of the scanner, so that no task has to.

Numba keeps the result beside the source (or in ``$NUMBA_CACHE_DIR``) for this processor's kind; it is made anew when
the source has changed. Without it the first tasks of a new installation would each spend half a minute on it.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from sluice.feed.loading import load_feed
from sluice.kernel.tier import FastTier
from sluice.piece_reader import PieceReader
from sluice.pieces import Piece
from sluice.places import PiecePlaces
from sluice.plan import Plan
from sluice.scanner import PathTable
from sluice.tablefiles import TableWriter

# Every kind of column, an attribute, a choice, a text that has to be spelled.
_FEED = """
feed: compiling
source: {uri: /nowhere/*}
tables:
  things:
    record: /a/b
    columns:
      t: t
      i: {path: "@i", type: integer}
      l: {path: l, type: bigint}
      n: {path: n, type: "numeric(12,2)"}
      o: {path: o, type: boolean}
      d: {path: d, type: date}
      s: {path: s, type: timestamp}
      z: {path: z, type: timestamptz}
      c: "c[@k='v']"
  parts: {parent: things, rows: p, columns: {q: "@q"}}
"""
_DOCUMENT = b"""<a xmlns:n="urn:n"><b i="1" u="&lt;"><t>a&amp;b<!-- --></t><l>1</l><n>1.5</n><o>true</o>
<d>2024-01-01</d><s>2024-01-01T00:00:00</s><z>2024-01-01T00:00:00Z</z><c k="v">&#65;</c><p q="a&amp;b"/></b></a>"""


def compile_all() -> bool:
    """Compile whatever is not yet; returns whether the fast tier then takes a document that it must."""
    with tempfile.TemporaryDirectory(prefix="sluice-compiling-") as folder:
        (Path(folder) / "compiling").mkdir()
        (Path(folder) / "compiling" / "feed.yaml").write_text(_FEED)
        feed = load_feed(Path(folder) / "compiling")
    plan = Plan(feed)
    tier = FastTier(feed, plan, {name: TableWriter(feed, table, io.BytesIO()) for name, table in plan.tables.items()})
    pieces = [*PieceReader(io.BytesIO(_DOCUMENT), PathTable(plan.local_paths))]
    taken = [tier.take(piece, PiecePlaces(1, "", piece, False)) for piece in pieces if isinstance(piece, Piece)]
    return all(taken) and [len(table.records) for table in tier.drain()] == [1, 1]
