"""The generators give the same files for the same seed, and files that are what they say."""

from __future__ import annotations

import datetime as dt
import gzip
from decimal import Decimal
from pathlib import Path

import pytest
from benchmarks.generate import parse_size, write_delta, write_entities, write_statements
from lxml import etree

from benchmarks import entities, statements

DAY = dt.date(2026, 11, 20)


def test_equal_seeds_give_equal_bytes(tmp_path: Path) -> None:
    """A benchmark can be run again on the very same input."""
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_entities(tmp_path / f"{name}.xml.gz", count=20, seed=seed)
        write_statements(tmp_path / name, files=4, day=DAY, seed=seed)
    a, b, c = ((tmp_path / f"{name}.xml.gz").read_bytes() for name in "abc")
    assert a == b != c
    a, b, c = ((tmp_path / name / "statement-000003.xml").read_bytes() for name in "abc")
    assert a == b != c


def test_a_file_made_by_size_tells_its_records(tmp_path: Path) -> None:
    """The header's RecordCount is filled in at the end, when the number is known."""
    path = tmp_path / "lei.xml"
    written = write_entities(path, size=200_000)
    document = etree.parse(path)
    assert 200_000 <= path.stat().st_size < 210_000
    assert int(document.findtext("{*}LEIHeader/{*}RecordCount") or 0) == written
    assert len(list(document.iter("{*}LEIRecord"))) == written


def test_a_given_size_cannot_be_compressed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--records"):
        write_entities(tmp_path / "lei.xml.gz", size=1000)


def test_a_delta_holds_later_states_of_the_same_entities(tmp_path: Path) -> None:
    """The same LEIs, each with a newer LastUpdateDate."""
    write_entities(tmp_path / "full.xml.gz", count=30)
    assert write_delta(tmp_path / "delta.xml", count=30, every=10) == 3
    full = etree.fromstring(gzip.decompress((tmp_path / "full.xml.gz").read_bytes()))
    before = {r.findtext("{*}LEI"): r.findtext(".//{*}LastUpdateDate") or "" for r in full.iter("{*}LEIRecord")}
    assert len(before) == 30
    for record in etree.parse(tmp_path / "delta.xml").iter("{*}LEIRecord"):
        assert (record.findtext(".//{*}LastUpdateDate") or "") > before[record.findtext("{*}LEI")]


def test_leis_are_right() -> None:
    """Twenty characters whose remainder by 97 is 1 (ISO 17442), and no two the same."""
    leis = {entities.lei_of(index) for index in range(2000)}
    assert len(leis) == 2000
    for lei in leis:
        assert len(lei) == 20
        assert int("".join(str(int(character, 36)) for character in lei)) % 97 == 1


@pytest.mark.parametrize("number", range(len(statements.VERSIONS)))
def test_the_books_balance(number: int) -> None:
    """Closing is opening plus credits less debits, in every version."""
    document = etree.fromstring(statements.statement_file(7, number, DAY).encode())

    def signed(element: etree._Element) -> Decimal:
        sign = 1 if element.findtext("{*}CdtDbtInd") == "CRDT" else -1
        return sign * Decimal(element.findtext("{*}Amt") or "")

    opening, closing = map(signed, document.iter("{*}Bal"))
    assert closing == opening + sum(map(signed, document.iter("{*}Ntry")))


@pytest.mark.parametrize(("text", "size"), [("1GB", 10**9), ("1.5 mb", 1_500_000), ("20k", 20_000), ("7", 7)])
def test_sizes_are_decimal(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "1TB", "-1MB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no size"):
        parse_size(text)
