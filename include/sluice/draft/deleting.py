"""Records that do nothing but delete, such as ``DeleteCitation/PMID``: told by their name, and by the key in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sluice.draft.drafted import ColumnDraft, DeletesDraft, TableDraft
from sluice.draft.naming import local_name, word_set, words_of

_DELETING = word_set(
    "cancel canceled cancelled deletion delete deleted deletes obsolete remove removed removal revoke revoked withdraw"
    " withdrawn"
)
FILE_DATE = "file_date"


def fold_deletes(tables: Sequence[TableDraft]) -> list[TableDraft]:
    """The tables, where records that delete keys of another are no table of their own but the other's ``deletes``."""
    kept = list(tables)
    for table in tables:
        if not table.is_root or not _is_deleting(table) or any(other.parent == table.name for other in tables):
            continue
        for index, other in enumerate(kept):
            if other is not table and other.key and other.deletes is None and (columns := _columns(other, table)):
                kept[index] = replace(other, deletes=DeletesDraft(table.rows, columns))
                kept.remove(table)
                break
    return kept


def _is_deleting(table: TableDraft) -> bool:
    shape = table.shape
    names = [shape.name, *([shape.parent.name] if shape.parent is not None and shape.parent.parent is not None else [])]
    return any(_DELETING & set(words_of(name)) for name in names)


def _columns(keyed: TableDraft, deleting: TableDraft) -> tuple[tuple[str, str], ...]:
    """Where the key and the version of a table are in the records that delete; nothing where one of them is not."""
    wanted = [*keyed.key, *(name for name in keyed.version if name != FILE_DATE)]
    columns = {column.name: column for column in keyed.columns}
    there = {_element(column): column.path for column in deleting.columns}
    found = [(name, there.get(_element(columns[name]), "")) for name in dict.fromkeys(wanted)]
    return tuple(found) if all(path for _, path in found) else ()


def _element(column: ColumnDraft) -> str:
    value = column.value
    return local_name(value.attribute.name if value.attribute is not None else value.shape.name)
