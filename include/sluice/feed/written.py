"""A feed file as it stands, before it is a model: what the rules between its keys look at.

A value of the wrong shape counts as absent here, since the model itself reports it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sluice.feed.faults import Fault, Loc, nearest
from sluice.feed.paths import BUILT_IN_PREFIXES, Path, PathError, parse_path

FILE_DATE = "file_date"
Item = tuple[Loc, str]


@dataclass(frozen=True, slots=True)
class WrittenTable:
    """A table as it stands in the document."""

    name: str
    table: Mapping[str, Any]

    @property
    def loc(self) -> Loc:
        return ("tables", self.name)

    @property
    def is_root(self) -> bool:
        return self.table.get("record") is not None

    @property
    def parent(self) -> str | None:
        parent = self.table.get("parent")
        return parent if isinstance(parent, str) else None

    @property
    def columns(self) -> Mapping[str, Any]:
        return mapping_at(self.table, "columns")

    @property
    def deletes(self) -> Mapping[str, Any]:
        return mapping_at(self.table, "deletes")

    @property
    def expectations(self) -> list[tuple[Loc, Any]]:
        return list_items(self.table.get("expectations"), (*self.loc, "expectations"))

    def texts(self, key: str) -> list[Item]:
        """The texts under ``key``, written as one or as a list, each with its place."""
        return texts_in(self.table.get(key), (*self.loc, key))

    @property
    def column_paths(self) -> Iterator[Item]:
        for name, column in self.columns.items():
            loc = (*self.loc, "columns", name)
            path = column.get("path") if isinstance(column, Mapping) else column
            yield from texts_in(path, (*loc, "path"))

    @property
    def indexes(self) -> list[list[Item]]:
        return [
            texts_in(columns, loc) for loc, columns in list_items(self.table.get("indexes"), (*self.loc, "indexes"))
        ]


def mapping_at(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = value.get(key)
    return inner if isinstance(inner, Mapping) else {}


def list_items(value: Any, loc: Loc) -> list[tuple[Loc, Any]]:
    return [((*loc, index), item) for index, item in enumerate(value)] if isinstance(value, (list, tuple)) else []


def texts_in(value: Any, loc: Loc) -> list[Item]:
    items = [(loc, value)] if isinstance(value, str) else list_items(value, loc)
    return [(place, item) for place, item in items if isinstance(item, str)]


def read_path(text: Any) -> Path | None:
    try:
        return parse_path(text) if isinstance(text, str) else None
    except PathError:
        return None


def prefix_faults(loc: Loc, text: str, namespaces: Mapping[str, Any]) -> Iterator[Fault]:
    """The prefixes of a path that nobody declared."""
    path = read_path(text)
    for prefix in sorted(path.prefixes - namespaces.keys() - BUILT_IN_PREFIXES.keys()) if path else ():
        message = f"the prefix {prefix!r} is not declared under `namespaces`"
        yield Fault(loc, message, nearest(prefix, namespaces))
