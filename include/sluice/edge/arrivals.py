"""Arrivals, as Airflow has them: an asset per feed, whose watcher listens to the feed's queue and starts runs.

The triggerer runs the watchers. Those of one queue share one collector, which keeps every announcement in the inbox of
the warehouse before it leaves the queue; an event of a watcher only says that there is something to be taken. So it
does not matter that Airflow may leave events of a burst without a run, or that a triggerer dies: as long as the inbox
holds something for a feed, its watcher says so again.
"""

from __future__ import annotations

import logging
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from airflow.sdk import Asset, AssetWatcher
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from sluice.arrivals.announcements import Announcement
from sluice.feed.model import Feed
from sluice.sources.pattern import PatternInvalid, UriPattern, expand_variables

log = logging.getLogger(__name__)

REPEAT_SECONDS = (60, 120, 300, 900)
"""How long after an event its watcher says it again where nobody has taken what it was about."""
LOOK_SECONDS = 120
"""How often the inbox is looked at when nothing is heard."""


def queue_of(feed: Feed) -> str:
    """The URL of the feed's queue; '' for a feed without arrivals, and where a variable is not set: such a feed is a
    mistake that ``load_feeds`` tells.
    """
    arrivals = feed.source.arrivals
    try:
        return expand_variables(arrivals.queue, os.environ) if arrivals else ""
    except PatternInvalid:
        return ""


def by_queue(feeds: Iterable[Feed]) -> dict[str, list[Feed]]:
    """The feeds with arrivals, by the URL of their queue; those of one queue have the same warehouse and connection."""
    found: dict[str, list[Feed]] = defaultdict(list)
    for feed in feeds:
        if url := queue_of(feed):
            found[url].append(feed)
    return found


def pattern_of(feed: Feed) -> UriPattern | None:
    """What of a bucket's announcements concerns the feed; None for a feed without arrivals."""
    try:
        return UriPattern(feed.source.uri) if queue_of(feed) else None
    except PatternInvalid:
        return None


def arrivals_asset(feed: Feed) -> Asset | None:
    """The asset that gets an event when files of ``feed`` have been announced; None without arrivals."""
    arrivals = feed.source.arrivals
    if arrivals is None or pattern_of(feed) is None:
        return None
    trigger = ArrivalsTrigger(
        feed=feed.feed,
        uri=expand_variables(feed.source.uri, os.environ),
        queue=queue_of(feed),
        aws_connection=connection_of(feed),
        warehouse=feed.target.connection,
        window_seconds=arrivals.window_seconds,
        max_files=arrivals.max_files,
    )
    name = f"{feed.feed} arrivals"
    return Asset(name, uri=f"sluice://arrivals/{feed.feed}", watchers=[AssetWatcher(name=name, trigger=trigger)])


def connection_of(feed: Feed) -> str:
    """The Airflow connection of the feed's queue."""
    from sluice.edge.connections import AWS_CONNECTION

    own = feed.source.arrivals.connection if feed.source.arrivals else None
    return own or feed.source.connection or AWS_CONNECTION


