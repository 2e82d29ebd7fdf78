"""The collector: from a queue of SQS into the inbox.

It keeps announcements first and deletes their messages then. A message that announces nothing known is left to the
queue, whose redrive policy moves it to the dead-letter queue once it has been received often enough; so that this does
not take hours, it is made visible again at once, unless the queue has no such policy.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from sluice.arrivals.announcements import Announcement, NotAnAnnouncement, read_message
from sluice.wording import first_line

log = logging.getLogger(__name__)

RECEIVED_AT_ONCE = 10  # the most that SQS gives and deletes by one request
REQUESTS_AT_ONCE = 10
POLL_SECONDS = 20  # the most that SQS waits for a message
BUSY_POLL_SECONDS = 1
BUSY_SECONDS = 90
"""For so long after an announcement nobody waits longer than ``BUSY_POLL_SECONDS`` for the next tick."""
VISIBILITY_SECONDS = 60
"""How long a message is hidden from others: longer than the inbox takes to keep it."""
PAUSE_SECONDS = (1, 5, 15, 60)

Message = Mapping[str, Any]
Keep = Callable[[Sequence[Announcement]], Awaitable[object]]
"""Keeps announcements for good; raises where that cannot be said."""
Connect = Callable[[], Awaitable[AbstractAsyncContextManager[Any]]]
"""Opens a client of SQS (aiobotocore's)."""


async def collect(queue: str, connect: Connect, keep: Keep) -> AsyncIterator[list[str]]:
    """The URIs that are announced, in the order they come, for ever; an empty list whenever none has come for a while.
    Where the queue or the inbox does not answer, that is said once, and tried again.
    """
    failures, is_inbox_shut = 0, False
    while True:
        try:
            async with await connect() as client:
                reader = _Reader(queue, client, keep, has_redrive=await _has_redrive(client, queue))
                async for uris in reader.ticks():
                    # that nothing has come does not say that it could be kept
                    if failures and (reader.has_kept or not is_inbox_shut):
                        log.info("the queue %s is read again", queue)
                        failures, is_inbox_shut = 0, False
                    yield uris
        except Exception as error:  # noqa: BLE001 - whatever it is, the messages are still in the queue
            is_inbox_shut = is_inbox_shut or isinstance(error, _NotKept)
            if not failures:
                log.warning("the queue %s cannot be read now, it is tried again: %s", queue, first_line(error))
            pause = PAUSE_SECONDS[min(failures, len(PAUSE_SECONDS) - 1)]
            failures += 1
        await asyncio.sleep(pause)
        yield []


@dataclass(slots=True)
class _Reader:
    """Reads one queue by one client."""

    queue: str
    client: Any
    keep: Keep
    has_redrive: bool
    has_kept: bool = False

    async def ticks(self) -> AsyncIterator[list[str]]:
        loop = asyncio.get_running_loop()
        busy_until = loop.time() + BUSY_POLL_SECONDS  # nobody waits long for the first tick
        while True:
            messages = await self._receive(BUSY_POLL_SECONDS if loop.time() < busy_until else POLL_SECONDS)
            announcements, understood, strange = self._read(messages)
            if announcements:
                await self._keep(announcements)
                busy_until = loop.time() + BUSY_SECONDS
            # told before they are deleted, and also what was kept before: that may not have been told
            yield [found.uri for found in announcements]
            await self._settle(understood, strange)

    async def _receive(self, seconds: int) -> list[Message]:
        """All that one request gives; where it comes back full, what several at once give besides."""
        messages = await self._request(seconds)
        if len(messages) == RECEIVED_AT_ONCE:
            more = await asyncio.gather(*(self._request(0) for _ in range(REQUESTS_AT_ONCE - 1)))
            messages = [*messages, *itertools.chain.from_iterable(more)]
        return messages

    async def _request(self, seconds: int) -> list[Message]:
        answer = await self.client.receive_message(
            QueueUrl=self.queue,
            MaxNumberOfMessages=RECEIVED_AT_ONCE,
            WaitTimeSeconds=seconds,
            VisibilityTimeout=VISIBILITY_SECONDS,
        )
        return list(answer.get("Messages", ()))

    def _read(self, messages: Sequence[Message]) -> tuple[list[Announcement], list[Message], list[Message]]:
        """What is announced, the messages that said it (or that nothing was written), and those that say nothing."""
        announcements: list[Announcement] = []
        understood, strange = [], []
        for message in messages:
            try:
                announcements += read_message(message["Body"])
                understood.append(message)
            except NotAnAnnouncement as reason:
                log.warning("message %s of %s is no announcement: %s", message["MessageId"], self.queue, reason)
                strange.append(message)
        return announcements, understood, strange

    async def _keep(self, announcements: Sequence[Announcement]) -> None:
        try:
            await self.keep(announcements)
        except Exception as error:
            raise _NotKept(first_line(error)) from error
        self.has_kept = True

    async def _settle(self, understood: Sequence[Message], strange: Sequence[Message]) -> None:
        """Delete what is kept; let the queue have at once what is to become a dead letter."""
        for some in _by(RECEIVED_AT_ONCE, understood):
            # one that could not be deleted comes again, and changes nothing then
            await self.client.delete_message_batch(QueueUrl=self.queue, Entries=_entries(some))
        if self.has_redrive:
            for some in _by(RECEIVED_AT_ONCE, strange):
                entries = [{**entry, "VisibilityTimeout": 0} for entry in _entries(some)]
                await self.client.change_message_visibility_batch(QueueUrl=self.queue, Entries=entries)


class _NotKept(Exception):
    """The inbox did not keep what was announced."""


async def _has_redrive(client: Any, queue: str) -> bool:
    answer = await client.get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])
    found = "RedrivePolicy" in answer.get("Attributes", {})
    if not found:
        log.warning("the queue %s has no dead-letter queue: a message that is no announcement keeps coming back", queue)
    return found


def _entries(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)]


def _by(size: int, items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
