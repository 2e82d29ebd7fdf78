"""The command: what it writes, what it never writes over, and what it says where it cannot draft."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
import yaml
from tests.feeds import test_golden
from tests.feeds.conftest import Landing

from sluice.cli import main
from sluice.draft import records
from sluice.draft.drafting import RecordUnclear
from sluice.draft.making import Request, make_draft
from sluice.feed.loading import load_feed

ORDERS = "".join(
    f"<Order id='{n}' rev='{n % 3}'><Changed>2026-03-{n + 1:02}T10:00:00Z</Changed><Total>{n}.50</Total>"
    f"<Line><Sku>S{n}</Sku><Qty>2</Qty></Line><Line><Sku>T{n}</Sku><Qty>3</Qty></Line>"
    "<Tag>a</Tag><Tag>b: c</Tag></Order>"
    for n in range(20)
)


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Samples of orders; feeds go to a folder of this test."""
    monkeypatch.setenv("SLUICE_FEEDS", str(tmp_path / "include" / "feeds"))
    (tmp_path / "tests" / "feeds").mkdir(parents=True)
    path = tmp_path / "in" / "orders.xml"
    path.parent.mkdir()
    path.write_text(f"<?xml version='1.0' encoding='ISO-8859-1'?>\n<Orders>{ORDERS}</Orders>")
    return path


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_draft_is_a_feed_with_samples_notes_and_a_golden_case(orders: Path, tmp_path: Path) -> None:
    assert main(["draft", "orders", str(orders)]) == 0
    assert files_below(tmp_path / "include/feeds/orders") == {
        "feed.yaml", "NOTES.md", "samples/2026-01-01/orders.xml",
    }  # fmt: skip
    assert files_below(tmp_path / "tests/feeds/orders") == {"ddl.sql", "drafted/case.yaml"}
    feed = load_feed(tmp_path / "include/feeds/orders")
    assert (feed.tables["orders"].key, feed.tables["orders"].version) == (("id",), ("changed",))
    assert main(["check", str(feed.folder)]) == 0


@pytest.mark.parametrize("is_keyless", [False, True])
def test_the_golden_case_is_what_postgresql_gives(
    orders: Path, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch, is_keyless: bool
) -> None:
    """The rows that the draft was made with are those that a run loads."""
    if is_keyless:
        orders.write_text(orders.read_text().replace("id=", "kind="))
    assert main(["draft", "orders", str(orders)]) == 0
    (tmp_path / "landing").mkdir()
    monkeypatch.setenv("SLUICE_LANDING", str(tmp_path / "landing"))
    path = tmp_path / "tests/feeds/orders/drafted/case.yaml"
    feed = load_feed(tmp_path / "include/feeds/orders")
    assert bool(feed.tables["orders"].key) != is_keyless
    landing = Landing(tmp_path / "landing", tmp_path / "work", database)
    case = test_golden.read_case(path)
    test_golden.put_input(landing, path, case)
    test_golden.run_case(landing, path, case)
    assert landing.rejects(feed) == []
    assert landing.tables(feed) == case["tables"]
    assert test_golden.spell_totals(landing.totals(feed)) == case["totals"]
    assert len(case["tables"]["orders"]) == 5


