"""The loop: change an input, try it, keep it where it takes a branch that none before it took."""

from __future__ import annotations

import faulthandler
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from tests.fuzz.targets import Target
from tests.fuzz.tracing import Tracer

# One input takes some milliseconds. Where a signal cannot end it, the process is ended and says where it was.
MAX_SECONDS = 20
KILL_SECONDS = 120


class Hang(Exception):
    """An input took too long."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that something is wrong with."""

    target: str
    data: bytes
    error: str


@dataclass(slots=True)
class Tally:
    """What a run has done. ``kept`` counts inputs that took new branches, seeds included."""

    target: str
    inputs: int = 0
    kept: int = 0
    edges: int = 0
    findings: list[Finding] = field(default_factory=list)

    def line(self) -> str:
        counts = f"{self.inputs:,} inputs, {self.kept:,} kept, {self.edges:,} branches"
        return f"fuzz: {self.target}: {counts}, {len(self.findings)} findings"


def fuzz(target: Target, seconds: float, seed: int, most_findings: int = 5) -> Tally:
    """Try inputs for so long. The same error counts once."""
    pick, tracer, tally = random.Random(seed), Tracer(target.files), Tally(target.name)
    corpus: list[bytes] = []
    seen: set[str] = set()
    deadline = time.monotonic() + seconds
    for data in _inputs(target, pick, corpus):
        known = len(tracer.known)
        finding = _try(target, data, tracer)
        tally.inputs += 1
        if finding is not None and _kind(finding.error) not in seen:
            seen.add(_kind(finding.error))
            tally.findings.append(finding)
        elif finding is None and len(tracer.known) > known:
            corpus.append(data)
            tally.kept += 1
        if time.monotonic() > deadline or len(tally.findings) >= most_findings:
            break
    tally.edges = len({edge for edge, _ in tracer.known})
    return tally


def _inputs(target: Target, pick: random.Random, corpus: list[bytes]) -> Iterator[bytes]:
    seeds = list(target.seeds())
    yield from seeds
    while True:
        # What was found last leads furthest.
        pool = pick.choice((corpus, corpus[-20:])) or seeds
        yield target.mutator.change(pick.choice(pool), pick, pool)


def _try(target: Target, data: bytes, tracer: Tracer) -> Finding | None:
    try:
        with _limited_time(), tracer.watching():
            target.check(data)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        return Finding(target.name, data, f"{type(error).__name__}: {error}"[:2000])
    return None


def _kind(error: str) -> str:
    return error[:40]


@contextmanager
def _limited_time() -> Iterator[None]:
    def give_up(number: int, frame: FrameType | None) -> None:
        raise Hang(f"more than {MAX_SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)
    faulthandler.dump_traceback_later(KILL_SECONDS, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def shrink(target: Target, finding: Finding, seconds: float = 20) -> Finding:
    """A shorter input with the same error."""
    data, tracer, deadline = finding.data, Tracer(()), time.monotonic() + seconds
    size = max(len(data) // 2, 1)
    while size and time.monotonic() < deadline:
        start, is_shorter = 0, False
        while start < len(data) and time.monotonic() < deadline:
            shorter = data[:start] + data[start + size :]
            found = _try(target, shorter, tracer)
            if found is not None and _kind(found.error) == _kind(finding.error):
                data, is_shorter = shorter, True
            else:
                start += size
        size = size if is_shorter and size == 1 else size // 2
    return Finding(finding.target, data, finding.error)
