"""Records of one key. Which of them wins is decided by their version; where that is equal, only by their place."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.checks.declaration import Declared
from sluice.feed.model import Feed
from sluice.findings import Finding
from sluice.tryout.spots import Spot, spot_of
from sluice.tryout.trial import TriedBatch
from sluice.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

MAX_EXAMPLES = 3
_TABLE = "CREATE TABLE keys (root TEXT, key BLOB, version BLOB, file TEXT, line INTEGER, record INTEGER, shown TEXT)"
_INSERT = "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?)"
_REPEATED = """SELECT count(*), sum(records) FROM (
    SELECT count(*) AS records FROM keys WHERE root = ? GROUP BY key HAVING count(*) > 1)"""
_TIED = """SELECT count(*), sum(records) FROM (
    SELECT count(*) AS records FROM keys WHERE root = ? GROUP BY key, version HAVING count(*) > 1)"""
_FIRST = """SELECT file, line, record, shown FROM keys WHERE root = :root AND key = (
    SELECT key FROM keys WHERE root = :root GROUP BY key{and_version} HAVING count(*) > 1
    ORDER BY min(rowid) LIMIT 1) ORDER BY rowid LIMIT :most"""


class Collisions:
    """Notes the key of each record that would load in a database on disk, since there may be millions."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._keyed = {name: table for name, table in feed.roots.items() if table.key}
        self._folder = tempfile.TemporaryDirectory(prefix="sluice-keys-")
        self._keys = sqlite3.connect(Path(self._folder.name) / "keys.sqlite", isolation_level=None)
        self._keys.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_TABLE}; BEGIN")

    def take(self, tried: TriedBatch) -> None:
        for name in self._keyed:
            for group in (*tried.rows(name), *tried.deletes(name)):
                self._keys.executemany(_INSERT, self._read(tried, name, group))

    def _read(self, tried: TriedBatch, name: str, group: pa.Table) -> Iterator[tuple[Any, ...]]:
        table = self._keyed[name]
        places = zip(*(group[column].to_pylist() for column in ("_part", "_member", "_line", "_record")), strict=True)
        keys = zip(*(group[column].to_pylist() for column in table.key), strict=True)
        versions: Any = zip(*(group[column].to_pylist() for column in table.version_columns), strict=True)
        if not table.version_columns:
            versions = ((tried.files[part].file_date,) for part in group["_part"].to_pylist())
        for (part, member, line, record), key, version in zip(places, keys, versions, strict=True):
            spot = spot_of(tried.files[part], member, line, record)
            yield name, _digest(key), _digest(version), spot.file, line, record, _show(table.key, key)

    def findings(self) -> Iterator[Finding]:
        with self._folder, closing(self._keys):
            for name in self._keyed:
                yield from self._find(name)

    def _find(self, name: str) -> Iterator[Finding]:
        self._keys.execute("CREATE INDEX IF NOT EXISTS by_key ON keys (root, key, version)")
        tied, tied_records = self._keys.execute(_TIED, [name]).fetchone()
        keys, records = self._keys.execute(_REPEATED, [name]).fetchone()
        if tied:
            message = f"{counted(tied_records, 'record')} share {counted(tied, 'pair')} of key and version: which of"
            message += " them wins, only their place in the files decides"
            yield self._describe(name, "key_version_tie", message, tied_records, ", version")
        if keys > tied:
            message = f"{counted(keys, 'key')} in {counted(records, 'record')}: of each the greatest version wins"
            yield self._describe(name, "key_repeated", message, records, "")

    def _describe(self, name: str, code: str, message: str, count: int, and_version: str) -> Finding:
        found = self._keys.execute(
            _FIRST.format(and_version=and_version), {"root": name, "most": MAX_EXAMPLES}
        ).fetchall()
        spots = tuple(Spot(file, line, None, record) for file, line, record, _ in found)
        spot, where = Declared(self._feed).spot(("tables", name, "key"))
        message += f" (first {', '.join(map(str, spots))})"
        return Finding(
            "warning" if code == "key_version_tie" else "note", code, message, spot, where, name,
            count=count, value=found[0][-1], examples=spots,
        )  # fmt: skip


def _digest(values: Sequence[Any]) -> bytes:
    return hashlib.blake2b(repr(tuple(values)).encode(), digest_size=16).digest()


def _show(names: Sequence[str], values: Sequence[Any]) -> str:
    text = ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
    return text if len(text) <= 200 else f"{text[:199]}…"
