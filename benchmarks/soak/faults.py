"""Faults that strike a task from within, at a boundary of its own: a write, a move, a statement, a commit, a COPY.

A fault is planned before the task begins, and counts only once it has struck: the task tells, then dies (or goes on
without its database, or its disk).
"""

from __future__ import annotations

import errno
import os
import pathlib
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import psycopg

# What can happen where. "middle" is half-way through what is written, or between a commit and word of it.
PLACES: dict[str, dict[str, tuple[str, ...]]] = {
    "kill": {
        "statement": ("before", "after"),
        "commit": ("before", "after"),
        "copy": ("before", "middle", "after"),
        "write": ("before", "middle", "after"),
        "move": ("before", "after"),
        "remove": ("before", "after"),
    },
    "disconnect": {"statement": ("before",), "commit": ("before", "middle"), "copy": ("middle",)},
    "disk full": {"write": ("middle",)},
}


@dataclass(frozen=True)
class Fault:
    """``what`` happens ``when`` at the ``nth`` boundary of a kind."""

    what: str
    boundary: str
    when: str
    nth: int

    @property
    def kind(self) -> str:
        return f"{self.what} {self.when} {self.boundary}"


class Injector:
    """Counts a task's boundaries, and lets one fault strike. Lives in the process of the task, and patches it."""

    def __init__(self, fault: Fault | None, tell: Callable[[str], None]) -> None:
        self._fault, self._tell = fault, tell
        self._is_striking = False
        self.counts: Counter[str] = Counter()

    def install(self) -> None:
        self._wrap_database()
        self._wrap_files()

    # -- where ----------------------------------------------------------------------------------------------------

    def _wrap_database(self) -> None:
        cursor: Any = psycopg.Cursor
        copy: Any = psycopg.Copy
        transaction: Any = psycopg.Transaction
        self._wrap(cursor, "execute", "statement", lambda self: self.connection)
        self._wrap(cursor, "executemany", "statement", lambda self: self.connection)
        self._wrap(copy, "write_row", "copy", lambda self: self.connection)
        real_write, real_exit = copy.write, transaction.__exit__

        def write(own: Any, data: Any) -> None:
            self._begin("copy", own.connection)
            half = len(data) // 2 if self._is_due("copy", "middle") else 0
            if half:
                real_write(own, data[:half])
                self._strike("copy", "middle", own.connection)
            real_write(own, data[half:])
            self._end("copy", own.connection)

        def leave(own: Any, *exception: Any) -> Any:
            if exception[0] is not None:
                return real_exit(own, *exception)
            self._begin("commit", own.connection)
            done = real_exit(own, *exception)
            if self._is_due("commit", "middle"):
                self._strike("commit", "middle", own.connection)
                raise psycopg.OperationalError("the connection was lost before word of the commit came")
            self._end("commit", own.connection)
            return done

        copy.write, transaction.__exit__ = write, leave

    def _wrap_files(self) -> None:
        self._wrap(pathlib.Path, "replace", "move")
        self._wrap(os, "unlink", "remove")
        self._wrap(shutil, "rmtree", "remove")
        self._watch(pathlib.Path, "open", lambda mode: mode == "xb")
        self._watch(tempfile, "TemporaryFile", lambda mode: True)

    def _watch(self, owner: Any, name: str, is_watched: Callable[[Any], bool]) -> None:
        real = getattr(owner, name)

        def opened(*arguments: Any, **options: Any) -> Any:
            file = real(*arguments, **options)
            return _Watched(file, self) if is_watched(arguments[-1] if arguments else None) else file

        setattr(owner, name, opened)

    def _wrap(self, owner: Any, name: str, boundary: str, connection_of: Callable[[Any], Any] | None = None) -> None:
        real = getattr(owner, name)

        def wrapped(*arguments: Any, **options: Any) -> Any:
            if self._is_striking:
                return real(*arguments, **options)
            connection = connection_of(arguments[0]) if connection_of else None
            self._begin(boundary, connection)
            done = real(*arguments, **options)
            self._end(boundary, connection)
            return done

        setattr(owner, name, wrapped)

    # -- when -----------------------------------------------------------------------------------------------------

    def _begin(self, boundary: str, connection: Any = None) -> None:
        self.counts[boundary] += 1
        if self._is_due(boundary, "before"):
            self._strike(boundary, "before", connection)

    def _end(self, boundary: str, connection: Any = None) -> None:
        if self._is_due(boundary, "after"):
            self._strike(boundary, "after", connection)

    def _is_due(self, boundary: str, when: str) -> bool:
        fault = self._fault
        return bool(fault) and (fault.boundary, fault.when, fault.nth) == (boundary, when, self.counts[boundary])  # type: ignore[union-attr]

    def write(self, real: Callable[[Any], int], data: Any) -> int:
        """A write to a file, of which only half may succeed."""
        self._begin("write")
        if self._is_due("write", "middle"):
            real(memoryview(data)[: len(data) // 2])
            self._strike("write", "middle", None)
        done = real(data)
        self._end("write")
        return done

    # -- what -----------------------------------------------------------------------------------------------------

    def _strike(self, boundary: str, when: str, connection: Any) -> None:
        assert self._fault is not None
        self._is_striking = True
        if self._fault.what == "kill":
            self._tell(self._fault.kind)
            _die()
        if self._fault.what == "disk full":
            self._told()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if _end_connection(connection):
            self._told()
        self._is_striking = False

    def _told(self) -> None:
        assert self._fault is not None
        self._tell(self._fault.kind)
        self._fault, self._is_striking = None, False


class _Watched:
    """A raw file whose writes are boundaries."""

    def __init__(self, inner: Any, injector: Injector) -> None:
        self._inner, self._injector = inner, injector

    def write(self, data: Any) -> int:
        return self._injector.write(self._inner.write, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody outlives SIGKILL")


def _end_connection(connection: Any) -> bool:
    """End a connection from the side of the server, as a failover or an administrator does."""
    with psycopg.connect(connection.info.dsn, password=connection.info.password, autocommit=True) as other:
        row = other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid]).fetchone()
    return bool(row and row[0])
