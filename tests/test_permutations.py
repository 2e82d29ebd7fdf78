"""Promise 3, attacked: whatever arrives and is loaded in whatever order, the tables are those of a simple model.

A machine lets files arrive, and loads their batches one by one, side by side, again and again; all of it for real,
over PostgreSQL. It compares every row after each step, and at the end, when all is loaded.

``SLUICE_PERMUTATIONS=n`` takes n examples of each feed, of 20 steps, in place of the few short ones of `make test`;
with ``-s`` each feed tells how much was tried.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Event, current_thread
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.model import BAD, Arrival, Part, Record, expect
from tests.pause import Pause
from tests.small_feeds import DATED, DELETING, ITEMS, KEYLESS, Ground

from sluice import warehouse
from sluice.contest import Contest
from sluice.feed.model import Feed
from sluice.merge import FamilyMerge
from sluice.records import Selection
from sluice.stages import split as split_stage

FEEDS = {
    "versioned": ITEMS,
    "dated": DATED,
    "keyless": KEYLESS,
    "deleting": DELETING,
    "deleting by date": DELETING.replace("version: rev", "version: file_date").replace(', rev: "@rev"}}', "}}"),
}
# At first the feed rejects what is called bad; then its mapping is mended.
STRICT_NAME = f"name: {{path: Name, required: true, null: [{BAD}]}}"
SOURCE = "{date:%Y-%m-%d}/*"
MARCH = {"date_from": dt.date(2026, 3, 1), "date_to": dt.date(2026, 3, 3)}
WORKERS = 4

EXAMPLES = int(os.environ.get("SLUICE_PERMUTATIONS", "0"))
HOW_MUCH: dict[str, Any] = {"max_examples": EXAMPLES or 2, "stateful_step_count": 20 if EXAMPLES else 8}

# -- what may arrive: few keys, versions and names, so that everything meets everything -------------------------------

MARKS = st.lists(st.sampled_from("m"), max_size=1).map(tuple)
PARTS = st.lists(st.tuples(st.sampled_from("xy"), MARKS), max_size=2).map(tuple)
KINDS = st.sampled_from(["item", "item", "item", "gone", "status"])
RECORD = st.builds(
    Record, st.sampled_from("ab"), st.integers(1, 3), st.sampled_from(["n", "o", "ü", BAD]), PARTS, KINDS
)
RECORDS = st.lists(RECORD, min_size=1, max_size=4).map(tuple)
PLAIN = st.tuples(st.tuples(st.just(""), RECORDS))
ARCHIVE = st.lists(RECORDS, min_size=1, max_size=2).map(lambda many: tuple(zip(("1.xml", "2.xml"), many, strict=False)))
ARRIVAL = st.builds(
    Arrival,
    st.integers(1, 2),
    st.sampled_from("fg"),
    st.integers(0, 2),
    PLAIN | ARCHIVE,
    st.sampled_from([(), (1,), (2,), (1, 1)]),
)


@dataclass(frozen=True, eq=False)
class Batch:
    feed: Feed
    run_id: int
    number: int
    parts: frozenset[Part]
    is_replay: bool


class Loading(RuleBasedStateMachine):
    """Files arrive, and what is ready to be loaded is loaded in any order."""

    batches = Bundle("batches")
    tried: Counter[str]

    def __init__(self, ground: Ground, strict: Feed, mended: Feed, tried: Counter[str]) -> None:
        super().__init__()
        self.ground, self.strict, self.mended, self.tried = ground, strict, mended, tried
        self.feed = strict
        self.arrivals: dict[tuple[str, str], Arrival] = {}
        self.ready: dict[Batch, None] = {}
        self.loaded: set[Batch] = set()
        self.is_compared = True
        ground.forget_all(strict)
        tried["examples"] += 1

    @initialize(seed=st.integers(0, 1 << 16))
    def begin(self, seed: int) -> None:
        self.random = random.Random(seed)

    # -- what becomes ready -------------------------------------------------------------------------------------------

    @rule(target=batches, arrivals=st.lists(ARRIVAL, min_size=1, max_size=2), parts=st.integers(1, 3))
    def let_arrive(self, arrivals: list[Arrival], parts: int) -> Any:
        """New files, new versions of a file (older ones too), the same version again; a run takes on what is open."""
        cuts = {}
        for one in {one.path: one for one in arrivals}.values():
            arrival = one if self.feed.tables["items"].deletes else one.without_deletes()
            # Of one size and time it would pass for the version that was there before.
            if self.arrivals.setdefault((arrival.path, arrival.version), arrival) == arrival:
                self.ground.put(arrival.path, arrival.content, arrival.modified)
                cuts |= arrival.cuts
        return self.prepare(cuts, parts, **MARCH)

    @precondition(lambda self: self.arrivals)
    @rule(target=batches, parts=st.integers(1, 3))
    def take_all_again(self, parts: int) -> Any:
        return self.prepare({}, parts, reload="all", **MARCH)

    @precondition(lambda self: self.arrivals)
    @rule(target=batches, at=st.integers(0, 20))
    def take_one_again(self, at: int) -> Any:
        paths = sorted({path for path, _ in self.arrivals})
        return self.prepare({}, 2, reload="all", uri=self.ground.uri(paths[at % len(paths)]))

    @precondition(lambda self: self.loaded)
    @rule(target=batches)
    def replay(self) -> Any:
        return self.prepare({}, 2, reload="replay", selection=Selection())

    @precondition(lambda self: self.feed is self.strict and self.loaded)
    @rule(target=batches)
    def mend(self) -> Any:
        """What was rejected passes from now on; batches that are ready keep to the mapping they were made under."""
        self.feed = self.mended
        return self.prepare({}, 2, reload="changed", **MARCH)

    def prepare(self, cuts: dict[str, Any], parts: int, **options: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(split_stage, "MAX_PARTS_IN_BATCH", parts)
            run_id, numbers = self.ground.prepare(self.feed, cuts, **options)
        is_replay = options.get("reload") == "replay"
        made = [Batch(self.feed, run_id, number, self.parts_of(run_id, number), is_replay) for number in numbers]
        self.ready |= dict.fromkeys(made)
        return multiple(*made)

    def parts_of(self, run_id: int, number: int) -> frozenset[Part]:
        rows = self.ground.sql(
            """SELECT f.uri, f.version, p.member, p.first_record FROM sluice.batches b
               JOIN sluice.parts p ON p.part_id = ANY(b.parts) JOIN sluice.files f USING (file_id)
               WHERE (b.run_id, b.number) = (%s, %s)""",
            run_id,
            number,
        )
        return frozenset((uri.removeprefix(self.ground.uri("")), *rest) for uri, *rest in rows)

    # -- loading ------------------------------------------------------------------------------------------------------

    @rule(batch=batches)
    def load(self, batch: Batch) -> None:
        self.load_all([batch])

    @rule(chosen=st.lists(batches, min_size=2, max_size=6))
    def load_in_parallel(self, chosen: list[Batch]) -> None:
        """Also one batch side by side with itself."""
        self.load_all(chosen, WORKERS)

    def load_all(self, chosen: Iterable[Batch], workers: int = 0) -> None:
        chosen = list(chosen)
        with pytest.MonkeyPatch.context() as patch:
            # Merges of the same keys may deadlock, and those that find a key gone, taken back by a re-load at that
            # moment, insert it late. Either is mended by the next try.
            patch.setattr(warehouse, "TRANSACTION_TRIES", 2)
            with ThreadPoolExecutor(workers or 1) as pool:
                list(pool.map(self.load_one, chosen))
        # Where a mended mapping and the strict one take turns, what is there in between depends on what was lost.
        self.is_compared = self.is_compared and not any(batch.feed is self.mended for batch in chosen)
        self.loaded |= set(chosen)
        self.tried["loads"] += len(chosen)

    def load_one(self, batch: Batch) -> None:
        self.ground.load(batch.feed, batch.run_id, batch.number)

    # -- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def tables_are_those_of_the_model(self) -> None:
        self.tried["steps"] += 1
        if self.is_compared and self.loaded:
            parts = frozenset[Part]().union(*(batch.parts for batch in self.loaded if not batch.is_replay))
            self.compare(parts, lambda record: not record.is_bad)

    def compare(self, parts: frozenset[Part] | None, is_accepted: Callable[[Record], bool]) -> None:
        tables, keys = expect(self.ground, self.feed, self.arrivals.values(), parts, is_accepted)
        assert self.ground.tables(self.feed) == tables
        if keys is not None:
            assert self.ground.keys(self.feed) == keys
        assert self.ground.miscounted() == []

    def teardown(self) -> None:
        """The rest is loaded, what was rejected is replayed; then nothing that is loaded again changes a row."""
        if sys.exc_info()[0] is None:
            self.finish()
            self.tried["finished"] += 1
        shutil.rmtree(self.ground.root / "work", ignore_errors=True)

    def finish(self) -> None:
        left = [batch for batch in self.ready if batch not in self.loaded]
        self.random.shuffle(left)
        self.load_all(left, self.random.choice([0, WORKERS]))
        if self.is_compared:
            self.compare(None, lambda record: not record.is_bad)
        self.feed = self.mended
        self.ground.replay(self.mended)
        self.compare(None, lambda record: True)
        assert self.ground.sql("SELECT count(*) FROM sluice.quarantine WHERE state = 'open'") == [(0,)]
        again = [*self.ready, *self.ready]
        self.random.shuffle(again)
        self.load_all(again[: len(again) // 2], WORKERS)
        self.prepare({}, 2, reload="all", **MARCH)
        self.load_all([batch for batch in self.ready if batch not in self.loaded], WORKERS)
        self.compare(None, lambda record: True)
        for run_id in {batch.run_id: None for batch in self.ready}:
            assert self.ground.reconcile(self.mended, run_id) is None


@pytest.mark.parametrize("name", FEEDS)
def test_whatever_happens_in_whatever_order(ground: Ground, name: str) -> None:
    """Promise 3, with repeats, re-loads, replays and a mended mapping; also that it does not take a retry."""
    mended = ground.feed(FEEDS[name], source=SOURCE)
    strict = ground.feed(FEEDS[name].replace("name: Name", STRICT_NAME), source=SOURCE)
    ground.run(strict)
    tried: Counter[str] = Counter()
    try:
        run_state_machine_as_test(
            lambda: Loading(ground, strict, mended, tried),
            settings=settings(deadline=None, suppress_health_check=list(HealthCheck), **HOW_MUCH),
        )
        assert tried["finished"]
    finally:
        print(f"\n{name}: {', '.join(f'{count:,} {what}' for what, count in tried.items())}")


# -- at the same moment -----------------------------------------------------------------------------------------------

KEYS = "abcdef"
UP = tuple(Record(key, 1 + at % 2, "up", (("x", ("m",)),)) for at, key in enumerate(KEYS))
DOWN = tuple(Record(key, 2 - at % 2, "down", (("y", ()), ("z", ("m",)))) for at, key in reversed([*enumerate(KEYS)]))
DELETED = tuple(replace(one, kind=("item", "gone", "status")[at % 3]) for at, one in enumerate(DOWN))


@pytest.mark.parametrize("known", [(), UP[::2]], ids=["new", "half known"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["older first", "newer first"])
@pytest.mark.parametrize("name", FEEDS)
def test_two_merges_of_the_same_keys_at_once(
    ground: Ground, name: str, order: tuple[int, int], known: tuple[Record, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits for the first and then sees what it did, though they have the keys in opposite order."""
    monkeypatch.setattr(warehouse, "_RETRIED", ())
    feed = ground.feed(FEEDS[name], source=SOURCE)
    second = DELETED if feed.tables["items"].deletes else DOWN
    # Without a key it is the versions of one file that meet.
    arrivals = [plain("g", 1, *UP), plain("h" if feed.tables["items"].key else "g", 2, *second)]
    if known:
        arrivals.insert(0, plain("f", 0, *known))
        ground.put(arrivals[0].path, arrivals[0].content, arrivals[0].modified)
        assert ground.run(feed, **MARCH) is None
    ready = [prepare(ground, feed, arrival) for arrival in arrivals[-2:]]
    first, last = (ready[at] for at in order)
    assert Pause(ground, monkeypatch).run(lambda: ground.load(feed, first), lambda: ground.load(feed, last))
    tables, keys = expect(ground, feed, arrivals)
    assert ground.tables(feed) == tables
    assert keys is None or ground.keys(feed) == keys
    assert ground.miscounted() == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["older first", "newer first"])
