"""`sluice docs` prints the documentation of feeds, or writes a file for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.cli import main
from sluice.feed.documentation.html import html_page
from sluice.feed.documentation.markdown import full_page
from sluice.feed.loading import load_feed

FEEDS = Path(__file__).parents[1] / "dags" / "feeds"
ORDERS, PRICES = str(FEEDS / "orders"), str(FEEDS / "prices")


def test_markdown_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", ORDERS, PRICES]) == 0
    assert capsys.readouterr().out == f"{full_page(load_feed(Path(ORDERS)))}\n{full_page(load_feed(Path(PRICES)))}"


def test_a_page_of_html_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", ORDERS, "--format", "html"]) == 0
    assert capsys.readouterr().out == html_page(load_feed(Path(ORDERS)))


def test_several_pages_of_html_need_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", ORDERS, PRICES, "--format", "html"]) == 1
    assert "--out FOLDER" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "written"),
    [("markdown", ["orders.md", "prices.md"]), ("html", ["index.html", "orders.html", "prices.html"])],
)
def test_all_feeds_into_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str, written: list[str]
) -> None:
    """The folder is made; a second time writes the same."""
    monkeypatch.setenv("SLUICE_FEEDS", str(FEEDS))
    out = tmp_path / "site" / "feeds"
    for _ in range(2):
        assert main(["docs", "--format", kind, "--out", str(out)]) == 0
        assert sorted(path.name for path in out.iterdir()) == written
    assert str(out / written[-1]) in capsys.readouterr().out


def test_what_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["docs", ORDERS, "--out", str(tmp_path / "file")]) == 1
    assert "cannot be written to" in capsys.readouterr().err
