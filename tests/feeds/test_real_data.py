"""What real banks and the real register send: files of other projects that are not part of this one.

They are read from ``../shared/data`` beside the repository; without that folder these tests are skipped. The expected
values are counted in the files by lxml alone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from lxml import etree
from tests.feeds.conftest import Landing
from tests.feeds.tables import Row, count_rows

from sluice.feed.loading import load_feed
from sluice.feed.model import Feed

DATA = Path(__file__).parents[3] / "shared" / "data"
ISO20022, GLEIF = DATA / "iso20022", DATA / "gleif"
CAMT_053 = "urn:iso:std:iso:20022:tech:xsd:camt.053.001."
CAMT_TABLES = {"balances": "{*}Bal", "entries": "{*}Ntry", "transactions": "{*}Ntry/{*}NtryDtls/{*}TxDtls"}

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not on this machine")


def with_xsds(feed: Feed, folder: Path, sources: list[Path], *, of: list[str]) -> Feed:
    """A copy of the feed in ``folder`` that checks records against XSDs, which are copied there."""
    target = folder / feed.feed
    (target / "xsd").mkdir(parents=True)
    for source in sources:
        shutil.copyfile(source, target / "xsd" / source.name)
    files = ", ".join(f"xsd/{name}" for name in of)
    (target / "feed.yaml").write_text((feed.folder / "feed.yaml").read_text() + f"\nxsd:\n  files: [{files}]\n")
    return load_feed(target)


@pytest.fixture
def checked_statements(bank_statements: Feed, tmp_path: Path) -> Feed:
    sources = sorted((ISO20022 / "xsd").glob("camt.053.*.xsd"))
    return with_xsds(bank_statements, tmp_path, sources, of=[path.name for path in sources])


@pytest.fixture
def checked_entities(legal_entities: Feed, tmp_path: Path) -> Feed:
    sources = sorted((GLEIF / "xsd").glob("*.xsd"))
    return with_xsds(legal_entities, tmp_path, sources, of=["2017-03-21_lei-cdf-v2-1.xsd"])


def bank_files() -> list[Path]:
    return sorted([*(ISO20022 / "genkgo").glob("*.xml"), *(ISO20022 / "moov").iterdir()])


def land_bank_files(landing: Landing, feed: Feed) -> None:
    """All files under one modification time, so that versions of a statement are ordered by content, then by name."""
    for path in bank_files():
        name = f"{path.parent.name}/{path.name}"
        landing.put(feed, path, name)
        os.utime(landing.root / feed.feed / name, (1_700_000_000, 1_700_000_000))


def is_statement(path: Path) -> bool:
    return str(etree.QName(etree.parse(path).getroot()).namespace).startswith(CAMT_053)


def valid_statements() -> Iterator[etree._Element]:
    """The statements of all camt.053 files that their XSD accepts, in the order of the files' names."""
    for path in filter(is_statement, bank_files()):
        document = etree.parse(path)
        version = str(etree.QName(document.getroot()).namespace).rpartition(":")[2]
        if etree.XMLSchema(etree.parse(ISO20022 / "xsd" / f"{version}.xsd")).validate(document):
            yield from document.iter("{*}Stmt")


def key_of(statement: etree._Element) -> tuple[str | None, ...]:
    """What tells these statements apart; they all close on one day and in one currency per account and id."""
    page = statement.findtext("{*}StmtPgntn/{*}PgNb") or statement.findtext("../{*}GrpHdr/{*}MsgPgntn/{*}PgNb")
    account = statement.findtext("{*}Acct/{*}Id/{*}IBAN") or statement.findtext("{*}Acct/{*}Id/{*}Othr/{*}Id")
    closing = statement.xpath("*[local-name()='Bal'][.//*[local-name()='Cd']='CLBD']")
    balance = [*closing, *statement.findall("{*}Bal")][0]
    day = balance.findtext("{*}Dt/{*}Dt") or balance.findtext("{*}Dt/{*}DtTm") or ""
    currency = statement.findtext("{*}Acct/{*}Ccy") or balance.find("{*}Amt").get("Ccy")
    return account, currency, day[:10], statement.findtext("{*}Id"), page or "1"


def winners() -> dict[tuple[str | None, ...], etree._Element]:
    """The last statement of each key. Those with equal keys were created at the same instant, so the name decides."""
    return {key_of(statement): statement for statement in valid_statements()}


def amounts_in(rows: list[Row]) -> list[Decimal]:
    """All amounts of statements as loaded, with those of their balances, entries and transactions."""
    found = []
    for row in rows:
        found += [Decimal(row["amount"])] if "amount" in row else []
        found += amounts_in([*row.get("balances", []), *row.get("entries", []), *row.get("transactions", [])])
    return found


