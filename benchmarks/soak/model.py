"""What must be in the tables: the rules of loading in their plainest form, over all that ever arrived.

Knows nothing of Sluice's code. The rows are written as ``check`` reads them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.soak.world import Arrival, Record, Shape

Row = tuple[Any, ...]


@dataclass
class Expected:
    """Rows of each table, keys where there are deletes, quarantine entries; found and quarantined by file version."""

    tables: dict[str, Counter[Row]] = field(default_factory=dict)
    keys: Counter[Row] = field(default_factory=Counter)
    quarantine: Counter[Row] = field(default_factory=Counter)
    books: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Place:
    """A record that was accepted, with the file, member and place that it has there."""

    file: Arrival
    uri: str
    version: str
    member: str
    ordinal: int
    offset: int
    record: Record

    @property
    def order(self) -> Row:
        return (self.file.day, self.file.modified, self.uri, self.version, self.member, self.offset)


def expect(shape: Shape, arrivals: Iterable[Arrival], root: str, *, is_healed: bool = False) -> Expected:
    """What the feed ``shape`` must have after all of ``arrivals``, in whatever order; ``root`` begins their URIs.

    ``is_healed``: its mapping has changed, and what that lets pass was replayed.
    """
    expected = Expected()
    accepted: list[_Place] = []
    newest: dict[str, Row] = {}
    for one in arrivals:
        uri, version = root + one.path, one.version
        if one.form == "truncated":
            ((_, records),) = one.documents
            ends = (at + len(record.xml.encode()) for at, record in zip(one.offsets(records), records, strict=True))
            seen = sum(end <= len(one.content) for end in ends)
            expected.quarantine[uri, version, "", None, "truncated"] += 1
            expected.books[uri, version] = (seen, seen)
            continue
        newest[uri] = max(newest.get(uri, ()), (one.modified, version))
        places = list(_places(one, uri, version))
        rejected = [place for place in places if place.record.is_rejected(is_healed=is_healed)]
        accepted += [place for place in places if place not in rejected]
        expected.books[uri, version] = (len(places), len(rejected))
        for place in rejected:
            expected.quarantine[uri, version, place.member, place.ordinal, place.record.flaw] += 1
    standing = (
        _newest_of_keys(shape, accepted)
        if shape.is_keyed
        else [place for place in accepted if newest[place.uri] == (place.file.modified, place.version)]
    )
    _write_rows(shape, standing, expected)
    return expected


def _places(one: Arrival, uri: str, version: str) -> Iterator[_Place]:
    for member, records in one.documents:
        for ordinal, (record, offset) in enumerate(zip(records, one.offsets(records), strict=True), 1):
            yield _Place(one, uri, version, member, ordinal, offset, record)


def _newest_of_keys(shape: Shape, places: list[_Place]) -> list[_Place]:
    """Of each key the record with the greatest version, then the greatest order."""
    best: dict[str, tuple[Row, _Place]] = {}
    for place in places:
        order = (place.record.rev if shape.version else 0, *place.order)
        if place.record.key not in best or best[place.record.key][0] < order:
            best[place.record.key] = (order, place)
    return [place for _, place in best.values()]


def _write_rows(shape: Shape, places: list[_Place], expected: Expected) -> None:
    records, legs, marks = (expected.tables.setdefault(name, Counter()) for name in ("records", "legs", "marks"))
    for place in places:
        if shape.has_deletes:
            one = place.record
            file = (place.uri, place.version, place.member, place.ordinal)
            expected.keys[(*file, one.key, one.rev, place.offset, bool(one.deletes))] += 1
        if place.record.deletes:
            continue
        one, file = place.record, (place.uri, place.version, place.member, place.ordinal)
        key = (one.key,) if shape.is_keyed else ()
        lineage = (place.offset, place.file.day, place.file.modified)
        amount = None if one.flaw == "not_a_number" else one.amount
        records[(*file, one.key, one.rev, amount, one.note, *lineage)] += 1
        for number, (code, quantity, below) in enumerate(one.legs, 1):
            legs[(*file, *key, number, code, quantity)] += 1
            for at, mark in enumerate(below, 1):
                marks[(*file, *key, number, at, mark)] += 1
