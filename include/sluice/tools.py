"""What the stages, and whatever they call, work with."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.feed.model import Feed
from sluice.sources import Clients
from sluice.workfiles import WorkFiles


@dataclass(frozen=True, slots=True)
class Tools:
    """A feed and the means to run it. ``dsn`` is the warehouse's conninfo, ``slots`` how many tasks can run at once."""

    feed: Feed
    dsn: str
    work: WorkFiles
    clients: Clients
    slots: int = 2
