"""The six stages. Each module holds one function of the same shape; the stages do not know each other."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.feed.model import Feed
from sluice.sources import Clients
from sluice.workfiles import WorkFiles


@dataclass(frozen=True, slots=True)
class Tools:
    """What a stage works with. ``dsn`` is the warehouse's conninfo; ``slots`` says how many tasks can run at once."""

    feed: Feed
    dsn: str
    work: WorkFiles
    clients: Clients
    slots: int = 2


def rate(megabytes: float, seconds: float) -> str:
    """A throughput for a log line."""
    return f"{megabytes:,.1f} MB in {seconds:,.1f} s ({megabytes / seconds if seconds else 0:,.1f} MB/s)"
