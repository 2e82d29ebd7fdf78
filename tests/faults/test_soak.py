"""A short soak: every kind of fault strikes, nothing is lost or doubled; and the harness sees it where something is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from benchmarks.soak.check import Findings
from benchmarks.soak.outages import mount_small_disk, unmount
from benchmarks.soak.plan import all_kinds
from benchmarks.soak.record import describe
from benchmarks.soak.runner import Result, Soak
from benchmarks.soak.world import SHAPES, World

from sluice import ledger
from sluice.records import Run

pytestmark = pytest.mark.slow

BY_PEOPLE = {
    "backfill beside daily run",
    "batch cleared while running",
    "cleared after the run: any order",
    "cleared after the run: batch",
    "cleared after the run: split",
    "cleared after the run: whole",
    "overlapping runs",
    "reload beside daily run",
    "replay beside daily run",
    "same file twice",
    "same run twice at once",
}
OUTAGES = {"postgres crash", "postgres fast stop"}
SECONDS = 240  # by then it ends in any case; it is over as soon as it has seen enough


def soak(seed: str, until: Callable[[Result], bool], shapes: Iterable[str] = ()) -> Result:
    wanted = tuple(shape for shape in SHAPES if not shapes or shape.name in shapes)
    lines: list[str] = []
    result = Soak(seed, SECONDS, lines.append, shapes=wanted, until=until, keeps=False).run()
    print(*lines, *result.findings.details[:20], sep="\n")
    return result


@pytest.fixture
def kinds(tmp_path: Path) -> set[str]:
    """All kinds of faults that are possible here: not everybody may mount a disk."""
    may_mount = mount_small_disk(tmp_path / "disk", 1)
    if may_mount:
        unmount(tmp_path / "disk")
    return {*all_kinds(), *BY_PEOPLE, *OUTAGES, *(["disk full, really"] if may_mount else [])}


def test_every_kind_of_fault_leaves_each_record_once(kinds: set[str]) -> None:
    """Promises 1, 2 and 3, while everything goes wrong."""
    result = soak("fixed", lambda so_far: kinds <= so_far.tally.faults.keys())
    assert (result.findings.lost, result.findings.doubled, result.findings.unexplained) == (0, 0, 0)
    assert kinds - result.tally.faults.keys() == set()
    assert result.rows > 0
    record = describe(result)
    assert record["faults"]["all"] == sum(record["faults"]["by_kind"].values()) >= len(kinds)


# -- a harness that finds nothing proves nothing ----------------------------------------------------------------------


@contextmanager
def apart(connection: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """Another connection to the same database, which commits at once."""
    info = connection.info
    with psycopg.connect(info.dsn, password=info.password, autocommit=True) as other:
        yield other


def claim_before(real: Callable[..., list[int]]) -> Callable[..., list[int]]:
    """Books a part as loaded before its rows are there: who dies in between loses them."""

    def claim(conn: psycopg.Connection, run: Run, states: dict[int, str]) -> list[int]:
        with apart(conn) as other:
            return real(other, run, states)

    return claim


def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "claim_parts", claim_before(ledger.claim_parts))
    result = soak("planted", lambda so_far: so_far.rounds >= 3, shapes=["quotes"])
    assert result.findings.lost
    assert result.findings.details


def test_rows_that_differ_are_lost_doubled_or_unexplained() -> None:
    findings = Findings()
    expected = Counter({("a", 1): 1, ("b", 1): 1, ("c", 1): 1})
    found = Counter({("a", 1): 2, ("b", 2): 1, ("d", 1): 1})
    findings.compare("table", expected, found, lambda row: row[:1])
    assert (findings.lost, findings.doubled, findings.unexplained, findings.rows) == (1, 2, 1, 4)
    assert len(findings.details) == 4


def test_equal_seeds_make_equal_worlds(tmp_path: Path) -> None:
    """So that a soak that failed can be repeated."""
    worlds = [World(seed, tmp_path / name) for name, seed in (("a", "1"), ("b", "1"), ("c", "2"))]
    for world in worlds:
        world.landing.mkdir()
        for _ in range(3):
            world.arrive()
    first, second, third = (list(world.arrived.values()) for world in worlds)
    assert first == second != third
