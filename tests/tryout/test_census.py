"""The census counts what is in files, wherever they are cut, and what each path of a column finds."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from lxml import etree
from tests.tryout.trying import ORDERS, feed_with_samples, order, orders

from sluice.feed.model import Feed
from sluice.feed.readings import readings_of
from sluice.reading import read_pieces
from sluice.stages import split
from sluice.tryout import census as census_module
from sluice.tryout.census import Census
from sluice.tryout.samples import find_samples, own_samples
from sluice.tryout.trial import try_files


def census_of(feed: Feed) -> Census:
    census = Census(feed)
    for tried in try_files(feed, find_samples(feed, own_samples(feed))):
        census.take(tried)
    return census


def counted_by_lxml(*texts: str) -> Counter[str]:
    """How often each path is there, by another walk over the whole document."""
    counts: Counter[str] = Counter()

    def walk(element: etree._Element, path: str) -> None:
        path = f"{path}/{element.tag}"
        counts[path] += 1
        counts.update(f"{path}/@{name}" for name in element.attrib)
        for child in element.iterchildren(tag=etree.Element):
            walk(child, path)

    for text in texts:
        walk(etree.fromstring(text.encode()), "")
    return counts


def counted_by_census(census: Census) -> dict[str, int]:
    return {"/" + "/".join(one.name for one in met.line_down): met.count for met in census.root.descendants()}


TRAILER = "<Between>x</Between>"
MANY = orders(
    *(order(number, more="<!-- n --><x:New y='1'>z</x:New>") + TRAILER * (number % 3) for number in range(200))
)


@pytest.mark.parametrize("piece_bytes", [1 << 19, 3000])
@pytest.mark.parametrize("batch_bytes", [16 << 20, 20_000])
def test_every_name_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece_bytes: int, batch_bytes: int
) -> None:
    """What a piece, or a part of a cut file, repeats of what stands above its records is no second one."""
    monkeypatch.setattr(census_module, "read_pieces", partial(read_pieces, piece_bytes=piece_bytes))
    monkeypatch.setattr(split, "MIN_BATCH_BYTES", batch_bytes)
    two = MANY + "\n" + orders(order(1))  # two documents in one file
    census = census_of(feed_with_samples(tmp_path, {"a.xml": MANY, "b.zip": {"one.xml": MANY}, "c.xml": two}))
    assert counted_by_census(census) == counted_by_lxml(MANY, MANY, MANY, orders(order(1)))


def test_values_and_places(tmp_path: Path) -> None:
    """The first different values, cut short; the place is that of the record."""
    feed = feed_with_samples(
        tmp_path, {"a.xml": orders(order(1), order(2, more="<Note> </Note>"), order(3, total="9" * 100))}
    )
    census = census_of(feed)
    met = {one.spell(feed.names): one for one in census.root.descendants()}
    total = met["/Orders/Order/Total"]
    assert total.values == ["1.50", "9" * 79 + "…"]
    assert total.first.line == 3
    assert met["/Orders/Order/Note"].first.line == 4
    assert met["/Orders/Order/Note"].values == [" "]
    assert met["/Orders/Header/Sender"].values == ["ACME"]
    assert not met["/Orders/Order/Lines"].has_text


def test_hits(tmp_path: Path) -> None:
    """Rows that find something at a path, alternative by alternative, and under its conditions."""
    lines = '<Line><Article>text</Article></Line><Line><Article number="1"/><Property name="size">1</Property></Line>'
    feed = feed_with_samples(tmp_path, {"a.xml": orders(order(1), order(2, total="wrong"), order(3, lines=lines))})
    census = census_of(feed)
    hits = {(one.column, one.path.text): census.hits(one) for one in readings_of(feed)}
    assert hits["total", "Total"] == 3  # of rejected records, too
    assert hits["sender", "../Header/Sender"] == 3
    assert hits["article", "Article/@number"] == 3
    assert hits["article", "Article"] == 4
    assert hits["color", "Property[@name='color']"] == 2
    assert census.rows == {"orders": 3, "lines": 4}


def test_broken_files_count_up_to_the_fault(tmp_path: Path) -> None:
    """They must not end the census."""
    files = {"a.xml": orders(order(1))[:-12], "b.xml": "", "c.xml": "<a><b></a>", "d.xml": orders(order(2))}
    census = census_of(feed_with_samples(tmp_path, files))
    assert census.rows["orders"] >= 1


def test_names_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile file may invent a name for each of its elements."""
    monkeypatch.setattr(census_module, "MAX_NAMES", 20)
    names = "".join(f"<N{number}/>" for number in range(50))
    census = census_of(feed_with_samples(tmp_path, {"a.xml": orders(order(1, more=names))}))
    assert census.is_full
    assert len(list(census.root.descendants())) == 20


@pytest.mark.parametrize("depth", [300, 2000, 3000])
def test_levels_are_bounded(tmp_path: Path, depth: int) -> None:
    """Deep nesting ends no check, in a record, above it or without any."""
    deep = "<N>" * depth + "</N>" * depth
    samples = {
        "a.xml": orders(order(1, more=deep)),
        "b.xml": orders(order(2)).replace("<Header>", f"<Header>{deep}"),
        "c.xml": deep,
        "d.xml": orders(order(3)),
    }
    census = census_of(feed_with_samples(tmp_path, samples))
    assert census.is_full or depth > 2048
    assert census.rows["orders"] > 0


DELETING = ORDERS.replace(
    "    version: changed_at\n",
    "    version: changed_at\n    deletes: {column: customer, values: [gone], record: /Orders/Removed,"
    " columns: {order_id: ['@nr', '@id'], changed_at: '@at'}}\n",
)


def test_hits_of_deletes(tmp_path: Path) -> None:
    """The paths of records that do nothing but delete are counted apart."""
    removed = "<Removed id='9' at='2026-03-01'/><Removed nr='8' at='2026-03-01'/><Removed id='7' at='2026-03-01'/>"
    feed = feed_with_samples(tmp_path, {"a.xml": orders(order(1), removed)}, DELETING)
    census = census_of(feed)
    hits = {(one.of_delete, one.path.text): census.hits(one) for one in readings_of(feed)}
    assert (hits[True, "@nr"], hits[True, "@id"], hits[True, "@at"]) == (1, 2, 3)
    assert hits[False, "@id"] == 1
    assert census.rows["orders"] == 1
