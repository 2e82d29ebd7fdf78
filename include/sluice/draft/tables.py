"""From shapes to tables: what repeats becomes a child table or a list, all else columns of the row that it is in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sluice.draft.declarations import has_declared_text, holds_anything, is_only_possible, is_optional
from sluice.draft.drafted import ColumnDraft, Spelling, TableDraft, Value
from sluice.draft.kinds import Kind, decide
from sluice.draft.naming import plural, snake, unique_names
from sluice.draft.records import header_values, paths_in, spell
from sluice.draft.shape import Attribute, Shape
from sluice.wording import counted

# So wide may a table become; of a larger element, the largest parts are kept with their markup.
MAX_COLUMNS = 400
# So many tables may there be below the records.
MAX_TABLES = 100
_Part = TypeVar("_Part", Shape, Attribute)
_ROWS = frozenset({"data", "element", "entry", "item", "record", "row"})
# So many rows must have a value, before it is required of all.
ENOUGH_ROWS = 20


@dataclass(slots=True)
class Left:
    """What is worth a note, in the order in which it was met."""

    notes: list[str] = field(default_factory=list)

    def add(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


@dataclass(slots=True)
class _Row:
    shape: Shape
    values: list[Value] = field(default_factory=list)
    children: list[tuple[tuple[Shape, ...], Shape]] = field(default_factory=list)


class Tabulation:
    """Makes the tables of all records; ``left`` takes the notes."""

    def __init__(self, records: Sequence[Shape], spelling: Spelling) -> None:
        self._records, self._spelling = records, spelling
        self.left = Left()
        self._tables: list[TableDraft] = []
        self._kept_whole: set[int] = set()

    def tables(self) -> list[TableDraft]:
        for record in self._records:
            self._keep_whole(record)
            row = _Row(record)
            self._gather(record, (), row, True)
            row.values += self._above(record)
            self._add(row, "", self._spelling.path(record), [])
        return self._tables

    def _keep_whole(self, record: Shape) -> None:
        """Of a record with elements that repeat without end, those nearest to it become tables, the others XML."""
        waiting, tables, kept = deque(record.children.values()), 0, 0
        while waiting:
            shape = waiting.popleft()
            if shape.may_repeat and not shape.is_leaf:
                tables += 1
                if tables > MAX_TABLES // len(self._records):
                    self._kept_whole.add(id(shape))
                    kept += 1
                    continue
            waiting.extend(shape.children.values())
        if kept:
            self.left.add(
                f"{spell(record)}: {tables:,} elements repeat in it; {kept:,} of them, deep in it, are kept with"
                " their markup"
            )

    def _add(self, row: _Row, parent: str, rows: str, above: list[str]) -> None:
        columns = self._columns(row)
        name = self._table_name(row.shape, parent)
        self._tables.append(TableDraft(name, row.shape, rows, parent, columns))
        for steps, shape in row.children:
            below = _Row(shape)
            self._gather(shape, (), below, True)
            path = "/".join(self._spelling.element(step.name) for step in (*steps, shape))
            self._add(below, name, path, [*above, name])

    def _table_name(self, shape: Shape, parent: str) -> str:
        """A name that no other table has, nor a column of the parent."""
        taken = [table.name for table in self._tables]
        taken += [column.name for table in self._tables if table.name == parent for column in table.columns]
        chain = [snake(s.name) or "element" for s in (*reversed(list(shape.ancestors)), shape)]
        if chain[-1] in _ROWS and len(chain) > 1 and len(shape.parent.children if shape.parent else ()) == 1:
            chain.pop()  # the rows of a list of posts are posts
        for depth in range(1, len(chain) + 1):
            name = unique_names([("_".join(dict.fromkeys([*chain[len(chain) - depth : -1], plural(chain[-1])])),)])[0]
            if name not in taken:
                return name
        return unique_names([(plural(chain[-1]),)], taken)[0]

    # -- values -------------------------------------------------------------------------------------------------------

    def _gather(self, shape: Shape, steps: tuple[Shape, ...], row: _Row, is_always: bool) -> None:
        """All values of an element that is in the row once at most."""
        is_full = is_always and not shape.nils and not (shape.declared is not None and shape.declared.is_nillable)
        if holds_anything(shape):
            self._note_whole(shape)
        if shape.folds_into is not None or holds_anything(shape):
            row.values.append(Value(steps, None, shape, what="markup", is_always=is_full))
            return
        for attribute in self._own(shape.attributes.values(), shape):
            is_there = is_always and attribute.count == shape.count and not is_optional(attribute)
            row.values.append(Value(steps, attribute, shape, is_always=is_there))
        if shape.xsi_types or (shape.declared is not None and shape.declared.is_abstract and shape.declared.variants):
            row.values.append(Value(steps, None, shape, what="type"))
        if shape.is_leaf:
            if shape.values.filled or has_declared_text(shape) or self._may_be_bare(shape):
                # of one that holds nothing, that it is there
                row.values.append(Value(steps, None, shape, is_always=is_full and shape.values.empty == 0))
        elif self._is_text(shape):
            self._gather_text(shape, steps, row, is_full)
        else:
            self._gather_children(shape, steps, row, is_always)

    def _may_be_bare(self, shape: Shape) -> bool:
        """Whether it may be there without anything that another column would show."""
        if shape.xsi_types:
            return False
        if shape.count:
            return all(attribute.count < shape.count for attribute in shape.attributes.values())
        return all(map(is_optional, shape.attributes.values()))

    def _is_text(self, shape: Shape) -> bool:
        """Whether it is text with markup in it, rather than a structure with a stray word."""
        declared = shape.declared is not None and shape.declared.is_mixed and bool(shape.children)
        if not shape.with_both and not declared:
            return False
        is_structure = paths_in(shape) > 30 and shape.with_both * 5 < shape.count
        if is_structure:
            self.left.add(
                f"{spell(shape)}: text beside elements in {shape.with_both:,} of {shape.count:,}; no column takes it"
            )
        return not is_structure

    def _gather_text(self, shape: Shape, steps: tuple[Shape, ...], row: _Row, is_full: bool) -> None:
        row.values.append(Value(steps, None, shape, what="mixed", is_always=is_full))
        has_structure = any(below.attributes or below.children for below in shape.walk() if below is not shape)
        self.left.add(
            f"{spell(shape)}: text with elements in it ({', '.join(sorted(c.local for c in shape.children.values()))});"
            " its column has all of the text. A second one of `type: markup` would keep the markup"
            + (", with attributes and structure that the text loses" if has_structure else "")
            + "."
        )

    def _gather_children(self, shape: Shape, steps: tuple[Shape, ...], row: _Row, is_always: bool) -> None:
        if shape.with_text > shape.with_both:
            row.values.append(Value(steps, None, shape, what="mixed"))
            self.left.add(f"{spell(shape)}: sometimes a text, sometimes elements; its column has all text in it")
        for child in self._own(shape.children.values(), shape):
            below = (*steps, child)
            is_there = is_always and child.holders == shape.count and not is_optional(child)
            if child.may_repeat:
                self._gather_repeated(child, steps, row, is_there)
            elif paths_in(child) > MAX_COLUMNS:
                row.values.append(Value(below, None, child, what="markup", is_always=is_there))
                self.left.add(f"{spell(child)}: {paths_in(child)} different values; kept whole, with its markup")
            else:
                if child.folds_into is not None:
                    self.left.add(
                        f"{spell(child)}: lies in an element of its own kind, to any depth; kept with its markup"
                    )
                self._gather(child, below, row, is_there)

    def _own(self, parts: Iterable[_Part], shape: Shape) -> Iterator[_Part]:
        """Without what only other types would bring, which no sample has."""
        for part in parts:
            if is_only_possible(part, shape):
                self.left.add(
                    f"{spell(shape)}: other types may stand for its own by xsi:type; what they would add has no column"
                )
            else:
                yield part

    def _note_whole(self, shape: Shape) -> None:
        if holds_anything(shape) and not (shape.declared is not None and shape.declared.is_cut_off):
            self.left.add(f"{spell(shape)}: anything may lie in it; kept with its markup, as it stands")

    def _gather_repeated(self, child: Shape, steps: tuple[Shape, ...], row: _Row, is_there: bool) -> None:
        is_bare = not child.attributes and not child.xsi_types
        if holds_anything(child) or id(child) in self._kept_whole:
            self._note_whole(child)
            row.values.append(Value((*steps, child), None, child, is_list=True, what="markup", is_always=is_there))
        elif child.folds_into is not None:
            self.left.add(f"{spell(child)}: lies in an element of its own kind, to any depth; kept with its markup")
            row.values.append(Value((*steps, child), None, child, is_list=True, what="markup", is_always=is_there))
        elif child.is_leaf and is_bare:
            row.values.append(Value((*steps, child), None, child, is_list=True, is_always=is_there))
        elif (
            is_bare
            and len(child.children) == 1
            and (inner := next(iter(child.children.values()))).may_repeat
            and not child.with_text
            and inner.folds_into is None
            and not (inner.is_leaf and not inner.attributes)
        ):
            row.children.append(((*steps, child), inner))
        else:
            row.children.append((steps, child))

    def _above(self, record: Shape) -> Iterator[Value]:
        ancestors = list(record.ancestors)
        for up, above in enumerate(ancestors, start=1):
            for attribute in above.attributes.values():
                is_there = attribute.count == above.count and not is_optional(attribute)
                yield Value((), attribute, above, up=up, is_always=is_there)
        for up, header in header_values(self._records, record):
            row = _Row(header)
            parent = ancestors[up - 1]
            self._gather(header, (header,), row, header.holders == parent.count and not is_optional(header))
            yield from (replace(value, up=up) for value in row.values)

    # -- columns ------------------------------------------------------------------------------------------------------

    def _columns(self, row: _Row) -> tuple[ColumnDraft, ...]:
        names = name_values(row.shape, row.values)
        return tuple(self._column(name, value, row.shape) for name, value in zip(names, row.values, strict=True))

    def _column(self, name: str, value: Value, row: Shape) -> ColumnDraft:
        kind = self._kind(value)
        # What stands above the records was seen once in each document, not once for each record.
        seen = value.shape.count if value.up else row.count
        is_sure = seen >= ENOUGH_ROWS or (value.attribute or value.shape).declared is not None
        is_required = value.is_always and not kind.null and not value.is_list and is_sure
        if value.attribute is not None and value.attribute.values.empty:
            is_required = False
        return ColumnDraft(name, self._path(value), kind, value, is_required and value.what == "text")

    def _path(self, value: Value) -> str:
        steps = [".."] * value.up + [self._spelling.element(step.name) for step in value.steps]
        if value.attribute is not None:
            steps.append(self._spelling.attribute(value.attribute.name))
        elif value.what == "type":
            steps.append("@xsi:type")
        return "/".join(steps) or "."

    def _kind(self, value: Value) -> Kind:
        if value.what == "markup":
            return Kind("markup")
        if value.what == "mixed":
            return Kind(why="all text in it")
        if value.what == "type":
            told = ", ".join(
                f"{name.rpartition('}')[2]} {counted(n, 'time')}" for name, n in value.shape.xsi_types.most_common(5)
            )
            return Kind(why=told)
        if value.attribute is not None:
            declared = value.attribute.declared
            return decide(value.attribute.name, value.attribute.values, declared.simple if declared else None)
        declared = value.shape.declared
        return decide(value.shape.name, value.shape.values, declared.simple if declared else None)


def name_values(row: Shape, values: Sequence[Value], taken: Sequence[str] = ()) -> list[str]:
    """Names for the columns of a row: as the elements are called, and no longer than they must be."""
    chains, depths = [], []
    for value in values:
        is_alone = not value.up and not value.steps and value.attribute is None
        chain = [snake(row.name)] if is_alone else [snake(value.shape.name)] if value.up and not value.steps else []
        chain += [snake(step.name) for step in value.steps]
        if value.attribute is not None:
            chain.append(snake(value.attribute.name))
        elif value.what == "type":
            chain = [*([] if is_alone else chain), "xsi_type"]
        elif value.what == "markup" and any(
            v.steps == value.steps and v.up == value.up and v.what == "mixed" for v in values
        ):
            chain[-1] += "_markup"
        chains.append([part or "value" for part in chain])
        is_nested = bool(value.steps) and (value.attribute is not None or value.what == "type")
        depths.append(2 if is_nested else 1 if len(value.steps) <= 1 and not value.up else 0)
    if any(name in set(taken) for name in unique_names(chains, (), depths)):
        # The row's own name tells its values from those that it inherits.
        chains = [chain if value.up else [snake(row.name), *chain] for chain, value in zip(chains, values, strict=True)]
    return unique_names(chains, taken, depths)
