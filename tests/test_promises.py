"""The promises, attacked: whatever arrives in whatever order, the tables are those of a simple model."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.small_feeds import DATED, ITEMS, KEYLESS, MOMENT, Ground, cut_items, item, items, zipped

from sluice.feed.model import Feed
from sluice.stages import split as split_stage

FEEDS = {"versioned": ITEMS, "dated": DATED, "keyless": KEYLESS}
SOURCE = "{date:%Y-%m-%d}/*"
MARCH = {"date_from": dt.date(2026, 3, 1), "date_to": dt.date(2026, 3, 3)}


@dataclass(frozen=True)
class Item:
    key: str
    rev: int
    name: str
    parts: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def xml(self) -> str:
        return item(self.key, self.rev, self.name, self.parts)


@dataclass(frozen=True)
class Arrival:
    """A version of a file: members by name ('' for a plain file), and after how many records a plain one is cut."""

    day: int
    name: str
    minute: int
    members: tuple[tuple[str, tuple[Item, ...]], ...]
    cuts: tuple[int, ...]

    @property
    def path(self) -> str:
        return f"2026-03-0{self.day}/{self.name}.{'zip' if self.members[0][0] else 'xml'}"

    @property
    def modified(self) -> dt.datetime:
        return MOMENT + dt.timedelta(minutes=self.minute)

    @property
    def content(self) -> bytes:
        documents = {name: items(*(one.xml for one in records)) for name, records in self.members}
        return documents[""].encode() if "" in documents else zipped(documents)

    @property
    def version(self) -> str:
        """What the source takes for the version: the same size and time again would be the same file again."""
        return f"{len(self.content)}-{int(self.modified.timestamp())}000000000"


KEYS = st.sampled_from("ab")
PARTS = st.lists(st.tuples(st.sampled_from("xy"), st.lists(st.sampled_from("m"), max_size=1).map(tuple)), max_size=2)
ITEM = st.builds(Item, KEYS, st.integers(1, 2), st.sampled_from("no"), PARTS.map(tuple))
RECORDS = st.lists(ITEM, min_size=1, max_size=3).map(tuple)
PLAIN = st.tuples(st.tuples(st.just(""), RECORDS))
ARCHIVE = st.lists(RECORDS, min_size=1, max_size=2).map(lambda many: tuple(zip(("1.xml", "2.xml"), many, strict=False)))
ARRIVAL = st.builds(
    Arrival, st.integers(1, 2), st.sampled_from("fg"), st.integers(0, 1), PLAIN | ARCHIVE, st.sampled_from([(), (1,)])
)


@pytest.fixture(params=FEEDS)
def feed(request: pytest.FixtureRequest, ground: Ground) -> Feed:
    made = ground.feed(FEEDS[request.param], source=SOURCE)
    ground.run(made)
    return made


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals=st.lists(ARRIVAL, min_size=1, max_size=5), seed=st.integers(0, 1 << 16), batch=st.integers(1, 3))
def test_the_order_of_loading_does_not_matter(
    ground: Ground, feed: Feed, arrivals: list[Arrival], seed: int, batch: int
) -> None:
    """Promise 3: any order of batches, with repeats, one by one or in parallel, gives the tables of the model.

    Loading all of it again changes nothing.
    """
    ground.forget_all(feed)
    expected, batches = arrive(ground, feed, arrivals, batch)
    randomly = random.Random(seed)
    for number in range(4):
        order = randomly.sample(batches, len(batches)) + randomly.choices(batches, k=2)
        if number < 3:
            for run_id, batch_number in order:
                ground.load(feed, run_id, batch_number)
        else:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda one: ground.load(feed, *one), order))
        assert ground.tables(feed) == expected
        assert ground.miscounted() == []
        if number < 3:
            ground.forget_loads(feed)
    again, numbers = ground.prepare(feed, reload="all", **MARCH)
    for number in numbers:
        ground.load(feed, again, number)
    assert ground.tables(feed) == expected
    assert ground.miscounted() == []


def arrive(ground: Ground, feed: Feed, arrivals: Sequence[Arrival], batch: int) -> tuple[dict[str, Any], list[Any]]:
    """Let the files arrive, a run for each version of a path; returns the model's tables, and what is ready to load."""
    seen: dict[tuple[str, str], Arrival] = {}
    batches: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split_stage, "MAX_PARTS_IN_BATCH", batch)
        for round_ in rounds(arrivals):
            cuts = {}
            for one in round_:
                if seen.setdefault((one.path, one.version), one) != one:
                    continue
                ground.put(one.path, one.content, one.modified)
                if one.cuts and not one.members[0][0]:
                    cuts[one.path] = cut_items([record.xml for record in one.members[0][1]], *one.cuts)
            run_id, numbers = ground.prepare(feed, cuts, **MARCH)
            batches += [(run_id, number) for number in numbers]
    return model(ground, feed, seen), batches


def rounds(arrivals: Sequence[Arrival]) -> Iterator[list[Arrival]]:
    """Files that can lie there side by side; the versions of a path come one after another."""
    left = list(arrivals)
    while left:
        taken = {one.path: one for one in reversed(left)}
        yield list(taken.values())
        left = [one for one in left if one not in taken.values()]


