"""The commands about the quarantine, as a person at a terminal uses them."""

from __future__ import annotations

import json

import pytest
from tests.small_feeds import ITEMS, Ground, item, items

from sluice.cli import main

STRICT = ITEMS.replace("name: Name", "name: {path: Name, required: true, null: [bad]}")


@pytest.fixture
def desk(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """One bad record of two, one file that is cut off; the commands find the feed and its warehouse."""
    monkeypatch.setenv("SLUICE_WAREHOUSE", ground.dsn)
    monkeypatch.setenv("SLUICE_WORK", ground.work.root)
    monkeypatch.setenv("SLUICE_FEEDS", str(ground.root / "feeds"))
    ground.put("a.xml", items(item("a"), item("b", name="bad")))
    ground.put("b.xml", items(item("c"))[:-4])
    ground.run(ground.feed(STRICT))
    return ground


def test_quarantine_shows_what_is_wrong_and_where(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    """How many of each code, then each entry with file, record, line, bytes and reason; values only if asked for."""
    assert main(["quarantine", "items"]) == 0
    told = capsys.readouterr().out
    assert "1  required_missing" in told
    assert f"{desk.uri('a.xml')}: record 2, line 1, bytes" in told
    assert "items.name (Name): " in told
    assert f"{desk.uri('b.xml')}: all of it (1 records)" in told
    assert "<Name>" not in told
    main(["quarantine", "items", "--code", "required_missing", "--raw"])
    told = capsys.readouterr().out
    assert "<Name>bad</Name>" in told
    assert "truncated" not in told
    main(["quarantine", "items", "--file", "a.xml", "--json"])
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["ordinal"], entry["state"], entry["reasons"][0]["column"]) == (2, "open", "name")
    assert main(["quarantine", "items", "--since", "2100-01-01"]) == 0
    assert "nothing of items" in capsys.readouterr().out


def test_what_a_sender_has_written_commands_no_terminal(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences and turned text are spelled out; lines, tabs and letters stay."""
    desk.put("c.xml", items(item("d", name="bad", parts=[("\x9b31m\u202eÿ日", [])])))
    desk.run(desk.feed(STRICT))
    desk.sql(r"UPDATE sluice.quarantine SET raw = raw || '\x0d0a091b5d303b7407'::bytea")
    main(["quarantine", "items", "--file", "c.xml", "--raw"])
    told = capsys.readouterr().out
    assert '<Part code="\\x9b31m\\u202eÿ日"></Part></Item>\n    | \t\\x1b]0;t\\x07\n' in told
    assert all(character.isprintable() or character in "\n\t" for character in told)


def test_replay_says_how_many_passed(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    desk.feed(ITEMS)
    assert main(["replay", "items", "--dry-run"]) == 0
    assert "1 of 2 passed; 1 stay" in capsys.readouterr().out
    assert main(["replay", "items", "--code", "required_missing"]) == 0
    assert "1 of 1 passed\n" in capsys.readouterr().out
    assert desk.sql("SELECT code, state FROM sluice.quarantine ORDER BY 1") == [
        ("required_missing", "replayed"),
        ("truncated", "open"),
    ]


def test_dismiss_needs_to_know_which_and_why(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dismiss", "items", "--note", "all"]) == 1
    assert "say which" in capsys.readouterr().err
    assert main(["dismiss", "items", "--code", "truncated", "--note", "sent again as c.xml"]) == 0
    assert "1 entry dismissed" in capsys.readouterr().out
    main(["quarantine", "items", "--state", "dismissed"])
    assert "note: sent again as c.xml" in capsys.readouterr().out


def test_release_lets_the_next_run_load_what_is_held(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLUICE_WAREHOUSE", ground.dsn)
    feed = ground.feed(STRICT, more="publish: run\nrejects: {max_records: 0}")
    ground.put("a.xml", items(item("a"), item("b", name="bad")))
    assert ground.run(feed) is not None
    assert main(["release", "items", "--note", "agreed"]) == 0
    assert "1 part released" in capsys.readouterr().out
    assert ground.run(feed) is None
    assert len(ground.tables(feed)["items"]) == 1


def test_without_a_ledger_the_commands_say_so(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLUICE_WAREHOUSE", ground.dsn)
    assert main(["quarantine", "items"]) == 1
    assert "no ledger" in capsys.readouterr().err


def test_a_feed_that_nobody_knows_is_a_mistake(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    """A feed is known by its folder, or by what the warehouse holds of it after the folder has gone."""
    for command in (["quarantine"], ["dismiss", "--entry", "1", "--note", "n"], ["release", "--note", "n"]):
        assert main([*command, "itmes"]) == 1
        told = capsys.readouterr()
        assert told.out == ""
        assert "there is no feed 'itmes'; did you mean 'items'?" in told.err
    assert main(["quarantine", "zzz"]) == 1
    assert "there is no feed 'zzz'; there are items\n" in capsys.readouterr().err
    (desk.root / "feeds/items/feed.yaml").unlink()
    assert main(["quarantine", "items"]) == 0
    desk.feed(ITEMS, name="fresh")
    assert main(["quarantine", "fresh"]) == 0