def test_a_second_draft_shows_a_difference_and_writes_nothing(
    orders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["draft", "orders", str(orders)])
    feed = tmp_path / "include/feeds/orders/feed.yaml"
    mine = feed.read_text().replace("total: ", "total_price: ")
    feed.write_text(mine)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert main(["draft", "orders", str(orders)]) == 1
    shown = capsys.readouterr().out
    assert "-      total_price: " in shown
    assert "+      total: " in shown
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_draft_is_the_same_every_time(orders: Path, tmp_path: Path) -> None:
    main(["draft", "orders", str(orders), "--out", str(tmp_path / "a" / "orders")])
    main(["draft", "orders", str(orders), "--out", str(tmp_path / "b" / "orders")])
    assert files_below(tmp_path / "a") == files_below(tmp_path / "b")
    for name in files_below(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_what_cannot_be_drafted_is_said(orders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draft", "Orders", str(orders)]) == 1
    assert main(["draft", "orders"]) == 1
    assert main(["draft", "orders", str(tmp_path / "nothing")]) == 1
    assert main(["draft", "orders", str(orders), "--record", "/Orders/Ordre"]) == 1
    told = capsys.readouterr().err
    for text in (
        "is no name of a feed",
        "give samples, an XSD, or both",
        "there is no such file",
        "no element /Orders/Ordre",
    ):
        assert text in told


@pytest.mark.parametrize("with_xsd", [False, True])
def test_samples_that_are_all_malformed_give_no_draft(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], with_xsd: bool
) -> None:
    """Which files, and where in them, is said; one sound sample is enough for a draft."""
    samples, out, xsd = tmp_path / "in", tmp_path / "os", tmp_path / "o.xsd"
    samples.mkdir()
    xsd.write_text("<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:element name='Os'/></xs:schema>")
    (samples / "a.xml").write_text("<Os><O id='1'><A>1</A></O>\n<O id='2'><A>2</B></O></Os>")
    with zipfile.ZipFile(samples / "b.zip", "w") as archive:
        archive.writestr("m.xml", "<Os>\n\n<O id='1'>")
    command = ["draft", "os", str(samples), "--out", str(out), *(["--xsd", str(xsd)] if with_xsd else [])]
    assert main(command) == 1
    told = capsys.readouterr().err.partition("nothing is drafted")[2]
    assert f"{samples}/a.xml: line 2: " in told
    assert f"{samples}/b.zip!m.xml: line 3: " in told
    assert not out.exists()
    (samples / "c.xml").write_text("<Os><O id='1'><A>1</A></O></Os>")
    assert main(command) == 0


def test_odd_values_are_written_as_yaml_that_reads_the_same(tmp_path: Path) -> None:
    odd = ["yes", "1", "a: b", "- x", "# no", "'q'", '"d"', "é\u0085x", "{a}", "null", "~", "a, b", "\\n", "x\ty"]
    rows = "".join(f"<R><V>{text.replace('&', '&amp;')}</V></R>" for text in odd * 5)
    (tmp_path / "a.xml").write_text(f"<Rs><!-- x -->{rows}</Rs>", encoding="utf-8")
    assert main(["draft", "odd", str(tmp_path / "a.xml"), "--out", str(tmp_path / "odd")]) == 0
    written = yaml.safe_load((tmp_path / "odd/feed.yaml").read_text())
    (expectation,) = next(iter(written["tables"].values()))["expectations"]
    assert expectation["expect_column_values_to_be_in_set"]["value_set"] == sorted(odd)


def test_where_nothing_decides_a_person_does(
    orders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At a terminal the command asks; elsewhere it lists the candidates and drafts nothing."""
    monkeypatch.setattr(records, "_all_signs", lambda *_: iter(()))
    assert main(["draft", "orders", str(orders)]) == 1
    assert "/Orders/Order: 20 seen, " in capsys.readouterr().err
    folder = tmp_path / "include/feeds/orders"
    assert not folder.exists()
    request = Request("orders", (str(orders),), (), (), folder)
    asked: list[tuple[str, ...]] = []

    def answer(paths: tuple[str, ...]) -> str:
        asked.append(paths)
        return "/Orders/Order/Line"

    assert make_draft(request, print, print, answer) == 0
    assert "/Orders/Order" in asked[0]
    assert next(iter(load_feed(folder).tables.values())).record == "/Orders/Order/Line"


def test_nobody_is_asked_where_no_record_is_the_answer(tmp_path: Path) -> None:
    """Documents of many kinds are many feeds."""
    for kind in "ABCDE":
        (tmp_path / f"{kind}.xml").write_text(f"<{kind}><X/></{kind}>")
    request = Request("many", (str(tmp_path),), (), (), tmp_path / "out" / "many")
    with pytest.raises(RecordUnclear, match="make a feed of each"):
        make_draft(request, print, print, lambda _: pytest.fail("asked"))


def test_whoever_is_asked_sees_the_candidates(orders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_all_signs", lambda *_: iter(()))
    told: list[str] = []
    request = Request("orders", (str(orders),), (), (), tmp_path / "include/feeds/orders")
    assert make_draft(request, told.append, print, lambda _: "/Orders/Order") == 0
    assert "/Orders/Order: 20 seen, " in told[0]


def test_notes_of_a_person_are_not_written_over(orders: Path, tmp_path: Path) -> None:
    folder = tmp_path / "include/feeds/orders"
    folder.mkdir(parents=True)
    (folder / "NOTES.md").write_text("mine")
    assert main(["draft", "orders", str(orders)]) == 0
    assert (folder / "NOTES.md").read_text() == "mine"
    assert (folder / "NOTES-2.md").read_text().startswith("# orders: notes on the draft")


def test_a_second_draft_that_is_the_same_says_so(orders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draft", "orders", str(orders)]) == 0
    capsys.readouterr()
    assert main(["draft", "orders", str(orders)]) == 0
    assert "a new draft would be the same" in capsys.readouterr().out


def test_a_folder_of_another_name_is_refused_before_anything_is_written(
    orders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["draft", "orders", str(orders), "--out", str(tmp_path / "other")]) == 1
    assert "other/orders" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_the_golden_case_follows_a_changed_feed(
    orders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["draft", "orders", str(orders)]) == 0
    file, cases = tmp_path / "include/feeds/orders/feed.yaml", tmp_path / "tests/feeds/orders"
    file.write_text(file.read_text().replace("      total:", "      amount:"))
    assert main(["draft", "orders", "--golden"]) == 0
    assert "amount: " in (cases / "drafted/case.yaml").read_text()
    assert '"amount"' in (cases / "ddl.sql").read_text()
    file.write_text(file.read_text().replace("path: Changed", 'path: "@id"'))
    assert main(["draft", "orders", "--golden"]) == 1
    assert "rejects records of its samples" in capsys.readouterr().err


def test_archives_in_archives_are_read_by_the_draft_as_by_its_feed(orders: Path, tmp_path: Path) -> None:
    inner = orders.parent / "inner.zip"
    with zipfile.ZipFile(inner, "w") as archive:
        archive.write(orders, "orders.xml")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(inner, "inner.zip")
    assert main(["draft", "orders", str(tmp_path / "outer.zip")]) == 0
    assert load_feed(tmp_path / "include/feeds/orders").quotas.max_nesting == 2
    assert main(["check", "orders", "--samples", str(tmp_path / "outer.zip"), "--strict"]) == 0


def test_one_of_anything_is_told_as_one_and_signs_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.xml").write_text("<Letters from='x'><Letter><Id>1</Id><Note/></Letter></Letters>")
    arguments = [str(tmp_path / "a.xml"), "--out", str(tmp_path / "letters"), "--record", "/Letters/Letter"]
    assert main(["draft", "letters", *arguments]) == 0
    told = capsys.readouterr().err
    assert ": 1 table, 3 columns; 1 record in the samples, 0 faults" in told
    notes = (tmp_path / "letters/NOTES.md").read_text()
    assert "Drafted from 1 file with 1 document, " in notes
    assert "1 record was found in the samples, and none was rejected." in notes
    assert "A sign with +" not in notes
    (tmp_path / "a.xml").write_text(f"<Os a='1'>{'<O><Id>1</Id></O>' * 20}</Os>")
    assert main(["draft", "os", str(tmp_path / "a.xml"), "--out", str(tmp_path / "os")]) == 0
    notes = (tmp_path / "os/NOTES.md").read_text()
    assert "1 different value outside of what repeats (+1)" in notes
    assert "A sign with + speaks for what repeats as the record, one with - for the document" in notes
    for text in (told, notes):
        assert not re.search(r"\b1 (times|tables|columns|records|files|documents|values)\b", text)
