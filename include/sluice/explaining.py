"""``sluice preview --explain``: where an element or attribute goes and why, by the feed file and what is in files."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence

from sluice.drift import Ignored
from sluice.feed.model import Feed
from sluice.feed.paths import Name, Step
from sluice.feed.readings import Reading, readings_of, spell_steps, steps_to_deletes, steps_to_rows
from sluice.records import LedgerFile
from sluice.spots import Spot, spot_of_reject
from sluice.tryout.asked import Asked, Finder, parse_asked
from sluice.tryout.census import MAX_VALUES, Census, Met
from sluice.tryout.trial import TriedBatch, try_files
from sluice.wording import counted

MAX_SHOWN = 8


class Outcomes:
    """What became of the values of each column: rejects by code, with the first place."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str | None, str | None, str]] = Counter()
        self._first: dict[tuple[str | None, str | None, str], Spot] = {}

    def take(self, tried: TriedBatch) -> None:
        for reject in tried.rejects():
            for key in {(reason.table, reason.column, reason.code) for reason in reject.reasons}:
                self._counts[key] += 1
                self._first.setdefault(key, spot_of_reject(tried.files, reject))

    def of(self, table: str, column: str) -> Iterator[str]:
        for (one_table, one_column, code), count in self._counts.items():
            if (one_table, one_column) == (table, column):
                yield f"{count:,} rejected as {code} (first {self._first[one_table, one_column, code]})"


def explain(feed: Feed, files: Sequence[LedgerFile], text: str) -> list[str]:
    """Lines for a person about all that ``text`` may mean. Raises ``PathUnclear`` where it is no path."""
    asked = parse_asked(text, feed)
    census, outcomes = Census(feed), Outcomes()
    for tried in try_files(feed, files) if files else ():
        census.take(tried)
        outcomes.take(tried)
    return list(Explainer(feed, asked, census, outcomes, has_files=bool(files)).lines())