@pytest.mark.parametrize("name", [name for name, text in FEEDS.items() if text != KEYLESS])
def test_two_merges_that_have_met_the_same_rows(
    ground: Ground, name: str, order: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What decides is what is there once they are locked, not what was there when they were met."""
    monkeypatch.setattr(FamilyMerge, "_replace_older", lambda _: None)
    feed = ground.feed(FEEDS[name], source=SOURCE)
    arrivals = [plain("f", 0, *UP), plain("g", 1, *DOWN), plain("h", 2, *DOWN)]
    ready = [prepare(ground, feed, arrival) for arrival in arrivals]
    ground.load(feed, ready[0])
    first, second = (ready[1:][at] for at in order)
    has_met, may_lock = Event(), Event()
    real = Contest._find_contested

    def find_contested(self: Contest, takes_back: bool) -> int:
        contested = real(self, takes_back)
        if current_thread().name.startswith("early"):
            has_met.set()
            assert may_lock.wait(20)
        return contested

    def finish_early() -> None:
        may_lock.set()
        early.result(20)

    monkeypatch.setattr(Contest, "_find_contested", find_contested)
    with ThreadPoolExecutor(1, "early") as pool:
        early = pool.submit(ground.load, feed, second)
        assert has_met.wait(20)
        assert Pause(ground, monkeypatch).run(lambda: ground.load(feed, first), finish_early)
    tables, keys = expect(ground, feed, arrivals)
    assert ground.tables(feed) == tables
    assert keys is None or ground.keys(feed) == keys


@pytest.mark.parametrize("name", FEEDS)
def test_merges_of_other_keys_do_not_wait(ground: Ground, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no lock on a table or on a feed: the second is done before the first has committed."""
    feed = ground.feed(FEEDS[name], source=SOURCE)
    arrivals = [plain("f", 0, *UP), plain("g", 1, *UP[:3]), plain("h", 1, *UP[3:])]
    ready = [prepare(ground, feed, arrival) for arrival in arrivals]
    ground.load(feed, ready[0])
    assert not Pause(ground, monkeypatch).run(lambda: ground.load(feed, ready[1]), lambda: ground.load(feed, ready[2]))
    tables, keys = expect(ground, feed, arrivals)
    assert ground.tables(feed) == tables
    assert keys is None or ground.keys(feed) == keys


def plain(name: str, minute: int, *records: Record) -> Arrival:
    return Arrival(1, name, minute, (("", records),))


def prepare(ground: Ground, feed: Feed, arrival: Arrival) -> int:
    """Let one file arrive, and make it ready; returns the run, of one batch."""
    ground.put(arrival.path, arrival.content, arrival.modified)
    run_id, numbers = ground.prepare(feed, uri=ground.uri(arrival.path.replace("2026-03-01", "{date:%Y-%m-%d}")))
    assert numbers == [0]
    return run_id
