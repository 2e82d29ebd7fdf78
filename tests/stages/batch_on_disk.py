"""A batch as split and parse leave it, made by hand: the work files that validate reads."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from sluice.batches import write_batch
from sluice.feed.model import Feed
from sluice.records import Batch, Cut, LedgerFile, Part, PartOutcome, to_json
from sluice.rowfiles import RowWriter
from sluice.sources import Clients
from sluice.tablefiles import table_schema
from sluice.tools import Tools
from sluice.workfiles import WorkFiles

RUN_ID = 7
NUMBER = 3
HEAD = b"<Shop>"
RECORD_BYTES = 100


def raw_record(number: int) -> bytes:
    """Of the file that the rows are supposed to come from: record ``number``, counted from 0."""
    return b"<Order>%085d</Order>" % number


def shop_file(records: int = 100) -> bytes:
    return HEAD + b"".join(map(raw_record, range(records))) + b"</Shop>"


def start_of(number: int) -> int:
    return len(HEAD) + number * RECORD_BYTES


def shop_feed(orders: list[Any], lines: list[Any] | None = None, notes: list[Any] | None = None) -> Feed:
    """Orders with lines below them, and notes beside them; each with the given expectations."""
    return Feed.model_validate(
        {
            "feed": "shop",
            "source": {"uri": "in/*.xml"},
            "tables": {
                "orders": {
                    "record": "/Shop/Order",
                    "key": "id",
                    "version": "file_date",
                    "columns": {
                        "id": {"path": "@id", "type": "bigint"},
                        "amount": {"path": "Amt", "type": "numeric(18,2)"},
                    },
                    "expectations": orders,
                },
                "lines": {
                    "parent": "orders",
                    "rows": "Line",
                    "columns": {"sku": "Sku", "qty": {"path": "Qty", "type": "integer"}},
                    "expectations": lines or [],
                },
                "notes": {"record": "/Shop/Note", "columns": {"body": "."}, "expectations": notes or []},
            },
        }
    )


def ledger_file(file_id: int, uri: str | None = None) -> LedgerFile:
    moment = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    return LedgerFile(file_id, uri or f"s3://in/file-{file_id}.xml", "v1", 1000, moment, None)


@dataclass
class BatchOnDisk:
    """Add parts and records, then ``write``. ``_rec`` counts records as they are added; each has its own place."""

    feed: Feed
    root: Path
    parts: list[Part] = field(default_factory=list)
    failed: set[int] = field(default_factory=set)
    rejected_by_parse: int = 0
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    records: int = 0

    @property
    def work(self) -> WorkFiles:
        return WorkFiles(str(self.root))

    @property
    def tools(self) -> Tools:
        return Tools(self.feed, "", self.work, Clients())

    def add_part(self, part_id: int, file: LedgerFile, *, failed: bool = False) -> None:
        self.parts.append(Part(part_id, file, Cut()))
        if failed:
            self.failed.add(part_id)

    def add_order(self, part_id: int, amount: str | None, *quantities: int | None) -> int:
        """An order with one line for each of ``quantities``; returns its ``_rec``."""
        record = self._add_record("orders", part_id, id=self.records, amount=amount)
        for position, quantity in enumerate(quantities, start=1):
            line = {"_rec": record, "_part": part_id, "_n1": position, "sku": f"sku-{position}", "qty": quantity}
            self.rows.setdefault("lines", []).append(line)
        return record

    def add_note(self, part_id: int, body: str) -> int:
        return self._add_record("notes", part_id, body=body)

    def _add_record(self, table: str, part_id: int, **values: Any) -> int:
        record, self.records = self.records, self.records + 1
        place = {"_member": "", "_record": record + 1, "_offset": start_of(record), "_length": RECORD_BYTES}
        row = {"_rec": record, "_part": part_id, **place, "_line": record + 2, **values}
        self.rows.setdefault(table, []).append(row)
        return record

    def write(self) -> BatchOnDisk:
        write_batch(self.tools, RUN_ID, Batch(NUMBER, tuple(self.parts)))
        outcomes = [to_json(self._outcome(part.part_id)) for part in self.parts]
        self.work.write_json(self.work.outcomes(self.feed.feed, RUN_ID, NUMBER), {"outcomes": outcomes})
        for table in self.feed.tables:
            with self.work.open_write(self.work.table(self.feed.feed, RUN_ID, NUMBER, table)) as file:
                rows = self._table(table)
                writer = RowWriter(file, rows.schema, is_packed=False)
                writer.write(rows)
                writer.finish()
        return self

    def _outcome(self, part_id: int) -> PartOutcome:
        roots = (row for table in self.feed.roots for row in self.rows.get(table, []))
        kept = sum(row["_part"] == part_id for row in roots)
        rejected = self.rejected_by_parse if part_id == self.parts[0].part_id else 0
        return PartOutcome(part_id, kept + rejected, rejected, 1000, failed=part_id in self.failed)

    def _table(self, table: str) -> pa.Table:
        schema = table_schema(self.feed, table)
        rows = self.rows.get(table, [])
        columns = {
            item.name: pa.array([row[item.name] for row in rows], pa.string()).cast(item.type)
            if pa.types.is_decimal(item.type)
            else pa.array([row[item.name] for row in rows], item.type)
            for item in schema
        }
        return pa.table(columns, schema=schema)

    # --- what validate wrote

    @property
    def verdict(self) -> dict[str, Any]:
        verdict: dict[str, Any] = self.work.read_json(self.work.verdict(self.feed.feed, RUN_ID, NUMBER))
        return verdict

    @property
    def rejects(self) -> list[dict[str, Any]]:
        with self.work.open_read(self.work.gate_rejects(self.feed.feed, RUN_ID, NUMBER)) as file:
            return [json.loads(line) for line in file]