class Explainer:
    """Explains one path. What is at several places in the files, or in the feed, is told place by place."""

    def __init__(self, feed: Feed, asked: Asked, census: Census, outcomes: Outcomes, *, has_files: bool) -> None:
        self._feed, self._asked, self._census, self._outcomes = feed, asked, census, outcomes
        self._has_files = has_files
        self._readings = list(readings_of(feed))
        self._rows = {name: steps_to_rows(feed, name) for name in feed.tables}
        self._deletes = {name: steps for name in feed.tables if (steps := steps_to_deletes(feed, name))}
        self._records = [self._rows[name] for name in feed.roots] + list(self._deletes.values())
        self._finder = Finder(feed, asked, self._records, is_loose=False)
        if not asked.is_absolute and not self._is_known():
            self._finder = Finder(feed, asked, self._records, is_loose=True)

    def lines(self) -> Iterator[str]:
        met: dict[str, list[Met]] = {}
        for one in self._finder.find_met(self._census):
            met.setdefault(one.spell(self._feed.names), []).append(one)
        for text, same in met.items():
            yield from self._tell_met(text, same)
        places = [place for place in self._declared_places() if spell_steps(*place) not in met]
        for steps, attribute in places:
            yield spell_steps(steps, attribute)
            yield "  in the files: not there" if self._has_files else "  (no files were looked at)"
            yield from self._tell_use(steps, attribute)
        if not met and not places:
            yield from self._tell_unknown()

    # -- what is meant ------------------------------------------------------------------------------------------------

    def _is_known(self) -> bool:
        return bool(self._declared_places() or self._finder.find_met(self._census))

    def _declared_places(self) -> list[tuple[tuple[Step, ...], Name | None]]:
        """What the feed says of such a path: read, on the way to what is read, or asked for in a condition."""
        found: dict[str, tuple[tuple[Step, ...], Name | None]] = {}
        for steps, attribute in self._all_steps():
            for length in range(1, len(steps) + 1):
                if self._finder.is_at(steps[:length]):
                    found.setdefault(spell_steps(steps[:length]), (steps[:length], None))
            if attribute is not None and self._finder.is_at(steps, attribute):
                found.setdefault(spell_steps(steps, attribute), (steps, attribute))
        return list(found.values())

    def _all_steps(self) -> Iterator[tuple[tuple[Step, ...], Name | None]]:
        for steps in (*self._rows.values(), *self._deletes.values()):
            yield steps, None
        for reading in self._readings:
            yield reading.steps, reading.attribute
            yield from (condition for condition, _ in _conditions(reading))

    # -- telling ------------------------------------------------------------------------------------------------------

    def _tell_met(self, text: str, same: list[Met]) -> Iterator[str]:
        """What is at one path; a standard's versions may have it in several namespaces."""
        yield text
        values = list(dict.fromkeys(value for met in same for value in met.values))[:MAX_VALUES]
        told = f"; values: {', '.join(map(repr, values))}" if values else ""
        times = counted(sum(met.count for met in same), "time")
        yield f"  in the files: {times}, first in {same[0].first}{told}"
        used = list(self._tell_use_of_met(same))
        yield from used or self._tell_unread(text, same[0])

    def _tell_use_of_met(self, same: Sequence[Met]) -> Iterator[str]:
        """What the feed does with it; nothing where its namespace is another one."""
        wanted = set(map(id, same))
        for steps, attribute in self._all_prefixes():
            if wanted & set(map(id, self._census.find(steps, attribute))):
                yield from self._tell_use(steps, attribute)
                is_read = any(one.text == spell_steps(steps, attribute) for one in self._readings)
                if not is_read and any(met.has_text for met in same):
                    yield "  no column reads its text"
                return
        yield from self._tell_whole(same[0].line_down)

    def _all_prefixes(self) -> Iterator[tuple[tuple[Step, ...], Name | None]]:
        for steps, attribute in self._all_steps():
            yield from ((steps[:length], None) for length in range(1, len(steps) + 1))
            yield steps, attribute

    def _tell_use(self, steps: tuple[Step, ...], attribute: Name | None) -> Iterator[str]:
        text = spell_steps(steps, attribute)
        if attribute is None:
            yield from self._tell_rows(text)
        for reading in self._readings:
            if reading.text == text:
                yield from self._tell_reading(reading)
        for reading in self._readings:
            for condition, value in _conditions(reading):
                if spell_steps(*condition) == text:
                    name = f"{reading.table}.{reading.column}"
                    yield f"  compared with {value!r} in a condition of {name}: {reading.path.text}"
        below = [one for one in self._readings if attribute is None and one.text.startswith(f"{text}/")]
        if below:
            columns = dict.fromkeys(f"{one.table}.{one.column}" for one in below)
            more = f" and {len(columns) - MAX_SHOWN} more" if len(columns) > MAX_SHOWN else ""
            yield f"  read below it: {', '.join(list(columns)[:MAX_SHOWN])}{more}"
        yield from self._tell_above(steps, attribute)

    def _tell_rows(self, text: str) -> Iterator[str]:
        for name, steps in self._rows.items():
            if spell_steps(steps) == text:
                yield f"  each gives a row of the table {name}{_spell_conditions(steps)}"
        for name, steps in self._deletes.items():
            if spell_steps(steps) == text:
                yield f"  each deletes a key of the table {name}"

    def _tell_reading(self, reading: Reading) -> Iterator[str]:
        column = self._feed.tables[reading.table].columns[reading.column]
        facts = [column.type, *(["required"] if column.required else []), *(["the first"] if column.first else [])]
        of = " of records that delete" if reading.of_delete else ""
        yield f"  read by {reading.table}.{reading.column}{of} ({', '.join(facts)}): {reading.path.text}"
        choices = [one for one in self._readings if _same_column(one, reading)]
        if len(choices) > 1:
            before = ", ".join(one.path.text for one in choices[: reading.choice])
            rank = f"    path {reading.choice + 1} of {len(choices)}"
            yield f"{rank}: taken where there is no {before}" if before else f"{rank}: taken before all others"
        if condition := _spell_conditions(reading.path.steps):
            yield f"    only those{condition}"
        if self._has_files:
            outcomes = list(self._outcomes.of(reading.table, reading.column))
            told = "; ".join([_spell_hits(self._census.hits(reading)), *outcomes])
            yield f"    in the files: {told}"

    def _tell_above(self, steps: tuple[Step, ...], attribute: Name | None) -> Iterator[str]:
        """What takes it together with all that is around it."""
        text = spell_steps(steps)
        for reading in self._readings:
            is_around = text.startswith(f"{reading.text}/") or (attribute is not None and text == reading.text)
            if reading.attribute is None and is_around:
                yield from self._tell_whole_by(reading, is_attribute=attribute is not None)

    def _tell_whole(self, line: Sequence[Met]) -> Iterator[str]:
        above = {id(met) for met in line[:-1]}
        for reading in self._readings:
            if reading.attribute is None and any(id(one) in above for one in self._census.find(reading.steps)):
                yield from self._tell_whole_by(reading, is_attribute=line[-1].is_attribute)

    def _tell_whole_by(self, reading: Reading, *, is_attribute: bool) -> Iterator[str]:
        kind = self._feed.tables[reading.table].columns[reading.column].column_type.kind
        if kind == "xml":
            yield f"  part of {reading.table}.{reading.column}, which takes {reading.text} as xml"
        elif not is_attribute:
            yield f"  its text is part of {reading.table}.{reading.column}, which takes all text in {reading.text}"

    def _tell_unread(self, text: str, met: Met) -> Iterator[str]:
        yield "  no column reads it"
        line = met.line_down
        listed = self._feed.names.uris
        stranger = next((one for one in line if not one.is_attribute and one.namespace not in listed), None)
        if stranger is not None:
            where = f"the namespace {stranger.namespace}" if stranger.namespace else "no namespace"
            yield f"  <{stranger.local}> is in {where}, which the feed does not list"
        record = self._record_above(line)
        if record is None:
            yield f"  it is in no record: these are {' and '.join(map(spell_steps, self._records))}"
        elif Ignored(self._feed.drift).covers("/".join([record.local, met.spell(self._feed.names, record)])):
            yield "  the feed ignores it as drift (drift: {ignore: …})"
        yield from self._tell_nearest(text)

    def _record_above(self, line: Sequence[Met]) -> Met | None:
        records = {id(met) for steps in self._records for met in self._census.find(steps)}
        return next((met for met in line if id(met) in records), None)

    def _tell_unknown(self) -> Iterator[str]:
        yield self._asked.text
        where = "it is in none of the files, and no column reads it" if self._has_files else "no column reads it"
        yield f"  {where}"
        yield from self._tell_nearest(self._asked.text)

    def _tell_nearest(self, text: str) -> Iterator[str]:
        texts = {self._below_record(reading.text): reading.text for reading in self._readings}
        near = difflib.get_close_matches(self._below_record(text), texts, n=1)
        for found in near:
            columns = ", ".join(f"{one.table}.{one.column}" for one in self._readings if one.text == texts[found])
            yield f"  the nearest that is read: {texts[found]} ({columns})"

    def _below_record(self, text: str) -> str:
        """The end of a path that tells it from others."""
        records = [f"{spell_steps(steps)}/" for steps in self._records]
        return next((text.removeprefix(record) for record in records if text.startswith(record)), text)


Condition = tuple[tuple[tuple[Step, ...], Name | None], str]


def _conditions(reading: Reading) -> Iterator[Condition]:
    """What the conditions of a path compare, each with the value that it must have."""
    for number, step in enumerate(reading.steps, start=1):
        for predicate in step.predicates:
            below = tuple(Step(name) for name in predicate.steps)
            yield ((*reading.steps[:number], *below), predicate.attribute), predicate.value


def _spell_conditions(steps: Sequence[Step]) -> str:
    told = []
    for step in steps:
        for predicate in step.predicates:
            names = [*map(str, predicate.steps), *([f"@{predicate.attribute}"] if predicate.attribute else [])]
            told.append(f"{step.name}[{'/'.join(names)}={predicate.value!r}]")
    return f" under {', '.join(told)}" if told else ""


def _same_column(one: Reading, other: Reading) -> bool:
    return (one.table, one.column, one.of_delete) == (other.table, other.column, other.of_delete)


def _spell_hits(rows: int) -> str:
    return f"{counted(rows, 'row')} {'finds' if rows == 1 else 'find'} a value here"
