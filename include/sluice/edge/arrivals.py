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
from collections.abc import AsyncIterator, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from airflow.sdk import Asset, AssetWatcher
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from sluice.arrivals.announcements import Announcement
from sluice.feed.model import Feed
from sluice.sources.pattern import UriPattern, expand_variables

log = logging.getLogger(__name__)

REPEAT_SECONDS = (60, 120, 300, 900)
"""How long after an event its watcher looks whether the inbox was emptied, and says it again if not."""


def queue_of(feed: Feed) -> str:
    """The URL of the feed's queue; '' for a feed without arrivals."""
    arrivals = feed.source.arrivals
    return expand_variables(arrivals.queue, os.environ) if arrivals else ""


def arrivals_asset(feed: Feed) -> Asset | None:
    """The asset that gets an event when files of ``feed`` have been announced; None without arrivals."""
    arrivals, queue = feed.source.arrivals, queue_of(feed)
    if arrivals is None or not queue:
        return None
    trigger = ArrivalsTrigger(
        feed=feed.feed,
        uri=expand_variables(feed.source.uri, os.environ),
        queue=queue,
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
        async for uris in shared_stream:
            bell.hear(uris, time.monotonic())
            if bell.is_due(time.monotonic()) and (is_waiting := await self._is_anything_waiting()) is not None:
                if is_waiting:
                    yield TriggerEvent({"announced": bell.heard})
                bell.rung(time.monotonic(), again=is_waiting)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """The same without sharing the collector."""
        async for event in self.filter_shared_stream(self.open_shared_stream(self.serialize()[1])):
            yield event

    async def _is_anything_waiting(self) -> bool | None:
        """Whether the inbox holds something for the feed; None where the warehouse does not say."""
        from sluice import warehouse
        from sluice.arrivals import inbox
        from sluice.errors import SluiceError

        def look() -> bool:
            with warehouse.connect(_dsn(self.warehouse), f"arrivals {self.feed}") as connection:
                warehouse.create_ledger(connection)
                return inbox.is_anything_waiting(connection, self.feed, UriPattern(self.uri))

        try:
            return await sync_to_async(look, thread_sensitive=False)()
        except SluiceError as error:
            log.warning("%s: the inbox cannot be read now, it is tried again: %s", self.feed, error)
            return None


@dataclass(slots=True)
class Bell:
    """Decides when a watcher says that files of its feed have come. Times are seconds of one clock.

    It is due once after its making, for what may lie in the inbox from before.
    """

    pattern: UriPattern
    window_seconds: float
    max_files: int
    began_at: float
    heard: int = 0
    _due_at: float | None = None
    _repeats: int = 0

    def __post_init__(self) -> None:
        self._due_at = self.began_at

    def hear(self, uris: Sequence[str], now: float) -> None:
        found = sum(map(self.pattern.matches, uris))
        if not found:
            return
        self._due_at = now + self.window_seconds if self.heard == 0 else self._due_at
        self.heard += found
        self._repeats = 0

    def is_due(self, now: float) -> bool:
        return self.heard >= self.max_files or (self._due_at is not None and now >= self._due_at)

    def rung(self, now: float, *, again: bool) -> None:
        """With ``again`` it is due once more after some time, and then after longer ones, until somebody has come."""
        self.heard = 0
        self._due_at = now + REPEAT_SECONDS[min(self._repeats, len(REPEAT_SECONDS) - 1)] if again else None
        self._repeats += 1


async def _connect(aws_connection: str) -> Any:
    from airflow.providers.amazon.aws.hooks.sqs import SqsHook

    return await SqsHook(aws_conn_id=aws_connection).get_async_conn()


async def _keep(conn_id: str, announcements: Sequence[Announcement]) -> list[str]:
    from sluice import warehouse
    from sluice.arrivals import inbox

    def keep() -> list[str]:
        with warehouse.connect(_dsn(conn_id), "arrivals") as connection:
            warehouse.create_ledger(connection)
            return warehouse.transact(connection, lambda conn: inbox.record(conn, announcements))

    return await sync_to_async(keep, thread_sensitive=False)()


def _dsn(conn_id: str) -> str:
    from sluice.edge.connections import warehouse_dsn

    return warehouse_dsn(conn_id)
