"""A feed run for real in this process: its files in a landing folder, its tables in a fresh database."""

from __future__ import annotations

import datetime as dt
import itertools
import shutil
from pathlib import Path

import psycopg
import pytest
from tests.feeds.tables import Row, read_rejects, read_tables, read_totals

from sluice.errors import RunFailed
from sluice.feed.loading import feeds_root, load_feed
from sluice.feed.model import Feed
from sluice.pipeline import run_feed
from sluice.records import RunRequest, Totals
from sluice.sources import Clients
from sluice.tools import Tools
from sluice.workfiles import WorkFiles


class Landing:
    """The landing folder that stands for the bucket, the database, and runs of feeds between the two."""

    def __init__(self, root: Path, work: Path, dsn: str) -> None:
        self.root = root
        self.dsn = dsn
        self._work = WorkFiles(str(work))
        self._run_keys = (f"test {number}" for number in itertools.count(1))

    def put(self, feed: Feed, source: Path, name: str = "") -> None:
        """Copy a file, or what is in a folder, to where the feed looks for its files; ``name`` is a path below that."""
        target = self.root / feed.feed / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)

    def run(
        self,
        feed: Feed,
        first: dt.date,
        last: dt.date | None = None,
        *,
        uri: str | None = None,
        reload: str = "no",
        batch_mb: int | None = None,
    ) -> str | None:
        """Run all stages for the dates, or for ``uri`` below the feed's folder; returns why the run failed."""
        tools = Tools(feed, self.dsn, self._work, Clients())
        pattern = f"{self.root}/{feed.feed}/{uri}" if uri else None
        request = RunRequest(
            feed.feed, next(self._run_keys), first, last or first, uri=pattern, reload=reload, batch_mb=batch_mb
        )
        try:
            run_feed(tools, request)
        except RunFailed as failed:
            return str(failed)
        return None

    def run_all(self, feed: Feed, *, reload: str = "no") -> str | None:
        """Run once over every file in the feed's folder, whatever its date."""
        return self.run(feed, dt.date(2026, 11, 1), dt.date(2026, 11, 30), uri="**", reload=reload)

    def forget_everything(self, feed: Feed) -> None:
        """Drop the feed's tables and the ledger; the files stay."""
        with psycopg.connect(self.dsn) as connection:
            connection.execute(f'DROP SCHEMA sluice, "{feed.schema_name}" CASCADE')

    def tables(self, feed: Feed) -> dict[str, list[Row]]:
        with psycopg.connect(self.dsn) as connection:
            return read_tables(connection, feed)

    def rejects(self, feed: Feed) -> list[Row]:
        with psycopg.connect(self.dsn) as connection:
            return read_rejects(connection, feed, f"file://{self.root}/{feed.feed}/")

    def totals(self, feed: Feed) -> Totals:
        """What all runs of the feed have counted together."""
        with psycopg.connect(self.dsn) as connection:
            return read_totals(connection, feed)


@pytest.fixture
def landing(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Landing:
    root = tmp_path / "landing"
    root.mkdir()
    monkeypatch.setenv("SLUICE_LANDING", str(root))
    return Landing(root, tmp_path / "work", database)


@pytest.fixture(scope="session")
def bank_statements() -> Feed:
    return load_feed(feeds_root() / "bank_statements")


@pytest.fixture(scope="session")
def legal_entities() -> Feed:
    return load_feed(feeds_root() / "legal_entities")


@pytest.fixture(scope="session")
def exchange_rates() -> Feed:
    return load_feed(feeds_root() / "exchange_rates")
