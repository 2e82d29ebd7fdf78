"""Which columns identify a record, and which says what version of it is newer: tried on all rows of the samples.

A key must be sure, for rows with one key replace each other: without one that is, the table is keyless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import pyarrow.compute as pc

from sluice.draft.drafted import ColumnDraft, TableDraft
from sluice.draft.key_rows import KeyRows, Reader
from sluice.draft.naming import word_set, words_of
from sluice.draft.profile import Profile
from sluice.wording import counted

_GLOBAL = word_set("doi ein guid gtin isin lei pmid uid uuid")
_IDS = _GLOBAL | word_set("iban id identifier key nb nbr no nr num number ref reference tin vat")
# What by itself is rather the place of a record in its document than what identifies it.
_PLACES = word_set("line nb nbr no nr num number pos position row seq sequence")
# What numbers deliveries, not what is in them.
_ENVELOPES = word_set("batch envelope file group grp interchange message msg transmission")
_NO_IDS = word_set("amount count description name note quantity rate remark size status text title type value")
_UPDATED = word_set("change changed lastmod lastupdate modified modification revision update updated upd")
_MADE = word_set("cre created creation filed generated issue issued produced publication published return timestamp ts")
_MOMENTS = frozenset({"date", "timestamp", "timestamptz"})
# From so many records on, a key of several columns is no accident.
ENOUGH_FOR_SEVERAL = 10
# Records that differ in a value in documents of so many on average do so by rule.
ENOUGH_PER_DOCUMENT = 5
_TRIED = 10
MAX_KEY_TEXT = 200
MAX_COMPARED = 100_000  # so many rows are compared as a whole


@dataclass(frozen=True, slots=True)
class KeyFound:
    """A key with its version, both empty where none is sure. ``note`` says what was seen, ``others`` what may be."""

    key: tuple[str, ...] = ()
    version: tuple[str, ...] = ()
    note: str = ""
    others: tuple[str, ...] = ()


def find_key(table: TableDraft, read: Reader) -> KeyFound:
    """The key of a root table, from its rows (with ``_part`` and ``_member``, which tell documents apart)."""
    return _Search(table, read).find()


def _no_key(total: int, ids: Sequence[ColumnDraft]) -> str:
    told = (
        f" {' and '.join(c.name for c in ids[:3])} may identify a record, if one day they are sure to." if ids else ""
    )
    if total < 2:
        return f"No key: {total} record in the samples says nothing about one.{told}"
    return f"No key: no column that looks like an identifier differs in all {total:,} records.{told}"


def _may_identify(column: ColumnDraft, rows: KeyRows) -> bool:
    if (
        column.value.is_list
        or column.value.what != "text"
        or column.kind.type not in {"text", "bigint", "integer", *_MOMENTS}
    ):
        return False
    profile = _profile_of(column)
    if not rows.num_rows or profile.longest > MAX_KEY_TEXT or not (column.value.is_always or column.value.up):
        return False
    values = rows.column(column.name)
    if values.null_count:
        return False
    if column.kind.type != "text":
        return True
    lengths = pc.utf8_length(values)
    return pc.max(lengths).as_py() <= MAX_KEY_TEXT and pc.min(lengths).as_py() > 0


def _profile_of(column: ColumnDraft) -> Profile:
    value = column.value
    return value.attribute.values if value.attribute is not None else value.shape.values


def _name_of(column: ColumnDraft) -> str:
    """What the document calls it."""
    value = column.value
    return value.attribute.name if value.attribute is not None else value.shape.name


def _rank(column: ColumnDraft, table: TableDraft) -> int:
    """How much the name and place say that it identifies a record: from 4 on, by itself."""
    value, words, record = column.value, words_of(_name_of(column)), words_of(table.shape.name)
    is_id = bool(words) and words[-1] in _IDS
    is_moment = column.kind.type in _MOMENTS
    if value.up or not words:
        is_envelope = bool(_ENVELOPES & {*words, *words_of(value.shape.name)})
        return (is_id and not is_envelope) + is_moment
    if value.attribute is not None and value.steps and (words == ["id"] or value.shape.is_leaf):
        return 0  # a mark within the document, or what a value is: its currency, its scheme
    points = 6 if is_id else 0
    if is_id and (words in (["id"], ["identifier"]) or words[0] in record or words[-1] in _GLOBAL):
        points += 2
    elif words[-1] in _NO_IDS:
        points -= 3
    return points + 2 * is_moment - min(len(value.steps) - (value.attribute is None), 4)


class _Search:
    """The search for the key of one table."""

    def __init__(self, table: TableDraft, read: Reader) -> None:
        self._table, self._rows = table, KeyRows(read)
        self._total = self._rows.num_rows
        self._counts: dict[tuple[str, ...], int] = {}
        self._able = [column for column in table.columns if _may_identify(column, self._rows)]
        self._able.sort(key=lambda column: -_rank(column, table))
        self._ids = [c for c in self._able if _rank(c, table) >= 1 and words_of(_name_of(c))[-1] in _IDS]
        self._is_document = not any(shape.may_repeat for shape in (table.shape, *table.shape.ancestors))
        documents = self._total if self._is_document else self._count(["_part", "_member"])
        self._per_document = self._total / max(documents, 1)

    def find(self) -> KeyFound:
        strong = [column for column in self._ids if _rank(column, self._table) >= 4]
        unique = tuple(c.name for c in self._able if self._total > 1 and self._is_unique(c))
        key = self._single() or self._only_value() or self._several() if self._total > 1 else None
        if key is None:
            told = dict.fromkeys((*(c.name for c in strong), *unique))
            return KeyFound(note=_no_key(self._total, strong), others=tuple(told))
        names = [column.name for column in key]
        version = self._version(names)
        others = tuple(name for name in unique if name not in names)
        return KeyFound(tuple(names), version, self._why(names, version), others)

    def _count(self, names: Sequence[str]) -> int:
        names = tuple(names)
        if names not in self._counts:
            self._counts[names] = self._rows.count(names)
        return self._counts[names]

    def _is_unique(self, column: ColumnDraft) -> bool:
        """Whether no two records have this value; of few different texts nothing has to be read."""
        profile = _profile_of(column)
        if not column.value.up and profile.distinct is not None and profile.distinct < self._total:
            return False
        return self._count([column.name]) == self._total

    def _is_id(self, column: ColumnDraft) -> bool:
        """Whether it identifies something that records are about, though not all need to have it."""
        words = words_of(_name_of(column))
        return _rank(column, self._table) >= 1 and not column.value.up and bool(words) and words[-1] in _IDS

    def _single(self) -> tuple[ColumnDraft, ...] | None:
        for column in self._ids:
            rank = _rank(column, self._table)
            if rank < 2 or (rank < 4 and self._total < ENOUGH_FOR_SEVERAL):
                continue
            if self._is_key([column]):
                return (column,)
            if rank >= 6 and (further := self._with_another(column)):
                return further
        return None

    def _with_another(self, column: ColumnDraft) -> tuple[ColumnDraft, ...] | None:
        """An identifier that is one of its sender only, with the identifier that tells senders apart."""
        if self._total < ENOUGH_FOR_SEVERAL or self._count([column.name]) * 2 < self._total:
            return None
        for other in self._ids:
            if (
                other is not column
                and not other.value.up
                and _rank(other, self._table) >= 1
                and self._is_key([column, other])
            ):
                return (other, column)
        return None

    def _only_value(self) -> tuple[ColumnDraft, ...] | None:
        """The one value that records have besides their child rows, such as the day of a list of rates."""
        own = [column for column in self._table.columns if not column.value.up]
        if len(own) != 1 or own[0] not in self._able or self._total < ENOUGH_FOR_SEVERAL:
            return None
        return (own[0],) if self._count(["_part", "_member", own[0].name]) == self._total else None

    def _several(self) -> tuple[ColumnDraft, ...] | None:
        if self._total < ENOUGH_FOR_SEVERAL:
            return None
        orders = {id(column) for column in self._orders() if column.kind.type != "date"}
        tried = [c for c in self._able if _rank(c, self._table) >= 1 and id(c) not in orders][:_TRIED]
        for size in (2, 3):
            groups = sorted(combinations(tried, size), key=lambda g: -sum(_rank(c, self._table) for c in g))
            for group in groups:
                if any(column in self._ids for column in group) and self._is_key(group):
                    return tuple(sorted(group, key=lambda c: (c not in self._ids, self._table.columns.index(c))))
        return None

    def _is_key(self, columns: Sequence[ColumnDraft]) -> bool:
        """Whether no two records have these values, but where one is a version of the other, or the same again."""
        names = [column.name for column in columns]
        distinct = self._count(names)
        if distinct == self._total:
            return not self._is_place(columns)
        is_global = any(words_of(_name_of(column))[-1] in _GLOBAL for column in columns)
        within = self._total if self._is_document else self._count(["_part", "_member", *names])
        # An identifier that all the world has may come twice even in one document; the later wins.
        if within < self._total * (0.95 if is_global else 1):
            return False
        if self._per_document >= ENOUGH_PER_DOCUMENT:
            is_strong = len(columns) == 1 and _rank(columns[0], self._table) >= 6
            if not is_strong or self._came_again(distinct):
                return is_strong
            return not self._counts_records(columns[0]) and self._have_in_common(columns[0])
        if distinct < 0.7 * self._total or not self._are_versions(columns):
            return False
        own = [c.name for c in self._table.columns if _is_plain(c) and not c.value.up]
        is_small = self._total <= MAX_COMPARED
        return (is_small and self._count(own) == distinct) or bool(self._differing(names))

    def _is_place(self, columns: Sequence[ColumnDraft]) -> bool:
        """Whether a number that differs in all records is called like one of records in their document, and is one."""
        words = words_of(_name_of(columns[0]))
        return len(columns) == 1 and set(words) <= _PLACES and self._counts_records(columns[0])

    def _counts_records(self, column: ColumnDraft) -> bool:
        is_number = column.kind.type in ("text", "bigint", "integer") and not self._is_document
        return is_number and self._rows.are_counted(column.name)

    def _came_again(self, distinct: int) -> bool:
        """Whether of the records beyond the first of each key at least half are the same again."""
        return self._total - self._contents([]) >= (self._total - distinct) / 2

    def _have_in_common(self, key: ColumnDraft) -> bool:
        """Whether records of one key have some other value in common, clearly more often than by chance, or a time of
        change: else they are rather different records of the same number.
        """
        updated = {column.name for column in self._orders() if _UPDATED & set(words_of(_name_of(column)))}
        if updated & {*self._differing([key.name])}:
            return True
        of_key, of_all = self._rows.pairs([key.name]), self._rows.pairs([])
        for column in self._table.columns:
            if column is key or column.value.up or not _is_plain(column):
                continue
            chance = self._rows.pairs([column.name]) / of_all
            if chance < 1 and self._rows.pairs([key.name, column.name]) / of_key >= (1 + chance) / 2:
                return True
        return False

    def _are_versions(self, key: Sequence[ColumnDraft]) -> bool:
        """Whether records of one key have all of their other identifiers in common."""
        if any(words_of(_name_of(column))[-1] in _GLOBAL for column in key):
            return len(key) == 1 or self._per_document <= 1
        names = [column.name for column in key]
        others = [c.name for c in self._table.columns if c.name not in names and _is_plain(c) and self._is_id(c)]
        return self._count([*names, *others]) == self._count(names)

    def _differing(self, key: Sequence[str]) -> tuple[str, ...]:
        """The column that orders the versions of a key: where it is the same, too, the record came again as it was."""
        keys = self._count(key)
        for column in self._orders():
            versions = self._count([*key, column.name])
            if versions == self._total or (versions > keys and versions == self._contents([*key, column.name])):
                return (column.name,)
        return ()

    def _contents(self, names: Sequence[str]) -> int:
        """How many different records there are, told apart by ``names`` and all else in their own row."""
        if self._total > MAX_COMPARED:
            return self._total
        own = [c.name for c in self._table.columns if _is_plain(c) and not c.value.up and c.name not in names]
        return self._count([*names, *own])

    def _orders(self) -> list[ColumnDraft]:
        """The columns that may say what is newer: of changes first, then of making, in the record before its header."""
        found: list[tuple[int, int, ColumnDraft]] = []
        for index, column in enumerate(self._table.columns):
            if not _is_plain(column) or self._rows.column(column.name).null_count:
                continue
            words = words_of(_name_of(column))
            is_number = column.kind.type in ("integer", "bigint") and words[-1:] in (["version"], ["revision"])
            if column.kind.type not in _MOMENTS and not is_number:
                continue
            if is_number or _UPDATED & set(words):
                found.append((0, index, column))
            elif column.value.up or (_MADE & set(words) and len(column.value.steps) <= 2):
                found.append((2 if column.value.up else 1, index, column))
        return [column for _, _, column in sorted(found, key=lambda item: item[:2])]

    def _version(self, key: Sequence[str]) -> tuple[str, ...]:
        if self._count(key) < self._total:
            return self._differing(key) or ("file_date",)
        # When a thing was made says nothing of its versions, but when a document was made does.
        is_document = self._per_document <= 1
        for column in self._orders():
            words = set(words_of(_name_of(column)))
            is_update = bool(_UPDATED & words) or column.kind.type in ("integer", "bigint")
            if column.name not in key and (is_update or column.value.up or is_document):
                return (column.name,)
        return ("file_date",)

    def _why(self, key: Sequence[str], version: tuple[str, ...]) -> str:
        told = f"{counted(self._count(key), 'different key')} in {self._total:,} records."
        if self._total < ENOUGH_FOR_SEVERAL:
            told = f"{told} Uncertain: in so few records much differs by chance."
        if version != ("file_date",):
            return told
        return f"{told} No column says which of two is newer: the date in the file's URI does, then its last change."


def _is_plain(column: ColumnDraft) -> bool:
    return column.value.what == "text" and not column.value.is_list and column.kind.type not in ("json", "markup")
