"""The commands about the quarantine, as a person at a terminal uses them."""

from __future__ import annotations

import json
import re

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
    assert f"{desk.uri('b.xml')}: all of it (1 record)" in told
    assert "<Name>" not in told
    main(["quarantine", "items", "--code", "required_missing", "--raw"])
    told = capsys.readouterr().out
    assert "<Name>bad</Name>" in told
    assert "truncated" not in told
    main(["quarantine", "items", "--file", "a.xml", "--json"])
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["ordinal"], entry["state"], entry["reasons"][0]["column"]) == (2, "open", "name")
    assert (entry["feed"], entry["closed_at"]) == ("items", None)
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


def test_raw_says_why_there_are_no_bytes(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    main(["quarantine", "items", "--code", "truncated", "--raw"])
    assert "of what is rejected whole nothing is kept" in capsys.readouterr().out
    desk.sql("UPDATE sluice.quarantine SET raw = NULL, records = CASE WHEN ordinal IS NULL THEN 0 ELSE 1 END")
    main(["quarantine", "items", "--raw"])
    told = capsys.readouterr().out
    assert "the retention has cleared its bytes away" in told
    assert "all of it (records not counted)" in told


def test_replay_speaks_of_entries(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    """Not of records: a file is one entry, whatever it holds. A dry run names them and leaves all as it is."""
    desk.feed(ITEMS)
    assert main(["replay", "items", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "1 of 2 entries would pass (1 record): 2\n1 would stay: 1\n" in told
    assert desk.sql("SELECT state FROM sluice.quarantine") == [("open",)] * 2
    assert main(["replay", "items"]) == 0
    told = capsys.readouterr().out
    assert "replay, run 3: 1 of 2 entries passed; 2 files (1 quarantined)" in told
    assert "1 of 2 entries passed (1 record); 1 stays: sluice quarantine items --run 3\n" in told
    assert desk.sql("SELECT code, state FROM sluice.quarantine ORDER BY 1") == [
        ("required_missing", "replayed"),
        ("truncated", "open"),
    ]
    main(["quarantine", "items", "--entry", "2"])
    assert re.search(r"replayed \d{4}-\d\d-\d\d \d\d:\d\d; rejected .* by run 1, mapping 1\n", capsys.readouterr().out)


def test_dismiss_needs_to_know_which_and_why(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    """And says what it has dismissed."""
    assert main(["dismiss", "items", "--note", "all"]) == 1
    assert "say which" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["dismiss", "items", "--code", "truncated", "--note", "  "])
    assert "say something" in capsys.readouterr().err
    assert main(["dismiss", "items", "--code", "truncated", "--note", "sent again as c.xml"]) == 0
    told = capsys.readouterr().out
    assert "1 entry dismissed" in told
    assert f"    1  {desk.uri('b.xml')}: all of it (1 record), line 1: truncated\n" in told
    main(["quarantine", "items", "--state", "dismissed"])
    told = capsys.readouterr().out
    assert "note: sent again as c.xml" in told
    assert "    dismissed 2" in told


def test_a_replay_that_names_a_dismissed_entry_opens_it_again(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    """Only one that names it, and no dry run."""
    desk.feed(ITEMS)
    main(["dismiss", "items", "--entry", "2", "--note", "nobody needs it"])
    for more in (["--code", "required_missing"], ["--entry", "2", "--dry-run"]):
        assert main(["replay", "items", *more]) == 1
        assert "(what fits is dismissed)" in capsys.readouterr().err
    assert main(["replay", "items", "--entry", "2"]) == 0
    assert "1 of 1 entry passed (1 record)\n" in capsys.readouterr().out
    assert desk.sql("SELECT state FROM sluice.quarantine WHERE entry_id = 2") == [("replayed",)]
    assert desk.miscounted() == []


@pytest.mark.parametrize("command", [["replay"], ["replay", "--dry-run"], ["dismiss", "--note", "x"]])
@pytest.mark.parametrize("which", [["--entry", "999"], ["--run", "9", "--file", "a.xml"]])
def test_what_selects_nothing_fails(
    desk: Ground, capsys: pytest.CaptureFixture[str], command: list[str], which: list[str]
) -> None:
    """And makes no run."""
    assert main([command[0], "items", *command[1:], *which]) == 1
    told = capsys.readouterr().err
    assert "nothing open in the quarantine of items matches" in told
    assert all(word in told for word in which)
    assert desk.sql("SELECT count(*) FROM sluice.runs") == [(1,)]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--code", "truncated", "--code", "not_xml"], "--code may be given once only"),
        (["--run", "1", "--run", "1"], "--run may be given once only"),
        (["--limit", "-3"], "must be 1 or more"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["quarantine", "items", *options])
    assert left.value.code == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("a.zip!m.xml", 1), ("m.xml", 1), ("*a.zip!?.xml", 1), ("*.zip", 1), ("a.zip", 1), ("a.zip!n.xml", 0), ("*!*", 1)],
)
def test_the_name_of_an_archive_member_selects_it(
    desk: Ground, capsys: pytest.CaptureFixture[str], pattern: str, found: int
) -> None:
    """As it is printed: the file, an exclamation mark, the member."""
    desk.put("a.zip", {"m.xml": items(item("z", name="bad")), "n.xml": items(item("y"))})
    desk.run(desk.feed(STRICT))
    main(["quarantine", "items", "--file", pattern, "--json"])
    assert len(json.loads(capsys.readouterr().out)) == found


def test_release_lets_the_next_run_load_what_is_held(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLUICE_WAREHOUSE", ground.dsn)
    feed = ground.feed(STRICT, more="publish: run\nrejects: {max_records: 0}")
    ground.put("a.xml", items(item("a"), item("b", name="bad")))
    assert ground.run(feed) is not None
    assert main(["release", "items", "--file", "b.xml", "--note", "agreed"]) == 1
    assert "nothing that is held of items matches --file b.xml" in capsys.readouterr().err
    assert main(["release", "items", "--note", "agreed"]) == 0
    told = capsys.readouterr().out
    assert "1 part released" in told
    assert f"    {ground.uri('a.xml')}\n" in told
    assert main(["release", "items", "--note", "agreed"]) == 1
    assert "1 released before" in capsys.readouterr().err
    assert ground.run(feed) is None
    assert len(ground.tables(feed)["items"]) == 1


GATED = ITEMS.replace(
    "    columns", "    expectations: [{expect_table_row_count_to_equal: {value: 9}}]\n    columns", 1
)


def test_what_the_gate_holds_is_shown_with_its_reason(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Though no record of it was rejected, so that it has no entry; also once it was released."""
    monkeypatch.setenv("SLUICE_WAREHOUSE", ground.dsn)
    ground.put("a.xml", items(item("a"), item("b"), item("c")))
    assert "see `sluice quarantine items --run 1`" in str(ground.run(ground.feed(GATED)))
    told = rf"held since \S+ \S+, run 1: {re.escape(ground.uri('a.xml'))} \(3 records\): .*row_count"
    for more in ([], ["--run", "1"], ["--state", "held"], ["--file", "a.xml"]):
        assert main(["quarantine", "items", *more]) == 0
        assert re.search(told, capsys.readouterr().out)
    for more in (["--run", "2"], ["--state", "open"], ["--code", "truncated"]):
        main(["quarantine", "items", *more])
        assert "nothing of items" in capsys.readouterr().out
    main(["release", "items", "--note", "agreed"])
    capsys.readouterr()
    main(["quarantine", "items"])
    assert "released, the next run of items loads it; held since" in capsys.readouterr().out


def test_a_held_re_load_waits_for_a_re_load(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rows of the load before it stand, so that the next run has nothing to do."""
    monkeypatch.setenv("SLUICE_WAREHOUSE", ground.dsn)
    ground.put("a.xml", items(item("a")))
    assert ground.run(ground.feed(ITEMS)) is None
    assert ground.run(ground.feed(GATED), reload="changed") is not None
    main(["quarantine", "items"])
    assert "re-load held, the rows of the load before stand" in capsys.readouterr().out
    assert main(["release", "items", "--note", "agreed"]) == 0
    assert "one of its date with *Load again* (--reload)" in capsys.readouterr().out
    main(["quarantine", "items"])
    assert "released, the next re-load of items loads it" in capsys.readouterr().out
    assert ground.run(ground.feed(GATED), reload="changed") is None


def test_without_a_ledger_the_commands_say_so(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLUICE_WAREHOUSE", ground.dsn)
    ground.drop_ledger()
    for command in (["quarantine", "items"], ["replay", "items"], ["dismiss", "items", "--entry", "1", "--note", "x"]):
        assert main(command) == 1
        assert "no ledger" in capsys.readouterr().err
    assert ground.sql("SELECT to_regnamespace('sluice')") == [(None,)]


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
