"""What the task of this process has loaded, for ``edge.lineage``: apart from it, so that noting costs no import."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluice.feed.model import Feed
    from sluice.records import Totals

    Load = tuple[Feed, str, Totals]

_noted: list[Load] = []


def note_load(feed: Feed, dsn: str, totals: Totals) -> None:
    """``dsn`` is the warehouse's conninfo."""
    _noted[:] = [(feed, dsn, totals)]


def noted_load() -> Load | None:
    return _noted[0] if _noted else None
