"""A feed run on the samples of a standard: by its feed written by hand, or by any other, such as a drafted one."""

from __future__ import annotations

import datetime as dt
import importlib
from pathlib import Path
from types import ModuleType

from tests.standards.loaded import Loaded
from tests.standards.write_samples import HERE

from sluice.feed.model import Feed
from sluice.pipeline import run_feed
from sluice.records import RunRequest, Totals
from sluice.sources import Clients
from sluice.tools import Tools
from sluice.workfiles import WorkFiles

# All dates that the samples have.
FIRST, LAST = dt.date(2026, 1, 1), dt.date(2026, 6, 30)


class Case:
    """A standard whose samples ``feed`` has loaded into the database at ``dsn``."""

    def __init__(self, standard: str, feed: Feed, dsn: str, work: Path) -> None:
        self.folder = HERE / standard
        self.counts = counts_of(standard)
        self.feed, self.dsn = feed, dsn
        self._tools = Tools(feed, dsn, WorkFiles(str(work)), Clients())
        self.totals = self.run("samples")
        self.loaded = Loaded(feed, dsn)

    def run(self, folder: str) -> Totals:
        """Load ``samples`` or ``broken``; raises ``RunFailed`` where a whole file is quarantined."""
        is_dated = any(path.is_dir() for path in (self.folder / folder).iterdir())
        pattern = "{date:%Y-%m-%d}/*" if is_dated else "**"
        uri = f"{self.folder}/{folder}/{pattern}"
        return run_feed(self._tools, RunRequest(self.feed.feed, folder, FIRST, LAST, uri=uri)).totals


def counts_of(standard: str) -> ModuleType:
    """The script that counts: ``expected()``, ``PLANTED`` and ``SOUND_BESIDE``."""
    return importlib.import_module(f"tests.standards.{standard}.count")
