"""One small batch through the stages that prepare themselves at first use, for all processes that come later.

Parse compiles its loops over bytes, or loads what was compiled: Numba keeps it beside the source (or in
``$NUMBA_CACHE_DIR``) for this kind of processor, until the source changes. ``python -m sluice.rehearsal`` does that
once for an installation; else the first tasks would each spend half a minute on it. Great Expectations makes a context,
and its page compiles templates: in the process that tasks are forked from, that is done for all of them.
"""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
from pathlib import Path
from typing import Any

from sluice.batches import write_batch
from sluice.feed.model import Feed
from sluice.records import Batch, Cut, LedgerFile, Part
from sluice.sources import Clients
from sluice.stages.parse import parse
from sluice.stages.validate import validate
from sluice.tools import Tools
from sluice.workfiles import WorkFiles

_TYPES = {
    "text": "a &amp; b",
    "integer": "-1",
    "bigint": "12345678901",
    "numeric(12,2)": "1.50",
    "boolean": "true",
    "date": "2026-03-31",
    "timestamp": "2026-03-31T06:00:00",
    "timestamptz": "2026-03-31T06:00:00+02:00",
}
_RUN = 1
_RECORDS = 4000
"""So many that the document is longer than a piece: shorter ones are read without the scanner's loops."""


def rehearse() -> bool:
    """Parse and judge records with a value of every common type, in a folder that goes afterwards; returns whether the
    fast tier took it, as it must.
    """
    with tempfile.TemporaryDirectory(prefix="sluice-rehearsal-") as name:
        folder = Path(name)
        tools = Tools(_feed(folder), dsn="", work=WorkFiles(str(folder / "work")), clients=Clients(s3=_no_client))
        write_batch(tools, _RUN, Batch(0, (Part(1, _write_file(folder / "rehearsal.xml"), Cut()),)))
        parsed = parse(tools, _RUN, 0)
        validate(tools, _RUN, 0)
    return parsed.fast_pieces == parsed.pieces


def _feed(folder: Path) -> Feed:
    columns: dict[str, Any] = {f"c{number}": {"path": f"C{number}", "type": kind} for number, kind in enumerate(_TYPES)}
    expectation = {"expect_column_values_to_not_be_null": {"column": "id"}}
    root = {
        "record": "/Items/Item",
        "key": "id",
        "version": "file_date",
        "columns": {"id": "@id", **columns},
        "expectations": [expectation],
    }
    lines = {"parent": "items", "rows": "Line", "columns": {"code": "@code", "line": "."}}
    source = {"uri": f"{folder}/*.xml"}
    return Feed.model_validate({"feed": "rehearsal", "source": source, "tables": {"items": root, "lines": lines}})


def _write_file(path: Path) -> LedgerFile:
    cells = "".join(f"<C{number}>{text}</C{number}>" for number, text in enumerate(_TYPES.values()))
    items = "".join(f'<Item id="{number}">{cells}<Line code="x">one</Line></Item>\n' for number in range(_RECORDS))
    path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<Items>\n{items}</Items>\n')
    found = path.stat()
    modified = dt.datetime.fromtimestamp(found.st_mtime, dt.UTC)
    return LedgerFile(1, str(path), f"{found.st_size}-{found.st_mtime_ns}", found.st_size, modified, None)


def _no_client() -> Any:
    raise NotImplementedError("a rehearsal reads no object store")


if __name__ == "__main__":
    sys.exit(0 if rehearse() else "the fast tier does not take a document that it must")
