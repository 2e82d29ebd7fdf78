"""Two threads that truly overlap: the first has merged and has not committed while the second does its work."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, current_thread
from typing import Any

import psycopg
import pytest
from tests.small_feeds import Ground

from sluice import ledger

PATIENCE_SECONDS = 20
_BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'sluice%'"


class Pause:
    """Stops the thread that is called `first` when it has merged, until `second` waits for it or is done."""

    def __init__(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ground, self._real = ground, ledger.store_counts
        self.has_merged, self.may_commit = Event(), Event()
        monkeypatch.setattr(ledger, "store_counts", self._store_counts)

    def _store_counts(self, *arguments: Any) -> None:
        self._real(*arguments)
        if current_thread().name.startswith("first"):
            self.has_merged.set()
            assert self.may_commit.wait(PATIENCE_SECONDS)

    def run(self, first: Callable[[], Any], second: Callable[[], Any]) -> bool:
        """Returns whether the second had to wait for the first."""
        with ThreadPoolExecutor(1, "first") as one, ThreadPoolExecutor(1, "second") as two:
            futures = [one.submit(first)]
            try:
                assert self.has_merged.wait(PATIENCE_SECONDS)
                futures.append(two.submit(second))
                has_waited = self._is_blocked(futures[1])
            finally:
                self.may_commit.set()
            for future in futures:
                future.result(PATIENCE_SECONDS)
        return has_waited

    def _is_blocked(self, future: Future[Any]) -> bool:
        deadline = time.monotonic() + PATIENCE_SECONDS
        with psycopg.connect(self._ground.dsn, autocommit=True) as connection:
            while not future.done():
                if connection.execute(_BLOCKED).fetchone() != (0,):
                    return True
                assert time.monotonic() < deadline
                time.sleep(0.01)
        return False
