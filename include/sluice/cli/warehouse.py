"""The warehouse that the commands mean: that of ``$SLUICE_WAREHOUSE``, else that of the stack on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sluice.errors import PermanentError

if TYPE_CHECKING:
    import psycopg

    from sluice.tools import Tools


def tools_of(feed: str) -> Tools:
    """A feed with its warehouse."""
    from sluice.feed.loading import folder_of, load_feed
    from sluice.sources import Clients
    from sluice.tools import Tools
    from sluice.workfiles import WorkFiles

    dsn = _find_warehouse()
    return Tools(load_feed(folder_of(feed)), dsn, WorkFiles(os.environ.get("SLUICE_WORK", ".sluice/work")), Clients())


@contextmanager
def open_warehouse(feed: str) -> Iterator[psycopg.Connection]:
    """A connection to the warehouse; raises ``PermanentError`` where Sluice has never run on it, and where neither it
    nor the folder of feeds knows ``feed``.
    """
    with open_ledger() as connection:
        _check_name(connection, feed)
        yield connection


@contextmanager
def open_ledger() -> Iterator[psycopg.Connection]:
    """A connection to the warehouse; raises ``PermanentError`` where Sluice has never run on it."""
    from sluice import ledger_schema
    from sluice.warehouse import connect

    with connect(_find_warehouse()) as connection:
        if not ledger_schema.exists(connection):
            raise PermanentError("this warehouse has no ledger of this release: let a feed run first")
        yield connection


def _check_name(connection: psycopg.Connection, feed: str) -> None:
    """A feed that is declared no more may still have something in the quarantine."""
    from sluice.feed.faults import nearest
    from sluice.feed.loading import feed_names, feeds_root

    known = {*feed_names(feeds_root()), *(name for (name,) in connection.execute("SELECT feed FROM sluice.mappings"))}
    if feed not in known:
        meant = nearest(feed, sorted(known))
        hint = f"; did you mean {meant!r}?" if meant else f"; there are {', '.join(sorted(known))}" if known else ""
        raise PermanentError(f"there is no feed {feed!r}{hint}")


def _find_warehouse() -> str:
    if not os.environ.get("SLUICE_WAREHOUSE"):
        os.environ.update(_env_of_stack())
    return os.environ["SLUICE_WAREHOUSE"]


def _env_of_stack() -> dict[str, str]:
    from sluice.stack.home import Home, StackError
    from sluice.stack.running import Stack

    try:
        return Stack.running(Home.find()).airflow.env()
    except StackError as error:
        message = "set SLUICE_WAREHOUSE to the warehouse, such as postgresql://user@host/database"
        raise PermanentError(f"{error}; or {message}") from None
