"""What a path that leads to nothing was probably meant to be: something alike in the files that no column reads."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sluice.feed.model import Feed
from sluice.feed.paths import Name, Step
from sluice.feed.readings import Reading, readings_of, steps_to_deletes, steps_to_rows
from sluice.tryout.census import Census, Met
from sluice.wording import counted

_ALIKE = 0.75
MAX_CANDIDATES = 2_000


@dataclass(frozen=True, slots=True)
class Near:
    """``path`` is as the feed would write it; where none can be named, ``why`` may say what is different."""

    path: str | None = None
    why: str = ""

    def __bool__(self) -> bool:
        return bool(self.path or self.why)


class Nearby:
    """Looks for names in a census that is complete."""

    def __init__(self, feed: Feed, census: Census) -> None:
        self._feed, self._census, self._names = feed, census, feed.names
        self._read = {id(met) for one in readings_of(feed) for met in census.find(one.steps, one.attribute)}
        self._read |= {id(met) for name in feed.tables for met in census.find(steps_to_rows(feed, name))}

    def of_reading(self, reading: Reading) -> Near:
        """Where a path of a column might have been meant to lead."""
        if there := self._census.find(reading.steps, reading.attribute):
            return Near(why=_why_unfit(reading, there))
        if elsewhere := self._in_other_namespace(reading.steps, reading.attribute):
            return elsewhere
        of_table = steps_to_deletes if reading.of_delete else steps_to_rows
        row = of_table(self._feed, reading.table)
        base = self._census.find(row[: len(row) - reading.path.up])
        wanted = _names_of(reading.path.steps, reading.path.attribute)
        found = self._nearest(base, wanted, lambda met: met.has_text)
        return Near("../" * reading.path.up + found) if found else Near()

    def of_rows(self, table: str) -> Near:
        """Where the path to a record, or to a child table's rows, might have been meant to lead."""
        steps, parent = steps_to_rows(self._feed, table), self._feed.tables[table].parent
        if there := self._census.find(steps):
            return Near(why=f"it is in the files {_times(there)}, but not under its conditions")
        if elsewhere := self._in_other_namespace(steps):
            return elsewhere
        above = steps_to_rows(self._feed, parent) if parent else ()
        base = self._census.find(above)
        found = self._nearest(base, _names_of(steps[len(above) :]), lambda met: not met.is_attribute)
        return Near(found if parent else f"/{found}") if found else Near()

    def _nearest(self, base: Iterable[Met], wanted: list[str], fits: Callable[[Met], bool]) -> str | None:
        """The path from ``base`` that is most like ``wanted``; only one that is alike in a way that people err."""
        paths = dict.fromkeys(path for above in base for path in self._unread(above, fits))
        likely = [path for path in paths if _may_be_meant(wanted, path.split("/"))]
        return max(likely, key=lambda path: _likeness("/".join(wanted), path), default=None)

    def _unread(self, above: Met, fits: Callable[[Met], bool]) -> Iterator[str]:
        for number, met in enumerate(above.descendants()):
            if number >= MAX_CANDIDATES:
                return
            if id(met) not in self._read and fits(met):
                path = met.spell(self._names, above).lstrip("/")
                if "{" not in path:
                    yield path

    def _in_other_namespace(self, steps: Sequence[Step], attribute: Name | None = None) -> Near | None:
        """Whether all names are there, some of them in a namespace that the feed does not mean."""
        locals_ = [*(step.name.local for step in steps), *([f"@{attribute.local}"] if attribute else [])]
        found = [self._census.root]
        for local in locals_:
            found = [met for above in found for met in above.below.values() if met.local == local]
        for met in found:
            for one, step in zip(met.line_down, steps, strict=False):
                if one.name not in self._names.element_names(step.name):
                    where = f"the namespace {one.namespace}" if one.namespace else "no namespace"
                    return Near(why=f"<{one.local}> is there in {where}")
        return None


def _names_of(steps: Sequence[Step], attribute: Name | None = None) -> list[str]:
    return [*(str(step.name) for step in steps), *([f"@{attribute}"] if attribute else [])]


def _may_be_meant(wanted: list[str], there: list[str]) -> bool:
    """One name misspelt, an attribute taken for an element, or a level too much or too few."""
    if len(wanted) == len(there):
        different = [(one, other) for one, other in zip(wanted, there, strict=True) if one != other]
        return len(different) == 1 and _is_alike(*different[0])
    longer, shorter = sorted((wanted, there), key=len, reverse=True)
    return bool(shorter) and _bare(longer[-1]) == _bare(shorter[-1]) and _is_within(shorter[:-1], longer[:-1])


def _is_alike(one: str, other: str) -> bool:
    one, other = _bare(one), _bare(other)
    return one == other or _likeness(one, other) >= _ALIKE


def _bare(name: str) -> str:
    return name.lstrip("@").casefold()


def _is_within(shorter: Sequence[str], longer: Sequence[str]) -> bool:
    """Whether all of ``shorter`` are in ``longer``, in their order."""
    left = iter(longer)
    return all(name in left for name in shorter)


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _why_unfit(reading: Reading, there: Sequence[Met]) -> str:
    if not any(step.predicates for step in reading.steps):
        return f"it is in the files {_times(there)}, but in no record that can be read"
    values = _values_of_condition(reading, there)
    told = f"; there is {', '.join(map(repr, values))}" if values else ""
    return f"it is in the files {_times(there)}, but not under its conditions{told}"


def _times(there: Sequence[Met]) -> str:
    return counted(sum(met.count for met in there), "time")


def _values_of_condition(reading: Reading, there: Sequence[Met]) -> list[str]:
    """What is there in place of the value that the innermost condition asks for, if it asks for an attribute's."""
    depth, step = max(
        ((depth, step) for depth, step in enumerate(reading.steps) if step.predicates), key=lambda x: x[0]
    )
    attribute = step.predicates[0].attribute
    if attribute is None or step.predicates[0].steps:
        return []
    elements = {id(met.line_down[depth]): met.line_down[depth] for met in there}.values()
    named = [
        one for met in elements for one in met.below.values() if one.is_attribute and one.local[1:] == attribute.local
    ]
    return list(dict.fromkeys(value for one in named for value in one.values))
