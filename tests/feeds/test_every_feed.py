"""The promises that hold for every feed, tried with its own samples; a new feed is tried as soon as it has some."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from lxml import etree
from tests.feeds.conftest import Landing

from sluice.feed.loading import feed_names, feeds_root, load_feed
from sluice.feed.model import Feed


@pytest.fixture(params=feed_names(feeds_root()))
def feed(request: pytest.FixtureRequest) -> Feed:
    return load_feed(feeds_root() / request.param)


def sample_files(feed: Feed) -> list[Path]:
    return sorted(path for path in (feed.folder / "samples").rglob("*") if path.is_file())


def documents_in(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    if path.suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    else:
        yield gzip.decompress(content) if path.suffix == ".gz" else content


def count_records(feed: Feed, path: Path) -> int:
    """The record elements of a sample, counted by their path in local names."""
    total = 0
    for table in feed.roots.values():
        steps = [step.rpartition(":")[2] for step in str(table.record).strip("/").split("/")]
        expression = "".join(f"/*[local-name()='{step}']" for step in steps)
        total += sum(len(etree.fromstring(document).xpath(expression)) for document in documents_in(path))
    return total


def test_conservation(feed: Feed, landing: Landing) -> None:
    """For every file, found = loaded + quarantined + held; nothing that is in a file is missing from found."""
    landing.put(feed, feed.folder / "samples")
    landing.run_all(feed)
    with psycopg.connect(landing.dsn) as connection:
        states = connection.execute(
            "SELECT uri, found, loaded, quarantined FROM sluice.file_states ORDER BY uri"
        ).fetchall()
    base = f"file://{landing.root}/{feed.feed}/"
    found = {uri.removeprefix(base): count for uri, count, _, _ in states}
    samples = feed.folder / "samples"
    assert found == {str(path.relative_to(samples)): count_records(feed, path) for path in sample_files(feed)}
    for uri, count, loaded, quarantined in states:
        assert count == loaded + quarantined, uri
    totals = landing.totals(feed)
    assert totals.found == totals.loaded + totals.quarantined + totals.held == sum(found.values())


def test_a_second_run_loads_nothing(feed: Feed, landing: Landing) -> None:
    """A file version that the ledger knows is not opened again, and no row changes."""
    landing.put(feed, feed.folder / "samples")
    landing.run_all(feed)
    before, counted = landing.tables(feed), landing.totals(feed)
    landing.run_all(feed)
    assert landing.totals(feed) == counted
    assert landing.tables(feed) == before


def test_a_forced_reload_gives_the_same_tables(feed: Feed, landing: Landing) -> None:
    """`reload: all` reads everything again and ends where it began, rejects included."""
    landing.put(feed, feed.folder / "samples")
    landing.run_all(feed)
    before, rejects, counted = landing.tables(feed), landing.rejects(feed), landing.totals(feed)
    landing.run_all(feed, reload="all")
    assert landing.totals(feed).found == 2 * counted.found
    assert landing.tables(feed) == before
    assert landing.rejects(feed) == rejects


def test_the_order_of_arrival_does_not_matter(feed: Feed, landing: Landing) -> None:
    """Each file in a run of its own, the last one first, gives the tables that one run over all gives."""
    samples = feed.folder / "samples"
    for path in reversed(sample_files(feed)):
        landing.put(feed, path, str(path.relative_to(samples)))
        landing.run_all(feed)
    backwards = landing.tables(feed)
    landing.forget_everything(feed)
    landing.run_all(feed)
    assert landing.tables(feed) == backwards
