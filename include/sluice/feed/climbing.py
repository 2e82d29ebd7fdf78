"""Where a column's path may climb to: within the record anywhere, above it to attributes and to what stands before the
first record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sluice.feed.faults import Fault, Loc
from sluice.feed.paths import Path
from sluice.feed.written import read_path


@dataclass(frozen=True, slots=True)
class Way:
    """The elements on the way from the document down to a row's, that one included, in local names; the first
    ``record_levels`` of them lead to the record.
    """

    names: tuple[str, ...]
    record_levels: int


def way_to(record: Path, *rows: Path) -> Way:
    """The way to the rows of a table; ``rows`` are the paths below the record, the uppermost first."""
    names = (step.name.local for path in (record, *rows) for step in path.steps)
    return Way(tuple(names), len(record.steps))


def climb_faults(loc: Loc, text: str, way: Way | None, records: Sequence[Path]) -> Iterator[Fault]:
    """What is wrong with where a path climbs to; ``records`` are the paths of all records of the feed."""
    path = read_path(text)
    if path is None or way is None or not path.up:
        return
    levels = len(way.names)
    if path.up >= levels:
        above = "is nothing" if levels == 1 else "is 1 element" if levels == 2 else f"are {levels - 1} elements"
        message = f"{text!r} leads out of the document: there {above} above the row's element"
        yield Fault(loc, message, _from_root(path, levels - 1))
    elif path.up > levels - way.record_levels:
        yield from _faults_above_record(loc, path, way.names[: levels - path.up], records)


def _from_root(path: Path, up: int) -> str | None:
    """The path as it would be from the document's root."""
    rest = re.sub(r"^(?:\.\.?(?:/|$))+", "", path.text)
    return "../" * up + rest if rest else None


def _faults_above_record(loc: Loc, path: Path, ancestor: tuple[str, ...], records: Sequence[Path]) -> Iterator[Fault]:
    """``ancestor`` is where the path has climbed to."""
    if not path.steps and not path.attribute:
        message = "is an element above the record, and its text all that is in the file; name an element or attribute"
        yield Fault(loc, f"{path.text!r} {message} in it, as in '{path.text}/@id'")
    elif path.steps:
        below = (*ancestor, path.steps[0].name.local)
        holder = next((record for record in records if _names(record)[: len(below)] == below), None)
        if holder is not None:
            message = f"leads to where the records {holder.text!r} are; above a record, only what stands before the"
            yield Fault(loc, f"{path.text!r} {message} first one can be read")


def _names(record: Path) -> tuple[str, ...]:
    return tuple(step.name.local for step in record.steps)
