"""A file, parsed for real by the parse stage, without a database: its rows, its rejects, what became of its parts."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sluice.batches import write_batch
from sluice.cutting import cut_file, spool_parts
from sluice.feed.loading import load_feed
from sluice.feed.model import Feed
from sluice.quarantine import read_reject
from sluice.records import Batch, Cut, LedgerFile, Part, Reject
from sluice.rowfiles import read_rows
from sluice.sources import Clients, UriPattern, source_for
from sluice.stages.parse import ParseSummary, parse
from sluice.tools import Tools
from sluice.workfiles import WorkFiles

RUN_ID, NUMBER = 1, 0


@dataclass(frozen=True)
class Parsed:
    """What parse left in its work files."""

    feed: Feed
    work: WorkFiles
    summary: ParseSummary

    def rows(self, table: str | None = None) -> list[dict[str, Any]]:
        """The rows of a table (the first, unless named), in order, with their place columns."""
        path = self.work.table(self.feed.feed, RUN_ID, NUMBER, table or next(iter(self.feed.tables)))
        with self.work.open_read(path) as file:
            return read_rows(file).to_pylist()

    def values(self, table: str | None = None) -> list[dict[str, Any]]:
        """The rows without their place columns."""
        return [{name: value for name, value in row.items() if name[0] != "_"} for row in self.rows(table)]

    @property
    def rejects(self) -> list[Reject]:
        with self.work.open_read(self.work.rejects(self.feed.feed, RUN_ID, NUMBER)) as file:
            return [read_reject(json.loads(line)) for line in file]

    @property
    def codes(self) -> list[str]:
        """The code of each reject's first reason."""
        return [reject.reasons[0].code for reject in self.rejects]

    @property
    def outcomes(self) -> list[dict[str, Any]]:
        return self._account["outcomes"]

    @property
    def drift(self) -> dict[str, int]:
        """How often each name was met that the mapping does not know, by path."""
        return {found["path"]: found["count"] for found in self._account["drift"]["findings"]}

    def emptiness(self, table: str | None = None) -> dict[str, Any]:
        return self._account["drift"]["tables"][table or next(iter(self.feed.tables))]

    @property
    def _account(self) -> dict[str, Any]:
        return self.work.read_json(self.work.outcomes(self.feed.feed, RUN_ID, NUMBER))

    def is_conserved(self) -> bool:
        """Promise 1: each record found is a row of a part that loads, or stands in one reject."""
        failed = {outcome["part_id"] for outcome in self.outcomes if outcome["failed"]}
        rows = sum(row["_part"] not in failed for name in self.feed.roots for row in self.rows(name))
        return sum(outcome["found"] for outcome in self.outcomes) == rows + sum(r.records for r in self.rejects)


def write_feed(folder: Path, text: str, name: str = "things") -> Feed:
    """The feed that ``text`` declares, but for its name and source; other files may be in the folder already."""
    folder = folder / name
    folder.mkdir(exist_ok=True)
    (folder / "feed.yaml").write_text(f"feed: {name}\nsource: {{uri: /landing/*}}\n{text}", encoding="utf-8")
    return load_feed(folder)


def tools_for(feed: Feed, folder: Path) -> Tools:
    return Tools(feed, "", WorkFiles(str(folder / "work")), Clients())


def ledger_file(path: Path, file_id: int = 1) -> LedgerFile:
    """The file as fetch finds it. Its age is fixed, so that it is no other file when it is written anew."""
    os.utime(path, (1_600_000_000, 1_600_000_000))
    source = source_for(str(path), Clients(), WorkFiles("/nowhere"), "things")
    (found,) = source.list_files(UriPattern(str(path)), [dt.date(2026, 3, 1)])
    return LedgerFile(file_id, found.uri, found.version, found.size_bytes, found.modified_at, found.file_date)


def parse_parts(tools: Tools, parts: Sequence[Part]) -> Parsed:
    write_batch(tools, RUN_ID, Batch(NUMBER, tuple(parts)))
    return Parsed(tools.feed, tools.work, parse(tools, RUN_ID, NUMBER))


def parse_path(feed: Feed, path: Path) -> Parsed:
    """The file as one part."""
    return parse_parts(tools_for(feed, path.parent), [Part(1, ledger_file(path), Cut())])


def parse_data(feed: Feed, folder: Path, data: bytes, name: str = "file.xml") -> Parsed:
    """The bytes as one file in one part."""
    path = folder / name
    path.write_bytes(data)
    return parse_path(feed, path)


def cut_parts(tools: Tools, path: Path, target: int) -> list[Part]:
    """The parts into which split would cut the file, spooled where they must be."""
    file = ledger_file(path)
    parts = [Part(number, file, cut) for number, cut in enumerate(cut_file(tools, file, target), start=1)]
    spooled = spool_parts(tools, RUN_ID, [part for part in parts if part.cut.spool is not None])
    return [replace(part, cut=replace(part.cut, spool=spooled.get(part.part_id))) for part in parts]


def parse_cut(feed: Feed, path: Path, target: int) -> Parsed:
    """The file cut as split would cut it for batches of ``target`` bytes.

    It has work files of its own: those of ``parse_path`` are read when they are asked for.
    """
    tools = tools_for(feed, path.parent / "cut")
    return parse_parts(tools, cut_parts(tools, path, target))
