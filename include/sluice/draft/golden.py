"""A golden case for a draft: a few records of the samples, and the rows that they gave when the draft was made.

A person reads it once, to see that the rows are right; from then on a test says when they are no longer the same.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from sluice.charsets import Utf8Stream
from sluice.containers import Quotas, iter_members
from sluice.draft.samples import MAX_NESTING
from sluice.draft.trial import Trial, run_trial
from sluice.draft.writing import WIDTH, flow
from sluice.errors import MalformedXML, PermanentError
from sluice.feed.ddl import create_statements
from sluice.feed.loading import FEED_FILE
from sluice.feed.model import Feed
from sluice.piece_reader import PieceReader
from sluice.pieces import Piece
from sluice.plan import Plan
from sluice.scanner import PathTable

SAMPLE_DAY = "2026-01-01"
MAX_RECORDS = 5
MAX_BYTES = 32 << 10
MAX_FILES = 4
_ENCODING = re.compile(rb"""(<\?xml[^>]*?)\s+encoding\s*=\s*["'][^"']*["']""")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Golden:
    """``samples`` by name; ``case`` is the text of case.yaml, ``ddl`` the tables' SQL."""

    samples: dict[str, bytes]
    case: str
    ddl: str


def make_golden(folder: Path, paths: Sequence[Path], scratch: Path) -> Golden | None:
    """The golden case of the feed in ``folder``; None where no sample gives a record small enough."""
    name, text = folder.name, (folder / FEED_FILE).read_text(encoding="utf-8")
    with run_trial(name, text, [], folder) as trial:
        feed = trial.feed
    samples: dict[str, bytes] = {}
    covered: set[str] = set()
    for path in paths:
        data = _cut(feed, path)
        if data is None:
            continue
        sample = scratch / f"{_stem(path)}.xml"
        sample.write_bytes(data)
        with run_trial(name, text, [sample], folder) as trial:
            filled = {root for root in feed.roots if trial.rows[root]}
            if trial.rejects or filled <= covered or _is_intricate(trial):
                continue
        covered |= filled
        samples[sample.name] = data
        if covered == set(feed.roots) or len(samples) == MAX_FILES:
            break
    if not samples:
        return None
    with run_trial(name, text, [scratch / sample for sample in samples], folder) as trial:
        return Golden(samples, _write_case(trial, samples), _ddl(feed))


def renew_golden(folder: Path, paths: Sequence[Path]) -> Golden:
    """The golden case of the feed in ``folder`` as it is now, over the samples that its draft wrote.

    Raises ``PermanentError`` where it rejects one of their records.
    """
    with run_trial(folder.name, (folder / FEED_FILE).read_text(encoding="utf-8"), paths, folder) as trial:
        if trial.rejects:
            raise PermanentError(f"{folder.name} rejects records of its samples: see `sluice check {folder.name}`")
        samples = {path.name: path.read_bytes() for path in paths}
        return Golden(samples, _write_case(trial, samples), _ddl(trial.feed))


def _stem(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", path.name.split(".")[0]).strip("-").lower() or "sample"


def _ddl(feed: Feed) -> str:
    return "\n".join(f"{statement.rstrip(';')};" for statement in create_statements(feed)) + "\n"


def _cut(feed: Feed, path: Path) -> bytes | None:
    """A document of the first records of a sample, in UTF-8; None where it has none that are small."""
    table = PathTable(Plan(feed).local_paths)
    try:
        with path.open("rb") as raw:
            for member in iter_members(raw, Quotas(max_nesting=MAX_NESTING)):
                for piece in PieceReader(Utf8Stream(member.stream), table, keep_leads=True):
                    if isinstance(piece, Piece) and len(piece.starts):
                        return _head(piece)
    except MalformedXML:
        return None
    return None


def _head(piece: Piece) -> bytes | None:
    for count in range(min(MAX_RECORDS, len(piece.starts)), 0, -1):
        data = _ENCODING.sub(rb"\1", piece.head(count).text, count=1)
        if len(data) <= MAX_BYTES:
            return data
    return None


def _is_intricate(trial: Trial) -> bool:
    """Whether records replace or delete each other; what comes of that would be hard to read off."""
    if trial.found != sum(trial.rows[root] for root in trial.feed.roots):
        return True
    for name, table in trial.feed.roots.items():
        if table.key:
            rows = trial.table(name, list(table.key))
            if rows.group_by(list(table.key)).aggregate([]).num_rows < rows.num_rows:
                return True
    return False


# -- case.yaml --------------------------------------------------------------------------------------------------------


def _write_case(trial: Trial, samples: Sequence[str] | dict[str, bytes]) -> str:
    lines = [
        "about: Drafted from samples, with the rows that they gave; to be read once by a person who knows the data.",
        "input: samples",
        "runs:",
        f"  - {{first: {SAMPLE_DAY}}}",
        f"totals: {{files: {len(samples)}, found: {trial.found}, loaded: {trial.found}, inserted: {trial.found}}}",
        "",
        "tables:",
    ]
    for name in trial.feed.roots:
        records = _records(trial, name)
        lines.append(f"  {name}:" if records else f"  {name}: []")
        for record in records:
            lines += _record_lines(record, 4)
    return "\n".join(lines) + "\n"


def _record_lines(row: Row, indent: int) -> Iterator[str]:
    line = f"{' ' * indent}- {flow(row)}"
    if len(line) <= WIDTH or not row:
        yield line
        return
    start = "- "
    for key, value in row.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"{' ' * indent}{start}{key}:"
            for below in value:
                yield from _record_lines(below, indent + 4)
        else:
            yield f"{' ' * indent}{start}{key}: {flow(value)}"
        start = "  "


def _records(trial: Trial, root: str) -> list[Row]:
    """The rows of a root table with those of its child tables in them; what is NULL is left out."""
    feed = trial.feed
    found: dict[tuple[Any, ...], Row] = {}
    order: list[tuple[tuple[Any, ...], Row]] = []
    for name in feed.family_of(root):
        depth, table = feed.depth_of(name), feed.tables[name]
        for values in _rows_of(trial.table(name)):
            place = (values["_rec"], *(values[f"_n{level}"] for level in range(1, depth + 1)))
            names = dict.fromkeys([*table.key, *table.columns])
            row = {
                column: spell(values[column], table.columns[column].column_type.kind)
                for column in names
                if values[column] is not None
            }
            found[name, *place] = row
            if depth:
                found[table.parent, *place[:-1]].setdefault(name, []).append(row)
            else:
                order.append((tuple(values[column] for column in table.key), row))
    return [row for _, row in (sorted(order, key=lambda item: item[0]) if feed.tables[root].key else order)]


def _rows_of(rows: pa.Table) -> list[Row]:
    places = [name for name in rows.schema.names if re.fullmatch(r"_n\d+", name)]
    return sorted(rows.to_pylist(), key=lambda row: (row["_rec"], *(row[place] for place in places)))


def spell(value: Any, kind: str = "") -> Any:
    """One value as golden cases write it: numbers without the zeros at their end, instants in UTC."""
    if isinstance(value, list):
        return [spell(item, kind) for item in value]
    if kind == "json" and isinstance(value, str):
        return str(json.loads(value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, dt.datetime) and value.tzinfo:
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, dt.date):
        return value.isoformat()
    return value if value is None else str(value)