def test_every_valid_statement_is_loaded(checked_statements: Feed, landing: Landing) -> None:
    """Each camt.053 record that its XSD accepts is loaded with all its children; equal keys supersede one another."""
    land_bank_files(landing, checked_statements)
    landing.run_all(checked_statements)
    found, expected = list(valid_statements()), winners()
    assert len(found) == 15
    totals = landing.totals(checked_statements)
    assert (totals.loaded, totals.quarantined, totals.counts.superseded) == (15, 0, 15 - len(expected))
    with psycopg.connect(landing.dsn) as connection:
        counts = count_rows(connection, checked_statements)
    children = {table: sum(len(s.findall(path)) for s in expected.values()) for table, path in CAMT_TABLES.items()}
    assert counts == {"statements": len(expected), **children}
    keys = {
        tuple(row[name] for name in checked_statements.tables["statements"].key)
        for row in landing.tables(checked_statements)["statements"]
    }
    assert keys == set(expected)


def amounts_written(statements: Iterable[etree._Element]) -> list[Decimal]:
    texts: list[str | None] = []
    for statement in statements:
        texts += [amount.text for path in ("{*}Bal/{*}Amt", "{*}Ntry/{*}Amt") for amount in statement.findall(path)]
        for transaction in statement.findall(CAMT_TABLES["transactions"]):
            texts.append(transaction.findtext("{*}Amt") or transaction.findtext("{*}AmtDtls/{*}TxAmt/{*}Amt"))
    return sorted(Decimal(text) for text in texts if text)


def test_amounts_keep_every_decimal(bank_statements: Feed, landing: Landing) -> None:
    """Also without an XSD, as the feed is delivered (that five decimals stay five, the golden cases show)."""
    land_bank_files(landing, bank_statements)
    landing.run_all(bank_statements)
    assert sorted(amounts_in(landing.tables(bank_statements)["statements"])) == amounts_written(winners().values())


def test_other_files_are_quarantined_with_a_reason(checked_statements: Feed, landing: Landing) -> None:
    """A file of another kind names its own root element and namespace; the statement without statements says that."""
    land_bank_files(landing, checked_statements)
    error = landing.run_all(checked_statements)
    with psycopg.connect(landing.dsn) as connection:
        query = "SELECT f.uri, q.code, q.message FROM sluice.quarantine q JOIN sluice.files f USING (file_id)"
        reasons = {uri.rpartition("/")[2]: (code, message) for uri, code, message in connection.execute(query)}
    code, message = reasons.pop("camt053.v2.wrong.xml")
    assert code == "no_records"
    assert "holds no <Stmt>" in message
    assert "Missing child element(s). Expected is ( Stmt )" in message  # with an XSD, what that says as well
    others = [path for path in bank_files() if not is_statement(path)]
    assert set(reasons) == {path.name for path in others}
    for path in others:
        root = etree.QName(etree.parse(path).getroot())
        code, message = reasons[path.name]
        assert code == "wrong_document"
        assert (
            f"<{root.localname}> in {f'namespace {root.namespace!r}' if root.namespace else 'no namespace'}" in message
        )
    assert f"{len(others) + 1} files quarantined" in (error or "")


def test_an_xsd_names_what_is_wrong(checked_statements: Feed, landing: Landing) -> None:
    """With an XSD a bad amount is rejected by it, in its own record; a version without an XSD is rejected as well."""
    landing.put(checked_statements, Path(__file__).parents[2] / "include/feeds/bank_statements/samples")
    landing.run_all(checked_statements)
    rejects = {
        (row["file"], row.get("member"), row["record"]): row["reasons"] for row in landing.rejects(checked_statements)
    }
    assert "xsd_invalid" in rejects["2026-11-20/aurora-099.xml", None, "2"]
    assert {place for place, reasons in rejects.items() if reasons == ["xsd_invalid"]} >= {
        ("2026-11-20/donau-5120.zip", "donau/5120-1.xml", "1"),
        ("2026-11-20/donau-5120.zip", "donau/5120-2.xml", "1"),
        ("2026-11-20/rhodope.xml", None, "1"),
    }
    assert len(rejects) == 4


def test_the_register_is_loaded(checked_entities: Feed, landing: Landing) -> None:
    """Ten real entities, valid by the official XSD, with their names and addresses in other languages."""
    source = next(GLEIF.glob("*.xml"))
    landing.put(checked_entities, source, "2018-09-01/lei.xml")
    assert landing.run_all(checked_entities) is None
    records = list(etree.parse(source).iter("{*}LEIRecord"))
    rows = landing.tables(checked_entities)["entities"]
    assert len(records) == len(rows) == 10
    by_lei = {row["lei"]: row for row in rows}
    for record in records:
        row = by_lei[record.findtext("{*}LEI")]
        assert row["legal_name"] == record.findtext("{*}Entity/{*}LegalName")
        assert row["content_date"] == "2018-09-01T09:00:01Z"
        names = [name.text for name in record.iter("{*}OtherEntityName")]
        assert [name["name"] for name in row.get("other_names", [])] == names
        cities = [address.findtext("{*}City") for address in record.iter("{*}OtherAddress")]
        assert [address["city"] for address in row.get("other_addresses", [])] == cities
