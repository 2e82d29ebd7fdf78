"""From shapes to a draft: the whole declaration of a feed, before it is written as text. Opens nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sluice.draft.deleting import fold_deletes
from sluice.draft.drafted import Spelling, TableDraft
from sluice.draft.expectations import ExpectationDraft
from sluice.draft.keys import KeyFound
from sluice.draft.prefixes import choose_prefixes, declarations
from sluice.draft.records import Choice, choose_entities, choose_records, describe, given_records, spell, weight_of
from sluice.draft.samples import Samples
from sluice.draft.shape import Shape
from sluice.draft.tables import Tabulation, name_values
from sluice.errors import PermanentError
from sluice.wording import counted

# Documents of so many kinds are hardly one feed.
MAX_KINDS = 4
# So many kinds of records may lie side by side in a document; more are rather parts of one.
MAX_RECORDS = 50


@dataclass(frozen=True, slots=True)
class Draft:
    """A feed that is not written yet. ``notes`` are for a person: what was left out, what is uncertain."""

    name: str
    namespaces: dict[str, tuple[str, ...]]
    tables: tuple[TableDraft, ...]
    notes: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    xsd_files: tuple[str, ...] = ()
    has_inner_archives: bool = False
    expectations: dict[str, tuple[ExpectationDraft, ...]] = field(default_factory=dict)


class RecordUnclear(PermanentError):
    """Nothing says which element is the record; ``candidates`` are lines about those that may be it."""

    def __init__(self, why: str, candidates: Sequence[str], paths: Sequence[str]) -> None:
        lines = "".join(f"\n  {line}" for line in candidates)
        super().__init__(f"{why}{'; choose with --record' if paths else ''}:{lines}")
        self.paths = tuple(paths)


def choose(
    roots: Sequence[Shape], largest: dict[str, int], given: Sequence[str] = (), seen: Sequence[Shape] = ()
) -> list[Choice]:
    """The records of all kinds of documents; ``seen`` are the roots as samples alone have them, where ``roots`` are
    joined with an XSD. Raises ``RecordUnclear`` where a person has to say.
    """
    if given:
        try:
            found = given_records(roots, given)
        except LookupError as error:
            raise PermanentError(str(error.args[0])) from None
        return [
            Choice(
                tuple(records), choose_records(next(r for r in roots if r.name == name)).candidates, 1, is_given=True
            )
            for name, records in found.items()
        ]
    if not roots:
        raise PermanentError("no sample holds any XML")
    if len(roots) > MAX_KINDS:
        lines = [f"{spell(root)}: {counted(root.count, 'document')}, of {root.name}" for root in roots]
        raise RecordUnclear(f"the samples are documents of {len(roots)} kinds: make a feed of each", lines, ())
    plain = {root.name: root for root in seen}
    choices = [
        (root.name in plain and choose_entities(plain[root.name], root, largest.get(root.name, 0)))
        or choose_records(root, largest.get(root.name, 0))
        for root in roots
    ]
    main = max(range(len(roots)), key=lambda index: weight_of(roots[index]))
    for index, (root, choice) in enumerate(zip(roots, choices, strict=True)):
        if choice.is_open and index != main:
            choices[index] = replace(choice, records=(root,), is_settled=True)
    unclear = next((choice for choice in choices if choice.is_open or len(choice.records) > MAX_RECORDS), None)
    if unclear is not None:
        paths = [spell(candidate.shape) for candidate in unclear.candidates]
        what = "several" if unclear.is_open else f"{len(unclear.records):,}"
        raise RecordUnclear(f"{what} elements may be the record", describe(unclear.candidates), paths)
    return choices


def draft_feed(name: str, roots: Sequence[Shape], samples: Samples, choices: Sequence[Choice]) -> Draft:
    """The draft of a feed whose records are chosen."""
    prefixes = choose_prefixes(roots, samples.namespaces)
    records = [record for choice in choices for record in choice.records]
    work = Tabulation(records, Spelling(prefixes))
    tables = work.tables()
    notes = (*work.left.notes, *_outside(roots, records, tables))
    return Draft(
        name,
        declarations(prefixes, samples.namespaces),
        tuple(tables),
        notes,
        tuple(choices),
        has_inner_archives=samples.has_inner_archives,
    )


def _outside(roots: Sequence[Shape], records: Sequence[Shape], tables: Sequence[TableDraft]) -> Iterator[str]:
    """What stands outside of all records and is read by no column of theirs."""
    inside = {id(below) for record in records for below in record.walk()}
    on_the_way = {id(above) for record in records for above in record.ancestors}
    columns = [column.value for table in tables if table.is_root for column in table.columns if column.value.up]
    read = {id(value.shape) for value in columns}
    for root in roots:
        for shape in root.walk():
            if id(shape) in inside or id(shape) in read:
                continue
            if shape.is_leaf or shape.attributes or (shape.with_text and id(shape) in on_the_way):
                where = "beside records" if id(shape) in on_the_way else "outside of all records"
                yield f"{spell(shape)}: stands {where}, {counted(shape.count, 'time')}; no column reads it"


def with_keys(draft: Draft, keys: Mapping[str, KeyFound]) -> Draft:
    """The draft with its keys. Columns of child tables that are called as the key they inherit get longer names."""
    tables: list[TableDraft] = []
    inherited: dict[str, tuple[str, ...]] = {}
    for table in draft.tables:
        if table.is_root:
            found = keys.get(table.name, KeyFound())
            needed = {*found.key, *found.version}
            columns = tuple(replace(c, required=c.required or c.name in needed) for c in table.columns)
            table = replace(table, columns=columns, key=found.key, version=found.version, key_note=found.note)
            inherited[table.name] = found.key
        else:
            inherited[table.name] = inherited[table.parent]
            names = name_values(table.shape, [column.value for column in table.columns], inherited[table.name])
            table = replace(
                table, columns=tuple(replace(c, name=name) for c, name in zip(table.columns, names, strict=True))
            )
        tables.append(table)
    return replace(draft, tables=tuple(fold_deletes(tables)))
