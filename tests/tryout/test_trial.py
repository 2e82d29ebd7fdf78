"""What a trial says without a warehouse is what a run does with one: the same counts, rows and rejects."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from tests.small_feeds import DELETING, ITEMS, KEYLESS, Ground, deleted, gone, item, items

from sluice.draft.golden import spell
from sluice.errors import RunFailed
from sluice.feed.loading import feeds_root, load_feed
from sluice.feed.model import Feed
from sluice.pipeline import run_feed
from sluice.records import Totals
from sluice.stages import split
from sluice.staging import positions
from sluice.tryout.samples import find_samples
from sluice.tryout.trial import Counts, TriedBatch, try_files

CASES = Path(__file__).parents[1] / "feeds"
Row = tuple[Any, ...]


def rejects_of_trial(tried: TriedBatch) -> Iterator[Row]:
    for reject in tried.rejects():
        if reject.part_id not in tried.held:
            reasons = tuple(
                (one.code, one.table, one.column, one.path, one.message, one.value) for one in reject.reasons
            )
            yield tried.files[reject.part_id].uri, reject.member, reject.ordinal, reject.line, reject.records, reasons


def rows_of_trial(tried: TriedBatch, table: str) -> Iterator[tuple[Row, Row]]:
    """Each row by file, member, record and positions."""
    feed = tried.feed
    roots = {
        row["_rec"]: (tried.files[row["_part"]].uri, row["_member"], row["_record"])
        for group in tried.rows(feed.root_of(table))
        for row in group.to_pylist()
    }
    for group in tried.rows(table):
        for row in group.to_pylist():
            place = (*roots[row["_rec"]], *(row[name] for name in positions(feed, table)))
            yield place, tuple(spell(row[name]) for name in feed.tables[table].columns)


def rejects_of_run(connection: psycopg.Connection, feed: Feed) -> Iterator[Row]:
    for uri, member, ordinal, line, records, reasons in connection.execute(
        "SELECT f.uri, q.member, q.ordinal, q.line, q.records, q.reasons FROM sluice.quarantine q"
        " JOIN sluice.files f USING (file_id) WHERE q.feed = %s AND q.state = 'open'",
        [feed.feed],
    ):
        told = tuple(
            tuple(one[name] for name in ("code", "table", "column", "path", "message", "value")) for one in reasons
        )
        yield uri, member, ordinal, line, records, told


def rows_of_run(connection: psycopg.Connection, feed: Feed, table: str) -> Iterator[tuple[Row, Row]]:
    place = ["_member", "_record", *positions(feed, table)]
    own = list(feed.tables[table].columns)
    query = sql.SQL("SELECT f.uri, {} FROM {} t JOIN sluice.files f ON f.file_id = t._file").format(
        sql.SQL(", ").join(sql.Identifier("t", name) for name in [*place, *own]),
        sql.Identifier(feed.schema_name, table),
    )
    for row in connection.execute(query):
        yield row[: 1 + len(place)], tuple(map(spell, row[1 + len(place) :]))


def totals_of_run(ground: Ground, feed: Feed) -> Totals:
    request = ground.request(feed, uri=f"{ground.landing}/**")
    try:
        return run_feed(ground.tools(feed), request).totals
    except RunFailed:
        (row,) = ground.sql("SELECT files, files_quarantined, found, loaded, quarantined, held FROM sluice.runs")
        return Totals(
            **dict(zip(("files", "files_quarantined", "found", "loaded", "quarantined", "held"), row, strict=True))
        )


def compare(ground: Ground, feed: Feed) -> Counts:
    """Hold a trial of all that has landed against a run; returns the trial's counts."""
    files = find_samples(feed, [str(ground.landing)])
    counts, rejects = Counts(len(files)), list[Row]()
    rows: dict[str, dict[Row, Row]] = {name: {} for name in feed.tables}
    deletes = 0
    for tried in try_files(feed, files):
        counts.take(tried)
        rejects += rejects_of_trial(tried)
        for name in feed.tables:
            rows[name] |= rows_of_trial(tried, name)
        deletes += sum(group.num_rows for name in feed.roots for group in tried.deletes(name))
    totals = totals_of_run(ground, feed)
    told = (counts.files, counts.files_rejected, counts.found, counts.accepted, counts.rejected, counts.held)
    assert told == (
        totals.files, totals.files_quarantined, totals.found, totals.loaded, totals.quarantined, totals.held
    )  # fmt: skip
    assert counts.rows == {name: len(own) for name, own in rows.items()}
    assert sum(len(rows[name]) for name in feed.roots) + deletes == totals.loaded
    with psycopg.connect(ground.dsn) as connection:
        assert sorted(rejects, key=repr) == sorted(rejects_of_run(connection, feed), key=repr)
        for name in feed.tables:
            loaded = dict(rows_of_run(connection, feed, name))
            # of several records of a key only the winner is left
            assert loaded.items() <= rows[name].items(), name
            if not feed.tables[feed.root_of(name)].key:
                assert loaded == rows[name]
    return counts


