"""`sluice preview`: rows, rejects and counts of files, in plain text to a pipe."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console
from tests.tryout.trying import ORDERS, feed_with_samples, order, orders

from sluice.cli import main
from sluice.cli.rows import spell_value, tables_of

SAMPLES = {"a.xml": orders(*map(order, range(1, 9)), order(9, total="1,50")), "b.zip": {"c.xml": orders(order(10))}}


def preview(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> list[str]:
    assert main(["preview", *map(str, arguments)]) == code
    captured = capsys.readouterr()
    return (captured.err if code else captured.out).splitlines()


def cells(lines: list[str]) -> list[list[str]]:
    """What stands in the tables, line by line."""
    return [
        [cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")] for line in lines if line[0] in "│┃"
    ]


def test_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first rows of each table, child rows with the key of their record; then rejects and counts."""
    monkeypatch.chdir(tmp_path)
    folder = feed_with_samples(tmp_path, SAMPLES).folder
    lines = preview(capsys, folder, "--rows", 2)
    assert cells(lines) == [
        ["order_id", "changed_at", "customer", "total", "currency", "sender"],
        ["1", "2026-03-01", "C1", "1.50", "EUR", "ACME"],
        ["2", "2026-03-01", "C2", "1.50", "EUR", "ACME"],
        ["order_id", "_n1", "article", "color"],
        ["1", "1", "1", "red"],
        ["2", "1", "2", "red"],
    ]
    assert [line.strip() for line in lines if "rows" in line] == ["orders: 2 of 9 rows", "lines: 2 of 9 rows"]
    assert lines[-2] == (
        "orders/samples/a.xml:11: not_a_number: orders.total (Total): not a decimal number for numeric(9,2);"
        " the value is 1,50"
    )
    assert lines[-1].startswith("10 records found = 9 accepted + 1 rejected; 2 files, ")


def test_totals(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that differ stand below all else."""
    monkeypatch.chdir(tmp_path)
    totals = "totals: [{path: /Orders/Sum, sums: orders.total}, {path: /Orders/Other, counts: orders, required: false}]"
    content = orders(order(1)).replace("</Orders>", "<Sum>2</Sum></Orders>")
    folder = feed_with_samples(tmp_path, {"a.xml": content}, ORDERS + totals).folder
    told = "orders/samples/a.xml: /Orders/Sum is not the sum of orders.total; 2 stated, 1.50 found"
    assert preview(capsys, folder)[-1] == told


def test_no_colours_in_a_pipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = feed_with_samples(tmp_path, SAMPLES).folder
    assert "\x1b" not in "".join(preview(capsys, folder))


def test_lineage_and_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a row came from, of the tables that are asked for; of a child row it is the place of its record."""
    monkeypatch.chdir(tmp_path)
    folder = feed_with_samples(tmp_path, SAMPLES).folder
    header, row = cells(preview(capsys, folder, folder / "samples" / "b.zip", "--table", "lines", "--lineage"))
    told = dict(zip(header, row, strict=True))
    offset = str(orders(order(10)).index("<Order id"))
    assert told == {
        "_file": "orders/samples/b.zip", "_member": "c.xml", "_record": "1", "_offset": offset, "_line": "3",
        "order_id": "10", "_n1": "1", "article": "10", "color": "red",
    }  # fmt: skip


def test_rejects_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = {"a.xml": orders(*(order(number, total="x") for number in range(5)))}
    lines = preview(capsys, feed_with_samples(tmp_path, samples).folder, "--rejects", 2, "--rows", 0)
    assert len([line for line in lines if ": not_a_number: " in line]) == 2
    assert "… and 3 more rejects (--rejects)" in lines
    assert "orders: 0 rows" in lines


def test_sql(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as `sluice ddl`, which stays."""
    folder = feed_with_samples(tmp_path, {}).folder
    lines = preview(capsys, folder, "--sql")
    assert main(["ddl", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == lines
    assert lines[0].startswith("CREATE SCHEMA")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table", "line"], "orders has no table 'line'; did you mean 'lines'?"),
        (["nothing.xml"], "nothing.xml: there is no such file"),
        (["--explain", "a//b"], "'a//b' is no path"),
    ],
)
def test_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    folder = feed_with_samples(tmp_path, SAMPLES).folder
    (line,) = preview(capsys, folder, *arguments, code=2)
    assert message in line


def test_without_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = preview(capsys, feed_with_samples(tmp_path, {}).folder, code=2)
    assert "no files" in line


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        ("", "''"),
        ("NULL", "'NULL'"),
        (" x", "' x'"),
        ("a\nb\x1b[31m", r"a\nb\x1b[31m"),
        (True, "true"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E-10"), "0.0000000001"),
        (["a", None, ""], "[a, NULL, '']"),
        ([], "[]"),
        (dt.datetime(2026, 3, 1, 6, tzinfo=dt.UTC), "2026-03-01 06:00:00+00:00"),
        ("x" * 400, "x" * 299 + "…"),
    ],
)
def test_values(value: object, text: str) -> None:
    """NULL, '' and the text NULL differ; nothing in a value can command the terminal."""
    assert spell_value(value) == text


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("count", [1, 5, 40])
def test_tables_fit(width: int, count: int) -> None:
    """A table is as wide as the terminal at most; one with too many columns lies on its side, with every name whole."""
    columns = [f"column_{number}" for number in range(count)]
    rows = [dict.fromkeys(columns, "long value " * 20), dict.fromkeys(columns, None), dict.fromkeys(columns, 1)]
    console = Console(width=width)
    with console.capture() as capture:
        for table in tables_of("things", rows, columns, width):
            console.print(table)
    text = capture.get()
    assert max(map(len, text.splitlines())) <= width
    assert all(name in text for name in columns)
    assert "…" in text
