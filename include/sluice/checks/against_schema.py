"""A feed against its XSD: paths that cannot match, and columns that are narrower than what the XSD lets a sender send.

Nothing here needs samples. What the XSD leaves open (``xs:any``, files that are missing) is never a finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from sluice.checks.declaration import WrittenFeed
from sluice.checks.narrow import find_narrow
from sluice.draft.schema import Schema, read_schema
from sluice.draft.schema_paths import Found, SchemaPaths
from sluice.feed.model import Feed
from sluice.feed.paths import Step, parse_path
from sluice.feed.readings import Reading, readings_of, steps_to_deletes, steps_to_rows
from sluice.findings import Finding, Severity


def check_against_xsd(feed: Feed) -> Iterator[Finding]:
    """The findings for a feed that has an XSD; none otherwise. Raises ``PermanentError`` where it cannot be read."""
    if feed.xsd is not None:
        yield from check_against_schema(feed, read_schema([feed.folder / file for file in feed.xsd.files]))


def check_against_schema(feed: Feed, schema: Schema) -> Iterator[Finding]:
    """Hold all paths, types and expectations of a feed against a schema."""
    checking = _Checking(feed, schema)
    for table in feed.tables:
        yield from checking.rows_of(table)
    readings = (reading for reading in readings_of(feed) if reading.table not in checking.without_rows)
    for _, choices in groupby(readings, key=lambda reading: (reading.table, reading.column, reading.of_delete)):
        yield from checking.column(list(choices))


class _Checking:
    """One feed and its schema. ``without_rows`` are the tables whose rows the XSD does not know."""

    def __init__(self, feed: Feed, schema: Schema) -> None:
        self._feed, self._paths = feed, SchemaPaths(schema, feed.names)
        self._written = WrittenFeed(feed)
        self.without_rows: set[str] = set()

    def rows_of(self, name: str) -> Iterator[Finding]:
        table = self._feed.tables[name]
        if table.parent in self.without_rows:
            self.without_rows.add(name)
            return
        steps = steps_to_rows(self._feed, name)
        found = self._paths.find(steps, None)
        if found.is_impossible:
            self.without_rows.add(name)
            key, path = ("record", table.record) if table.is_root else ("rows", table.rows)
            yield self._impossible(name, None, ("tables", name, key), path or "", steps, found, "error")
        if deletes := steps_to_deletes(self._feed, name):
            found = self._paths.find(deletes, None)
            if found.is_impossible:
                path = table.deletes.record if table.deletes and table.deletes.record else ""
                yield self._impossible(name, None, ("tables", name, "deletes", "record"), path, deletes, found, "error")

    def column(self, choices: list[Reading]) -> Iterator[Finding]:
        found = [self._paths.find(reading.steps, reading.attribute) for reading in choices]
        missed = [index for index, each in enumerate(found) if each.is_impossible]
        severity: Severity = "error" if len(missed) == len(choices) else "warning"
        for index in missed:
            reading = choices[index]
            loc = reading.loc
            steps = reading.steps
            yield self._impossible(
                reading.table, reading.column, loc, reading.path.text, steps, found[index], severity, reading
            )
        if len(missed) < len(choices) and not choices[0].of_delete:
            yield from find_narrow(self._feed, choices, found, self._written)

    def _impossible(
        self,
        table: str,
        column: str | None,
        loc: tuple[str | int, ...],
        path: str,
        steps: tuple[Step, ...],
        found: Found,
        severity: Severity,
        reading: Reading | None = None,
    ) -> Finding:
        spot, where = self._written.spot(loc)
        is_attribute = reading is not None and reading.attribute is not None and found.matched == len(steps)
        if not found.matched:
            roots = ", ".join(self._paths.root_names()[:5])
            message = f"the XSD has no document that begins with {steps[0].name}; there is {roots or 'none'}"
            return Finding(severity, "xsd_path_impossible", message, spot, where, table, column, path)
        wanted = reading.attribute if reading is not None and reading.attribute and is_attribute else None
        name = wanted or steps[found.matched].name
        parent = steps[found.matched - 1].name
        near = self._paths.nearest(found, name, is_attribute=is_attribute)
        message = f"the XSD has no {f'@{name}' if is_attribute else name} in {parent}"
        suggestion = _mended(path, len(steps) - found.matched, near, has_attribute=bool(reading and reading.attribute))
        return Finding(
            severity, "xsd_path_impossible", message, spot, where, table, column, path, suggestion=suggestion
        )


def _mended(path: str, missing: int, near: str | None, *, has_attribute: bool) -> str | None:
    """The path with what is near in the place of the step that leads nowhere."""
    if near is None:
        return None
    prefix = "/" if path.startswith("/") else ""
    parsed = parse_path(path)
    parts = [".."] * parsed.up + [str(step.name) for step in parsed.steps]
    attribute = [f"@{parsed.attribute}"] if has_attribute and missing else []
    kept = parts[: len(parts) - missing] if missing else parts
    after = parts[len(parts) - missing + 1 :] if missing else []
    return prefix + "/".join([*kept, near, *after, *attribute])
