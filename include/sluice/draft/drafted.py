"""What a draft is made of: values on their way to columns, columns, tables; and how names are written in paths."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.draft.kinds import Kind
from sluice.draft.shape import Attribute, Shape
from sluice.feed.paths import BUILT_IN_PREFIXES


@dataclass(frozen=True, slots=True)
class Value:
    """A value on its way to a column: ``steps`` lead from the row (or from ``up`` levels above it) to its element."""

    steps: tuple[Shape, ...]
    attribute: Attribute | None
    shape: Shape
    up: int = 0
    is_list: bool = False
    what: str = "text"  # text, type (xsi:type), mixed (all text below) or markup
    is_always: bool = False  # in every row


@dataclass(frozen=True, slots=True)
class ColumnDraft:
    name: str
    path: str
    kind: Kind
    value: Value
    required: bool = False

    @property
    def type(self) -> str:
        return self.kind.type + ("[]" if self.value.is_list else "")


@dataclass(frozen=True, slots=True)
class DeletesDraft:
    """Records that do nothing but delete keys: their path, and where the columns of key and version are in them."""

    record: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TableDraft:
    """A table; ``rows`` is the path of its record, or of its rows from the parent's."""

    name: str
    shape: Shape
    rows: str
    parent: str = ""
    columns: tuple[ColumnDraft, ...] = ()
    key: tuple[str, ...] = ()
    version: tuple[str, ...] = ()
    key_note: str = ""
    deletes: DeletesDraft | None = None

    @property
    def is_root(self) -> bool:
        return not self.parent


class Spelling:
    """How Clark names are written in paths; ``prefixes`` by URI, '' for the default."""

    def __init__(self, prefixes: dict[str, str]) -> None:
        self._prefixes = {uri: prefix for prefix, uri in BUILT_IN_PREFIXES.items()} | prefixes

    def element(self, clark: str) -> str:
        uri, _, local = clark[1:].rpartition("}") if clark.startswith("{") else ("", "", clark)
        prefix = self._prefixes.get(uri, "")
        return f"{prefix}:{local}" if prefix else local

    def attribute(self, clark: str) -> str:
        return f"@{self.element(clark)}" if clark.startswith("{") else f"@{clark}"

    def path(self, shape: Shape) -> str:
        return "/" + "/".join(map(self.element, shape.path))
