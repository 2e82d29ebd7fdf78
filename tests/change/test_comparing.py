"""`sluice diff` against another feed file: what is said of each kind of change, and what it does to the tables."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.feed_language.conftest import ORDERS

from sluice.change.comparing import compare_files, compare_mappings
from sluice.cli import main
from sluice.feed.casts import CUTS, FAILS, READS, ROUNDS, ROUNDS_TEXT, SHIFTS, SPELLS, cast_risk
from sluice.feed.loading import load_feed
from sluice.feed.mapping import mapping_document

GOLDEN = Path(__file__).with_name("changed_orders.txt")
NOTES = ORDERS[ORDERS.index("  notes:") : ORDERS.index("rejects:")]
DECIDING = {
    "namespace": (
        "[urn:shop:1, urn:shop:2]",
        "[urn:shop:1]",
        "namespaces.default: urn:shop:1, urn:shop:2 → urn:shop:1",
    ),
    "record": ("record: /Orders/Order", "record: /Orders/Request", "orders: record /Orders/Order → /Orders/Request"),
    "key": ("key: id", "key: [id, revision]", "orders: key id → id, revision"),
    "version": ("[changed, revision]", "[revision]", "orders: version changed, revision → revision"),
    "path": ("sku: Sku", "sku: Code", "lines.sku: path Sku → Code"),
    "paths": ("[Name, Label]", "[Label, Name]", "lines.name: path Name, Label → Label, Name"),
    "type": ('"text[]"', '"bigint[]"', "orders.codes: type text[] → bigint[]"),
    "required": (", required: true", "", "notes.author: required true → false"),
    "null": ('["", n/a]', "[n/a]", "orders.revision: null , n/a → n/a"),
    "zone": (", timezone: UTC}", "}", "orders.changed: timezone UTC → none"),
    "rows": ("rows: Note", "rows: Remark", "notes: rows Note → Remark"),
    "new column": (
        "sku: Sku",
        "sku: Sku\n      size: {path: [Size, S], default: x}",
        "lines.size: new, text from Size, else S, default x",
    ),
    "column gone": ('      codes: {path: Code, type: "text[]"}\n', "", "orders.codes: gone, was text[] from Code"),
    "column renamed": ("      sku: Sku", "      article: Sku", "lines.article: renamed, was sku"),
    "limit of a record": ("rejects:", "max_record_bytes: 2048\nrejects:", "max_record_bytes: 16777216 → 2048"),
    "quota": ("rejects:", "quotas: {max_depth: 64}\nrejects:", 'quotas: none → {"max_depth": 64}'),
    "new table": (
        "rejects:",
        "  gifts:\n    parent: orders\n    rows: Gift\n    columns: {name: Name}\nrejects:",
        "gifts: new: a table of 1 column, a row per Gift of orders",
    ),
    "table gone": (NOTES, "", "notes: gone: the table, with its 2 columns"),
    "table renamed": ("  notes:\n", "  remarks:\n", "remarks: renamed, was notes"),
}
INDIFFERENT = {
    "description": ("The orders of all shops.", "All orders.", "description: The orders of all shops. → All orders."),
    "of a column": (
        ", description: What the buyer's bank pays.",
        "",
        "orders.total.description: What the buyer's bank pays. → none",
    ),
    "cron": ("30 5 *", "30 6 *", "schedule.cron: 30 5 * * mon-fri → 30 6 * * mon-fri"),
    "source": ("settle_seconds: 60", "settle_seconds: 5", "source.settle_seconds: 60 → 5"),
    "schema": ("schema: sales", "schema: shop", "target.schema: sales → shop"),
    "limits": ("max_share: 0.1", "max_share: 0.2", "rejects.max_share: 0.1 → 0.2"),
    "indexes": (
        "indexes: [total, [ordered_on, total]]",
        "indexes: [total]",
        'orders.indexes: [["total"], ["ordered_on", "total"]] → [["total"]]',
    ),
}


def spelled(changes: object) -> list[str]:
    return [f"{change.place}: {change.text}" for change in changes]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("old", "new", "told"), DECIDING.values(), ids=DECIDING)
def test_what_decides_rows(change_feed: Callable[..., object], old: str, new: str, told: str) -> None:
    before, after = (mapping_document(feed) for feed in (change_feed(), change_feed((old, new))))  # type: ignore[arg-type]
    assert spelled(compare_mappings(before, after)) == [told]
    assert compare_mappings(before, before) == []


def test_expectations(change_feed: Callable[..., object]) -> None:
    """One that says something else is gone, and another new; what is reported only decides nothing."""
    before = change_feed()
    after = change_feed(
        ("not_be_null: {column: ordered_on}", "not_be_null: {column: total}"), ("min_value: 0", "min_value: 1")
    )
    documents = [mapping_document(feed) for feed in (before, after)]  # type: ignore[arg-type]
    name = "expect_column_values_to_not_be_null"
    assert spelled(compare_mappings(*documents)) == [
        f'orders: expectation gone: {name} {{"column": "ordered_on"}}',
        f'orders: expectation new: {name} {{"column": "total"}}',
    ]
    assert [line[:32] for line in spelled(compare_files(before, after))] == [  # type: ignore[arg-type]
        "orders: reported expectation gon",
        "orders: reported expectation new",
    ]


def test_expectations_of_the_run(change_feed: Callable[..., object]) -> None:
    before, after = change_feed(), change_feed(("{min_value: 1}", "{min_value: 2}"))
    rule = "orders: expect_table_row_count_to_be_between"
    assert spelled(compare_files(before, after)) == [  # type: ignore[arg-type]
        f'run: expectation gone: {rule} {{"min_value": 1}}',
        f'run: expectation new: {rule} {{"min_value": 2}}',
    ]


@pytest.mark.parametrize(("old", "new", "told"), INDIFFERENT.values(), ids=INDIFFERENT)
def test_what_decides_no_rows(change_feed: Callable[..., object], old: str, new: str, told: str) -> None:
    before, after = change_feed(), change_feed((old, new))
    assert spelled(compare_files(before, after)) == [told]  # type: ignore[arg-type]
    assert compare_mappings(mapping_document(before), mapping_document(after)) == []  # type: ignore[arg-type]


def test_what_may_be_two_things_is_no_rename(change_feed: Callable[..., object]) -> None:
    """Two columns of one path: nobody knows which of them the new one is."""
    before = change_feed(("sku: Sku", "sku: Sku\n      code: Sku"))
    after = change_feed(("sku: Sku", "article: Sku"))
    documents = [mapping_document(feed) for feed in (before, after)]  # type: ignore[arg-type]
    assert "lines.article: new, text from Sku" in spelled(compare_mappings(*documents))


@pytest.mark.parametrize(
    ("old", "new", "risk"),
    [
        ("integer", "bigint", ""),
        ("integer", "numeric(12,2)", ""),
        ("bigint", "numeric(12,2)", FAILS),
        ("numeric(18,2)", "numeric(20,4)", ""),
        ("numeric(18,2)", "numeric(18,4)", FAILS),
        ("numeric(18,4)", "numeric(18,2)", ROUNDS),
        ("numeric(18,4)", "integer", ROUNDS),
        ("text", "date", READS),
        ("text", "timestamptz", READS),
        ("text", "numeric(18,2)", ROUNDS_TEXT),
        ("text", "integer", FAILS),
        ("text[]", "text", SPELLS),
        ("date", "text", ""),
        ("date", "timestamp", ""),
        ("timestamp", "date", CUTS),
        ("timestamptz", "date", CUTS),
        ("timestamptz", "timestamp", SHIFTS),
        ("date", "timestamptz", SHIFTS),
        ("text", "text[]", FAILS),
        ("integer[]", "bigint[]", ""),
    ],
)
def test_what_a_change_of_type_does_to_values(old: str, new: str, risk: str) -> None:
    assert cast_risk(old, new) == risk


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def two(write_feed: Callable[..., Path], tmp_path: Path) -> tuple[str, Path]:
    """The present feed, and the file that it was before."""
    old = tmp_path / "before.yaml"
    old.write_text(ORDERS)
    text = ORDERS.replace('"numeric(18, 2)"', '"numeric(20, 0)"').replace("sku: Sku", "article: Sku\n      size: Size")
    text = text.replace("indexes: [total, ", "indexes: [revision, ").replace("max_share: 0.1", "max_share: 0.2")
    return str(write_feed(text.replace("description: One order.", "description: An order."))), old


def test_another_file(two: tuple[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Golden: what is changed, what the next run does, what it refuses, what stays and what has another name."""
    assert main(["diff", two[0], "--against", str(two[1])]) == 1
    assert capsys.readouterr().out.replace(str(two[1]), "before.yaml") == GOLDEN.read_text()


