"""One try of one task, in a process of its own: forked from this one, which has imported everything already."""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.soak.faults import Fault, Injector

from sluice.errors import TransientError
from sluice.feed.model import Feed
from sluice.records import RunRequest
from sluice.sources import Clients
from sluice.tools import Tools
from sluice.workfiles import WorkFiles

STAGES = ("fetch", "split", "parse", "validate", "load", "reconcile")


@dataclass(frozen=True)
class Call:
    """A stage with what it is called with: fetch its request, the others a run, and some of them a batch."""

    stage: str
    feed: Feed
    dsn: str
    work: Path
    request: RunRequest | None = None
    run_id: int = 0
    number: int = 0

    def run(self) -> dict[str, Any]:
        from tqdm import tqdm

        from sluice.stages.fetch import fetch
        from sluice.stages.load import load
        from sluice.stages.parse import parse
        from sluice.stages.reconcile import reconcile
        from sluice.stages.split import split
        from sluice.stages.validate import validate

        tqdm.monitor_interval = 0  # a thread would not be there in a fork
        tools = Tools(self.feed, self.dsn, WorkFiles(str(self.work)), Clients())
        if self.stage == "fetch":
            assert self.request is not None
            return {"run_id": fetch(tools, self.request).run_id}
        if self.stage == "split":
            return {"batches": [batch.number for batch in split(tools, self.run_id).batches]}
        if self.stage == "reconcile":
            reconcile(tools, self.run_id)
            return {}
        {"parse": parse, "validate": validate, "load": load}[self.stage](tools, self.run_id, self.number)
        return {}


@dataclass
class Ended:
    """How a try ended: well, by a signal, or by an error. ``struck`` names the fault that struck within, if one did."""

    is_ok: bool = False
    signal: int = 0
    error: str = ""
    is_transient: bool = False
    struck: str = ""
    answer: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


class Process:
    """A running try."""

    def __init__(self, call: Call, fault: Fault | None, log: Path) -> None:
        reading, writing = os.pipe()
        self.started = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            _work(call, fault, writing, log)
        os.close(writing)
        self._reading = reading
        self._ended: Ended | None = None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def poll(self) -> Ended | None:
        """How it has ended, None while it runs."""
        if self._ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._ended = self._read(status)
        return self._ended

    def send(self, what: signal.Signals) -> bool:
        """Send a signal, unless it has ended; says whether it was sent."""
        if self.poll() is None:
            os.kill(self.pid, what)
            return True
        return False

    def _read(self, status: int) -> Ended:
        with os.fdopen(self._reading, "rb") as file:
            words = [json.loads(line) for line in file.read().splitlines()]
        ended = Ended(signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)
        for word in words:
            for name, value in word.items():
                setattr(ended, name, value)
        if ended.signal:
            ended.is_ok = False
        elif not ended.is_ok and not ended.error:
            ended.error = f"ended without a word, with status {status}"
        return ended


def _work(call: Call, fault: Fault | None, writing: int, log: Path) -> None:
    """What the child does; it never returns."""
    code = 1
    try:
        _redirect(log)

        def say(**words: Any) -> None:
            os.write(writing, json.dumps(words).encode() + b"\n")

        injector = Injector(fault, lambda kind: say(struck=kind))
        injector.install()
        try:
            answer = call.run()
            say(is_ok=True, answer=answer, counts=injector.counts)
            code = 0
        except BaseException as error:
            print_error(error)
            transient = isinstance(error, (TransientError, OSError, MemoryError))
            say(error=f"{type(error).__name__}: {error}"[:2000], is_transient=transient)
    finally:
        os._exit(code)


def print_error(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error)
    sys.stderr.flush()


def _redirect(log: Path) -> None:
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(target, 1)
    os.dup2(target, 2)
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, signal.SIG_DFL)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)


def freeze() -> None:
    """What this process has now, its children share."""
    gc.collect()
    gc.freeze()


@contextmanager
def small_cuts() -> Iterator[None]:
    """Files here are small; they are cut and packed as if they were large."""
    from sluice.stages import split

    sizes = split.MEGABYTE, split.MIN_BATCH_BYTES
    split.MEGABYTE, split.MIN_BATCH_BYTES = 4 << 10, 48 << 10
    try:
        yield
    finally:
        split.MEGABYTE, split.MIN_BATCH_BYTES = sizes
