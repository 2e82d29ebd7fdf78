"""Records of one key. Their version says which of them wins; where that is equal, only the files that they came in do.

Records that give the same rows are no matter: whichever wins, the tables are the same.
"""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.checks.declaration import WrittenFeed
from sluice.feed.model import Feed
from sluice.feed.written import FILE_DATE
from sluice.findings import Finding, Severity
from sluice.spots import Spot, spot_of
from sluice.tryout.trial import Counts, TriedBatch
from sluice.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

MAX_EXAMPLES = 3
_PLACE = ("_rec", "_part", "_member", "_line", "_record")
_TABLE = """CREATE TABLE keys (root TEXT, key BLOB, version BLOB, content INTEGER, file TEXT, line INTEGER,
    record INTEGER, shown TEXT)"""
_INSERT = "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_REPEATED = """SELECT count(*), sum(records) FROM (
    SELECT count(*) AS records FROM keys WHERE root = ? GROUP BY key HAVING count(*) > 1)"""
_TIED = """SELECT count(*), sum(records) FROM (
    SELECT count(*) AS records FROM keys WHERE root = ? GROUP BY key, version HAVING count(DISTINCT content) > 1)"""
_FIRST = """SELECT key, version FROM keys WHERE root = ? GROUP BY {group} HAVING {many} > 1
    ORDER BY min(rowid) LIMIT 1"""
_RECORDS = "SELECT file, line, record, shown FROM keys WHERE root = ? AND key = ?{and_version} ORDER BY rowid LIMIT ?"


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
            contents = _digest_contents(tried, name)
            for group in itertools.chain(tried.rows(name), tried.deletes(name)):
                self._keys.executemany(_INSERT, self._read(tried, name, group, contents))

    def _read(
        self, tried: TriedBatch, name: str, group: pa.Table, contents: Mapping[int, int]
    ) -> Iterator[tuple[Any, ...]]:
        table = self._keyed[name]
        places = zip(*(group[column].to_pylist() for column in _PLACE), strict=True)
        keys = zip(*(group[column].to_pylist() for column in table.key), strict=True)
        versions: Any = zip(*(group[column].to_pylist() for column in table.version_columns), strict=True)
        if not table.version_columns:
            versions = ((tried.files[part].file_date,) for part in group["_part"].to_pylist())
        for (rec, part, member, line, record), key, version in zip(places, keys, versions, strict=True):
            spot = spot_of(tried.files[part], member, line, record)
            yield (
                name,
                _digest(key),
                _digest(version),
                contents.get(rec, 0),
                spot.file,
                line,
                record,
                _show(table.key, key),
            )

    def findings(self, counts: Counts) -> Iterator[Finding]:
        with self._folder, closing(self._keys):
            for name in self._keyed:
                yield from self._find(name)

    def _find(self, name: str) -> Iterator[Finding]:
        self._keys.execute("CREATE INDEX IF NOT EXISTS by_key ON keys (root, key, version)")
        tied, tied_records = self._keys.execute(_TIED, [name]).fetchone()
        keys, records = self._keys.execute(_REPEATED, [name]).fetchone()
        if tied:
            message = f"{counted(tied_records, 'record')} differ and share {counted(tied, 'pair')} of key and version:"
            message += " only the dates, ages and names of their files decide which wins"
            yield self._describe("key_version_tie", name, message, tied_records, self._examples(name, is_tied=True))
        if keys > tied:
            message = f"{counted(keys, 'key')} in {counted(records, 'record')}: of each key the greatest version wins"
            yield self._describe("key_repeated", name, message, records, self._examples(name, is_tied=False))

    def _examples(self, name: str, is_tied: bool) -> list[tuple[Any, ...]]:
        """The first records of the first key that several have."""
        group, many = ("key, version", "count(DISTINCT content)") if is_tied else ("key", "count(*)")
        query = _FIRST.format(group=group, many=many)
        key, version = self._keys.execute(query, [name]).fetchone()
        query = _RECORDS.format(and_version=" AND version = ?" if is_tied else "")
        return self._keys.execute(query, [name, key, *([version] if is_tied else []), MAX_EXAMPLES]).fetchall()

    def _severity(self, code: str, name: str) -> Severity:
        """A feed that orders versions by the dates of files wants ties; and samples seldom lie where the dates are."""
        is_by_date = FILE_DATE in self._feed.tables[name].version
        return "warning" if code == "key_version_tie" and not is_by_date else "note"

    def _describe(self, code: str, name: str, message: str, count: int, found: list[tuple[Any, ...]]) -> Finding:
        spots = tuple(Spot(file, line, None, record) for file, line, record, _ in found)
        spot, where = WrittenFeed(self._feed).spot(("tables", name, "key"))
        message += f" ({', '.join(map(str, spots))})"
        return Finding(
            self._severity(code, name), code, message, spot, where, name,
            count=count, value=found[0][-1], examples=spots,
        )  # fmt: skip


def _digest_contents(tried: TriedBatch, root: str) -> dict[int, int]:
    """By record, what all of its rows say, those of child tables too; a delete says nothing."""
    contents: defaultdict[int, int] = defaultdict(int)
    for name in tried.feed.family_of(root):
        positions = [f"_n{level}" for level in range(1, tried.feed.depth_of(name) + 1)]
        columns = [*positions, *tried.feed.tables[name].columns]
        for group in tried.rows(name):
            values = zip(*(group[column].to_pylist() for column in columns), strict=True)
            for record, row in zip(group["_rec"].to_pylist(), values, strict=True):
                number = int.from_bytes(_digest((name, *row))[:8], signed=True)
                contents[record] ^= number or 1
    return contents


def _digest(values: Sequence[Any]) -> bytes:
    return hashlib.blake2b(repr(tuple(values)).encode(), digest_size=16).digest()


def _show(names: Sequence[str], values: Sequence[Any]) -> str:
    text = ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
    return text if len(text) <= 200 else f"{text[:199]}…"
