"""Files cut into parts, and many small ones packed together: the tables do not show it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import psycopg
from benchmarks.generate import write_entities, write_statements
from lxml import etree
from tests.feeds.conftest import Landing
from tests.feeds.tables import count_rows

from sluice.feed.model import Feed

DAY = dt.date(2026, 11, 20)


def count_in(path: Path, *names: str) -> list[int]:
    """How often each element occurs in the files below ``path``."""
    documents = [etree.parse(file) for file in sorted(path.rglob("*.xml"))]
    return [sum(1 for document in documents for _ in document.iter(f"{{*}}{name}")) for name in names]


def count_batches(landing: Landing) -> int:
    with psycopg.connect(landing.dsn) as connection:
        row = connection.execute("SELECT count(*) FROM sluice.batches").fetchone()
    assert row is not None
    return int(row[0])


def test_a_file_that_is_cut_loads_like_a_whole_one(legal_entities: Feed, landing: Landing, tmp_path: Path) -> None:
    """Each part has what stands before the first record, and no record is lost or doubled at a cut."""
    written = write_entities(tmp_path / "lei" / "lei.xml", size=4_000_000)
    landing.put(legal_entities, tmp_path / "lei", "2026-11-20")
    assert landing.run(legal_entities, DAY, batch_mb=1) is None
    assert count_batches(landing) >= 3
    cut = landing.tables(legal_entities)
    names = ("LEIRecord", "OtherEntityName", "TransliteratedOtherEntityName", "OtherAddress")
    more = ("TransliteratedOtherAddress", "LegalEntityEvent")
    with psycopg.connect(landing.dsn) as connection:
        counts = count_rows(connection, legal_entities)
    assert counts == dict(zip(legal_entities.tables, count_in(tmp_path / "lei", *names, *more), strict=True))
    assert counts["entities"] == written
    assert {row["content_date"] for row in cut["entities"]} == {"2026-11-20T00:00:00Z"}
    landing.forget_everything(legal_entities)
    assert landing.run(legal_entities, DAY) is None
    assert landing.tables(legal_entities) == cut


def test_small_files_are_packed_together(bank_statements: Feed, landing: Landing, tmp_path: Path) -> None:
    """Hundreds of files are a few batches, and every record is there."""
    write_statements(tmp_path / "camt", files=300, day=DAY)
    landing.put(bank_statements, tmp_path / "camt", "2026-11-20")
    assert landing.run(bank_statements, DAY) is None
    assert count_batches(landing) < 10
    with psycopg.connect(landing.dsn) as connection:
        counts = count_rows(connection, bank_statements)
    expected = count_in(tmp_path / "camt", "Stmt", "Bal", "Ntry", "TxDtls")
    assert counts == dict(zip(bank_statements.tables, expected, strict=True))