def model(ground: Ground, feed: Feed, files: dict[tuple[str, str], Arrival]) -> dict[str, Any]:
    """The rules of loading in their plainest form."""
    root = feed.tables["items"]
    best: dict[Any, tuple[Any, ...]] = {}
    newest: dict[str, tuple[Any, ...]] = {}
    for (path, version), arrival in files.items():
        newest[path] = max(newest.get(path, ()), (arrival.modified, version))
    for (path, version), arrival in files.items():
        for member, records in arrival.members:
            content = items(*(one.xml for one in records))
            for ordinal, record in enumerate(records, 1):
                uri = ground.uri(path)
                date = dt.date(2026, 3, arrival.day)
                offset = content.index("<Item ") + sum(len(one.xml.encode()) for one in records[: ordinal - 1])
                declared = (record.rev,) if root.version_columns else ()
                order = (*declared, date, arrival.modified, uri, version, member, offset)
                place = (member, ordinal, offset, date, arrival.modified)
                key = record.key if root.key else (uri, member, ordinal)
                if root.key or newest[path] == (arrival.modified, version):
                    best[key] = max(best.get(key, ((),)), (order, record, uri, version, place), key=lambda one: one[0])
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in feed.tables}
    for _, record, uri, version, place in best.values():
        own = (record.key,) if root.key else ()
        rows["items"].append((uri, version, record.key, record.rev, record.name, *place))
        for number, (code, marks) in enumerate(record.parts, 1):
            rows["parts"].append((uri, version, *own, number, code, *place[:2]))
            rows["marks"] += [(uri, version, *own, number, at, mark, *place[:2]) for at, mark in enumerate(marks, 1)]
    return {name: sorted(table, key=repr) for name, table in rows.items()}


# -- one bad record costs one record ----------------------------------------------------------------------------------

VALUES = """
tables:
  items:
    record: /Items/Item
    key: id
    version: file_date
    columns:
      id: "@id"
      indexed: Indexed
      json: {path: Json, type: json}
      number: {path: Number, type: "numeric(76,38)"}
      whole: {path: Whole, type: bigint}
      instant: {path: Instant, type: timestamptz}
      texts: {path: Text, type: "text[]"}
    indexes: [indexed]
"""
LONG = random.Random(1).randbytes(5_000).hex()
GOOD = [
    ("<Json>{&quot;a&quot;: 1, &quot;a&quot;: 2}</Json>", "json", {"a": 2}),
    (f"<Json>1{'0' * 5_000}</Json>", "json::text", "1" + "0" * 5_000),
    (f"<Number>{'9' * 38}.{'9' * 38}</Number>", "number::text", "9" * 38 + "." + "9" * 38),
    (f"<Number>-0.{'0' * 37}1</Number>", "number::text", f"-0.{'0' * 37}1"),
    ("<Whole>-9223372036854775808</Whole>", "whole", -(1 << 63)),
    ("<Whole>9223372036854775807</Whole>", "whole", (1 << 63) - 1),
    ("<Instant>2026-03-29T02:30:00.000001+02:00</Instant>", "instant = '2026-03-29T00:30:00.000001Z'", True),
    ("<Text>a\nb</Text><Text>\\.</Text><Text></Text><Text>NULL</Text>", "texts", ["a\nb", "\\.", "", "NULL"]),
    ('<Text>{"\\,🎉}</Text><Text>\t</Text>', "texts", ['{"\\,🎉}', "\t"]),
    ("", "texts IS NULL AND number IS NULL AND json IS NULL", True),
    ("<Indexed></Indexed>", "indexed", ""),
]
BAD = [
    ("<Json>NaN</Json>", "not_json"),
    ('<Json>"\\u0000"</Json>', "bad_character"),
    ('<Json>"\\ud800"</Json>', "bad_character"),
    ("<Json>1e200000</Json>", "out_of_range"),
    (f"<Json>{'[' * 20_000}{']' * 20_000}</Json>", "not_json"),
    (f"<Indexed>{LONG}</Indexed>", "too_long_for_index"),
    (f"<Number>0.{'0' * 38}1</Number>", "too_precise"),
    (f"<Number>1{'0' * 38}</Number>", "out_of_range"),
    ("<Whole>9223372036854775808</Whole>", "out_of_range"),
    ("<Instant>0001-01-01T00:00:00+14:00</Instant>", "out_of_range"),
    ("<Instant>2026-03-29T02:30:00.0000001Z</Instant>", "too_precise"),
]


def test_every_value_arrives_exactly_or_costs_its_own_record_only(ground: Ground) -> None:
    """Promises 5 and 6: what PostgreSQL would refuse is rejected before, so that no batch ever fails for a value."""
    feed = ground.feed(VALUES)
    good = [f'<Item id="good {number}">{content}</Item>' for number, (content, _, _) in enumerate(GOOD)]
    bad = [f'<Item id="bad {number}">{content}</Item>' for number, (content, _) in enumerate(BAD)]
    ground.put("a.xml", items(*good, *bad, f'<Item id="{LONG}"/>', "<Item/>"))
    assert ground.run(feed) is None
    assert ground.ledger()[0][4:8] == ("loaded", len(GOOD) + len(BAD) + 2, len(BAD) + 2, len(GOOD))
    codes = [code for (code,) in ground.sql("SELECT code FROM sluice.quarantine ORDER BY ordinal")]
    assert codes == [*(code for _, code in BAD), "too_long_for_index", "required_missing"]
    for number, (_, column, value) in enumerate(GOOD):
        assert ground.sql(f"SELECT {column} FROM items.items WHERE id = %s", f"good {number}") == [(value,)]
