"""What a feed reads, from the document's root on: each path of a column as the element or attribute it means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sluice.feed.faults import Loc
from sluice.feed.model import Feed
from sluice.feed.paths import Name, Path, Step, parse_path


@dataclass(frozen=True, slots=True)
class Reading:
    """One path of one column. ``steps`` lead from the document's root to the element, ``attribute`` is its attribute.

    ``choice`` counts the alternatives of the column from 0; ``of_delete`` says that it is read of records that do
    nothing but delete.
    """

    table: str
    column: str
    path: Path
    choice: int
    steps: tuple[Step, ...]
    attribute: Name | None
    of_delete: bool = False

    @property
    def loc(self) -> Loc:
        """Where the path stands in the feed file."""
        if self.of_delete:
            return ("tables", self.table, "deletes", "columns", self.column, self.choice)
        return ("tables", self.table, "columns", self.column, "path", self.choice)

    @property
    def text(self) -> str:
        """The path from the document's root, without its conditions."""
        return spell_steps(self.steps, self.attribute)


def spell_steps(steps: tuple[Step, ...], attribute: Name | None = None) -> str:
    names = [str(step.name) for step in steps] + ([f"@{attribute}"] if attribute else [])
    return "/" + "/".join(names)


def steps_to_rows(feed: Feed, table: str) -> tuple[Step, ...]:
    """The way from the document's root to the elements that give the table's rows."""
    declared = feed.tables[table]
    own = parse_path(declared.record or declared.rows or "").steps
    return own if declared.parent is None else (*steps_to_rows(feed, declared.parent), *own)


def steps_to_deletes(feed: Feed, table: str) -> tuple[Step, ...]:
    """The way to the records that do nothing but delete; () where the table has none."""
    deletes = feed.tables[table].deletes
    return parse_path(deletes.record).steps if deletes is not None and deletes.record is not None else ()


def readings_of(feed: Feed) -> Iterator[Reading]:
    """All that the columns of a feed read, table by table, in the order of the feed file."""
    for name, table in feed.tables.items():
        row = steps_to_rows(feed, name)
        for column, declared in table.columns.items():
            yield from _read(name, column, declared.paths, row)
        deletes = steps_to_deletes(feed, name)
        for column, paths in table.deletes.paths.items() if table.deletes and deletes else ():
            yield from _read(name, column, paths, deletes, of_delete=True)


def _read(
    table: str, column: str, paths: tuple[Path, ...], row: tuple[Step, ...], of_delete: bool = False
) -> Iterator[Reading]:
    for choice, path in enumerate(paths):
        steps = (*row[: len(row) - path.up], *path.steps)
        yield Reading(table, column, path, choice, steps, path.attribute, of_delete)