class ArrivalsTrigger(BaseEventTrigger):
    """Fires when files that ``uri`` means have been announced: after ``window_seconds``, or as soon as they are
    ``max_files``.
    """

    def __init__(
        self,
        *,
        feed: str,
        uri: str,
        queue: str,
        aws_connection: str,
        warehouse: str,
        window_seconds: float,
        max_files: int,
    ) -> None:
        super().__init__()
        self.feed, self.uri, self.queue = feed, uri, queue
        self.aws_connection, self.warehouse = aws_connection, warehouse
        self.window_seconds, self.max_files = window_seconds, max_files

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "sluice.edge.arrivals.ArrivalsTrigger", {
            "feed": self.feed,
            "uri": self.uri,
            "queue": self.queue,
            "aws_connection": self.aws_connection,
            "warehouse": self.warehouse,
            "window_seconds": self.window_seconds,
            "max_files": self.max_files,
        }

    def shared_stream_key(self) -> Hashable:
        return ("sluice arrivals", self.queue, self.aws_connection, self.warehouse)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[list[str]]:
        """The collector of the queue; see ``arrivals.collector.collect``."""
        from sluice.arrivals.collector import collect

        connect = partial(_connect, kwargs["aws_connection"])
        async for uris in collect(kwargs["queue"], connect, partial(_keep, kwargs["warehouse"])):
            yield uris

    async def filter_shared_stream(self, shared_stream: AsyncIterator[list[str]]) -> AsyncIterator[TriggerEvent]:
        """An event whenever something was announced and is still to be taken; what was there before counts, too."""
        bell = Bell(UriPattern(self.uri), self.window_seconds, self.max_files, began_at=time.monotonic())
        is_told = False
        async for uris in shared_stream:
            bell.hear(uris, time.monotonic())
            if not bell.is_due(time.monotonic()):
                continue
            try:
                oldest, newest = await sync_to_async(self._look, thread_sensitive=False)()
            except Exception as error:  # noqa: BLE001 - the inbox keeps what it has, and is looked at again
                if not is_told:
                    log.warning("%s: the inbox cannot be read now, it is tried again: %s", self.feed, error)
                is_told = True
                continue
            is_told = False
            heard = bell.heard
            if bell.rings(time.monotonic(), oldest, newest):
                yield TriggerEvent({"announced": heard})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """The same without sharing the collector."""
        async for event in self.filter_shared_stream(self.open_shared_stream(self.serialize()[1])):
            yield event

    def _look(self) -> tuple[int | None, int]:
        """The oldest entry of the inbox that waits for the feed, and the newest of all."""
        from sluice import warehouse
        from sluice.arrivals import inbox

        with warehouse.connect(_dsn(self.warehouse), f"arrivals {self.feed}") as connection:
            warehouse.create_ledger(connection)
            newest = inbox.newest(connection)
            return inbox.oldest_waiting(connection, self.feed, UriPattern(self.uri)), newest


@dataclass(slots=True)
class Bell:
    """Decides when a watcher says that files of its feed have come. Times are seconds of one clock.

    It is due when announcements have been gathered for long enough, at once after its making, and every now and then:
    an announcement may have been heard by somebody else's watcher only, or by one that died before it said so.
    """

    pattern: UriPattern
    window_seconds: float
    max_files: int
    began_at: float
    heard: int = 0
    _due_at: float = 0
    _rung_at: float = 0
    _rung_up_to: int = -1
    _rings: int = 0

    def __post_init__(self) -> None:
        self._due_at = self.began_at

    def hear(self, uris: Sequence[str], now: float) -> None:
        found = sum(map(self.pattern.matches, uris))
        if found and not self.heard:
            self._due_at = min(self._due_at, now + self.window_seconds)
        self.heard += found

    def is_due(self, now: float) -> bool:
        return now >= self._due_at or self.heard >= self.max_files

    def rings(self, now: float, oldest: int | None, newest: int) -> bool:
        """Whether it rings now that the inbox was looked at: ``oldest`` is what has waited there longest for the feed,
        if anything has, ``newest`` what came last for anybody.

        What it has rung for before and nobody has taken is rung for again only after a while, and then ever more
        seldom: the run may still be queued, or fail each time.
        """
        if oldest is None:
            self.heard = self._rings = 0
            self._due_at = now + LOOK_SECONDS
            return False
        is_again = oldest <= self._rung_up_to
        if is_again and now < (again_at := self._rung_at + _pause_after(self._rings)):
            self.heard = 0
            self._due_at = min(again_at, now + max(self.window_seconds, 1) * self._rings)
            return False
        self._rings = self._rings + 1 if is_again else 1
        self.heard, self._rung_at, self._rung_up_to = 0, now, newest
        self._due_at = now + _pause_after(self._rings)
        return True


def _pause_after(rings: int) -> float:
    return REPEAT_SECONDS[min(rings, len(REPEAT_SECONDS)) - 1]


async def _connect(aws_connection: str) -> Any:
    from airflow.providers.amazon.aws.hooks.sqs import SqsHook

    return await SqsHook(aws_conn_id=aws_connection).get_async_conn()


async def _keep(conn_id: str, announcements: Sequence[Announcement]) -> None:
    from sluice import warehouse
    from sluice.arrivals import inbox

    def keep() -> None:
        with warehouse.connect(_dsn(conn_id), "arrivals") as connection:
            warehouse.create_ledger(connection)
            warehouse.transact(connection, lambda conn: inbox.record(conn, announcements))

    await sync_to_async(keep, thread_sensitive=False)()


def _dsn(conn_id: str) -> str:
    from sluice.edge.connections import warehouse_dsn

    return warehouse_dsn(conn_id)
