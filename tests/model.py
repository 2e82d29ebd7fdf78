"""What the tables must hold, whatever arrives in whatever order: the rules of loading in their plainest form."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.small_feeds import MOMENT, Ground, cut_items, deleted, gone, item, items, zipped

from sluice.feed.model import Feed
from sluice.records import Cut

Part = tuple[str, str, str, int]
"""Path and version of a file, archive member, ordinal of the first record."""
BAD = "bad"


@dataclass(frozen=True)
class Record:
    """An item, or one of the two ways to delete it; an item that is called bad is one for the quarantine, at first."""

    key: str
    rev: int
    name: str = "n"
    parts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    kind: str = "item"

    @property
    def xml(self) -> str:
        if self.kind == "item":
            return item(self.key, self.rev, self.name, self.parts)
        return (gone if self.kind == "gone" else deleted)(self.key, self.rev)

    @property
    def is_delete(self) -> bool:
        return self.kind != "item"

    @property
    def is_bad(self) -> bool:
        return self.name == BAD and not self.is_delete


@dataclass(frozen=True)
class Arrival:
    """A version of a file: members by name ('' for a plain file), and into parts of how many records a plain one is
    cut.
    """

    day: int
    name: str
    minute: int
    members: tuple[tuple[str, tuple[Record, ...]], ...]
    sizes: tuple[int, ...] = ()

    @property
    def is_archive(self) -> bool:
        return bool(self.members[0][0])

    @property
    def path(self) -> str:
        return f"2026-03-0{self.day}/{self.name}.{'zip' if self.is_archive else 'xml'}"

    @property
    def date(self) -> dt.date:
        return dt.date(2026, 3, self.day)

    @property
    def modified(self) -> dt.datetime:
        return MOMENT + dt.timedelta(minutes=self.minute)

    @property
    def content(self) -> bytes:
        documents = {name: items(*(one.xml for one in records)) for name, records in self.members}
        return zipped(documents) if self.is_archive else documents[""].encode()

    @property
    def version(self) -> str:
        """What the source takes for the version: the same size and time again would be the same file again."""
        return f"{len(self.content)}-{int(self.modified.timestamp())}000000000"

    @property
    def cuts(self) -> dict[str, list[Cut]]:
        """As ``Ground.prepare`` wants them."""
        records = [one.xml for one in self.members[0][1]]
        return {self.path: cut_items(records, *self._sizes)} if self._sizes else {}

    @property
    def _sizes(self) -> tuple[int, ...]:
        """Of all parts but the last, which is not empty either."""
        ends = itertools.accumulate(self.sizes)
        count = sum(end < len(self.members[0][1]) for end in ends)
        return () if self.is_archive else self.sizes[:count]

    def part_of(self, member: str, ordinal: int) -> Part:
        """The part that holds a record."""
        firsts = [1]
        for size in self._sizes:
            firsts.append(firsts[-1] + size)
        return (self.path, self.version, member, max(first for first in firsts if first <= ordinal))

    def without_deletes(self) -> Arrival:
        """The same for a feed that knows none: there they are items like all others."""
        members = [(name, tuple(replace(one, kind="item") for one in records)) for name, records in self.members]
        return replace(self, members=tuple(members))


@dataclass(frozen=True)
class Placed:
    """A record at its place in a file, with all that orders the versions of its key."""

    record: Record
    arrival: Arrival
    uri: str
    member: str
    ordinal: int
    offset: int

    @property
    def order(self) -> tuple[Any, ...]:
        """But for the version that the feed declares."""
        arrival = self.arrival
        return (arrival.date, arrival.modified, self.uri, arrival.version, self.member, self.offset)

    @property
    def lineage(self) -> tuple[Any, ...]:
        return (self.member, self.ordinal, self.offset, self.arrival.date, self.arrival.modified)


def place_records(ground: Ground, arrivals: Collection[Arrival]) -> Iterator[Placed]:
    for arrival in arrivals:
        for member, records in arrival.members:
            offset = len(items()) - len("</Items>")
            for ordinal, record in enumerate(records, 1):
                yield Placed(record, arrival, ground.uri(arrival.path), member, ordinal, offset)
                offset += len(record.xml.encode())


def expect(
    ground: Ground,
    feed: Feed,
    arrivals: Collection[Arrival],
    loaded: Collection[Part] | None = None,
    is_accepted: Callable[[Record], bool] = lambda record: True,
) -> tuple[dict[str, list[Any]], list[Any] | None]:
    """The tables, as ``Ground.tables`` reads them, and the keys table, as ``Ground.keys`` does; None if there is none.

    Of the files only the parts that are ``loaded`` (all, if None), of these only the records that are accepted.
    """
    root = feed.tables["items"]
    placed = [
        one
        for one in place_records(ground, arrivals)
        if loaded is None or one.arrival.part_of(one.member, one.ordinal) in loaded
    ]
    if root.key:
        standing = _greatest(placed, bool(root.version_columns), is_accepted)
    else:
        standing = [one for one in _newest(placed) if is_accepted(one.record)]
    tables = _tables(feed, [one for one in standing if not one.record.is_delete])
    return tables, sorted(map(_key_row(feed), standing), key=repr) if root.deletes else None


def _greatest(placed: list[Placed], is_versioned: bool, is_accepted: Callable[[Record], bool]) -> list[Placed]:
    """Of each key the record with the greatest order, be it a delete or not."""
    best: dict[str, tuple[Any, Placed]] = {}
    for one in placed:
        order = (one.record.rev if is_versioned else 0, *one.order)
        key = one.record.key
        if is_accepted(one.record) and (key not in best or best[key][0] < order):
            best[key] = (order, one)
    return [one for _, one in best.values()]


def _newest(placed: list[Placed]) -> list[Placed]:
    """Without a key: of each URI the newest version of which anything was loaded."""
    newest: dict[str, Any] = {}
    for one in placed:
        newest[one.uri] = max(newest.get(one.uri, ()), (one.arrival.modified, one.arrival.version))
    return [one for one in placed if newest[one.uri] == (one.arrival.modified, one.arrival.version)]


def _tables(feed: Feed, standing: list[Placed]) -> dict[str, list[Any]]:
    root = feed.tables["items"]
    rows: dict[str, list[Any]] = {name: [] for name in feed.tables}
    for one in standing:
        record, file = one.record, (one.uri, one.arrival.version)
        place = one.lineage[: 2 if root.key else 3]
        status = (None,) if "status" in root.columns else ()
        rows["items"].append((*file, record.key, record.rev, record.name, *status, *one.lineage))
        own = (record.key,) if root.key else ()
        for number, (code, marks) in enumerate(record.parts, 1):
            rows["parts"].append((*file, *own, number, code, *place))
            rows["marks"] += [(*file, *own, number, at, mark, *place) for at, mark in enumerate(marks, 1)]
    return {name: sorted(table, key=repr) for name, table in rows.items()}


def _key_row(feed: Feed) -> Callable[[Placed], tuple[Any, ...]]:
    def row(one: Placed) -> tuple[Any, ...]:
        values: Mapping[str, Any] = {"id": one.record.key, "rev": one.record.rev}
        order = [values[name] for name in feed.tables["items"].order_columns]
        return (one.uri, one.arrival.version, *order, *one.lineage, one.record.is_delete)

    return row