def test_standard_input(
    two: tuple[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the file of another commit need not be written anywhere."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(two[1].read_bytes())))
    assert main(["diff", two[0], "--against", "-"]) == 1
    assert capsys.readouterr().out.replace("standard input", "before.yaml") == GOLDEN.read_text()


def test_what_is_no_text_on_standard_input(
    two: tuple[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"feed: \xff\xfe")))
    assert main(["diff", two[0], "--against", "-"]) == 1
    assert "not UTF-8" in capsys.readouterr().err


def test_nothing_of_tables_with_another_key_is_to_be_dropped(
    write_feed: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are moved away, or the key has another name: there a DROP would take what tells rows apart."""
    text = (write_feed() / "feed.yaml").read_text()
    other = tmp_path / "before.yaml"
    other.write_text(text.replace("key: id", "key: number").replace("      id:", "      number:"))
    assert main(["diff", str(tmp_path / "orders"), "--against", str(other)]) == 1
    out = capsys.readouterr().out
    assert "RENAME COLUMN" in out
    assert "DROP" not in out


def test_the_same(write_feed: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Against its own folder nothing is changed."""
    folder = str(write_feed())
    assert main(["diff", folder, "--against", folder]) == 0
    out = capsys.readouterr().out
    assert "the mapping is the same" in out
    assert "are in step" in out


def test_mistakes_of_the_other_file_are_told_with_their_place(
    two: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    two[1].write_text(ORDERS.replace("record:", "recrod:"))
    assert main(["diff", two[0], "--against", str(two[1])]) == 1
    assert "before.yaml:" in capsys.readouterr().err


def test_xsd_files_beside_another_file(
    write_feed: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file alone has none; those of the feed stand for them. A folder has its own."""
    text = ORDERS.replace("tables:", "xsd: {files: order.xsd}\ntables:", 1)
    folder, other = write_feed(text), tmp_path / "other"
    other.mkdir()
    for place, content in ((folder, "<a/>"), (other, "<b/>")):
        (place / "feed.yaml").write_text(text)
        (place / "order.xsd").write_text(content)
    (tmp_path / "alone.yaml").write_text(text)
    assert main(["diff", str(folder), "--against", str(tmp_path / "alone.yaml")]) == 0
    assert "the XSD files are taken to be the same" in capsys.readouterr().out
    assert main(["diff", str(folder), "--against", str(other)]) == 0
    assert "xsd.sha256.order.xsd" in capsys.readouterr().out
    (other / "order.xsd").unlink()
    assert main(["diff", str(folder), "--against", str(other)]) == 1
    assert "an XSD cannot be read" in capsys.readouterr().err


def test_another_schema_has_no_tables_yet(
    write_feed: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "before.yaml").write_text(ORDERS.replace("schema: sales", "schema: shop"))
    assert main(["diff", str(write_feed()), "--against", str(tmp_path / "before.yaml")]) == 0
    assert 'CREATE TABLE IF NOT EXISTS "sales"."orders"' in capsys.readouterr().out
    assert load_feed(tmp_path / "orders").schema_name == "sales"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (" orders:\n", " requests:\n"),
        ("  notes:\n", "  remarks:\n"),
        ("sku: Sku", "article: Sku"),
    ],
    ids=["root table", "child table", "column"],
)
def test_what_seems_to_be_renamed_stops_a_pipeline(
    write_feed: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
) -> None:
    """Nothing refuses it: the next run would begin it anew, empty, beside the rows that are there."""
    text = ORDERS.replace(old, new)
    text = text.replace("parent: orders", "parent: requests") if "requests" in new else text
    (tmp_path / "before.yaml").write_text(ORDERS)
    assert main(["diff", str(write_feed(text)), "--against", str(tmp_path / "before.yaml")]) == 1
    out = capsys.readouterr().out
    assert "Dangerous: only the name seems to be new." in out
    assert "Refused" not in out