@pytest.mark.slow  # Great Expectations, and a database
@pytest.mark.parametrize("name", ["bank_statements", "exchange_rates", "legal_entities"])
def test_sample_feeds(ground: Ground, name: str) -> None:
    """The feeds of this project on their samples and on all files of their golden cases, broken ones among them."""
    feed = load_feed(feeds_root() / name)
    shutil.copytree(feed.folder / "samples", ground.landing / "samples")
    for case in sorted((CASES / name).glob("*/input")):
        shutil.copytree(case, ground.landing / case.parent.name)
    assert compare(ground, feed).rejected


BROKEN = {
    "a.xml": items(item("1", parts=[("p", ["m", "n"])]), item("2")),
    "b-truncated.xml": items(item("3"), item("4"))[:-20],
    "c-malformed.xml": items(item("5"), "<Item id='6' rev='1'><Name></Item>", item("7")),
    "d-empty.xml": "",
    "e-other.xml": "<Things><Thing/></Things>",
    "f.txt": "no XML at all",
    "g.zip": {"1.xml": items(item("8"), item("x", rev=-1)), "2.xml": items(item("9"))[:-9], "3.xml": items(item("9"))},
    "h-bad-record.xml": items(item("10"), "<Item id='11' rev='many'/>", item("12", parts=[("q", [])])),
}  # fmt: skip


@pytest.mark.parametrize("more", ["", "malformed: keep_records"])
@pytest.mark.parametrize("text", [ITEMS, KEYLESS], ids=["keyed", "keyless"])
def test_broken_files(ground: Ground, text: str, more: str) -> None:
    """Truncated, malformed, empty, foreign files, bad members and bad records."""
    for name, content in BROKEN.items():
        ground.put(name, content)
    counts = compare(ground, ground.feed(text, more=more))
    assert counts.files_rejected >= 6


def test_deletes(ground: Ground) -> None:
    """Records that delete are accepted and give no rows."""
    ground.put("a.xml", items(item("1"), item("2"), deleted("1", 2)))
    ground.put("b.xml", items(gone("2", 5), gone("3"), item("4")))
    assert compare(ground, ground.feed(DELETING)).accepted == 6


EXPECTING = ITEMS.replace(
    "name: Name}",
    """name: Name}
    expectations:
      - expect_column_values_to_not_match_regex: {column: name, regex: bad}
      - expect_column_values_to_not_be_null: {column: name, mostly: 0.5}
      - expect_column_values_to_match_regex: {column: id, regex: ^1}
        severity: warning""",
)


@pytest.mark.slow  # Great Expectations
def test_gate(ground: Ground) -> None:
    """What the gate rejects, and the file that it holds."""
    ground.put("a.xml", items(item("1"), item("2", name="bad one"), item("10")))
    ground.put("b.xml", items(*(f"<Item id='{number}' rev='1'/>" for number in range(20, 30)), item("3", name="bad")))
    counts = compare(ground, ground.feed(EXPECTING))
    assert (counts.rejected, counts.held) == (1, 11)


def test_cut_and_packed_files(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that a run cuts into several parts and batches are cut so here."""
    monkeypatch.setattr(split, "MIN_BATCH_BYTES", 4096)
    records = [item(str(number), rev=number, name="x" * 50, parts=[("p", ["m"])]) for number in range(1, 6000)]
    records[100] = "<Item id='bad' rev='no'/>"
    ground.put("big.xml", items(*records))
    ground.put("packed.zip", {"one.xml": items(*records[:5]), "two.xml": items(*records[5:9])})
    feed = ground.feed(KEYLESS)
    batches = [tried.batch for tried in try_files(feed, find_samples(feed, [str(ground.landing)]))]
    assert len(batches) > 1
    assert not all(part.cut.is_whole for batch in batches for part in batch.parts)
    assert compare(ground, feed).rejected == 1


def test_no_traces(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a trial goes, also where nobody asks for all of its batches."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    ground.put("a.xml", items(item("1")))
    feed = ground.feed(ITEMS)
    trial = try_files(feed, find_samples(feed, [str(ground.landing)]))
    next(trial)
    assert list(folder.iterdir())
    trial.close()
    assert not list(folder.iterdir())
