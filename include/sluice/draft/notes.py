"""The page of notes beside a draft: what was read, what is uncertain, what was left out and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sluice.draft.drafted import TableDraft
from sluice.draft.drafting import Draft
from sluice.draft.records import Choice, describe, spell
from sluice.draft.samples import Samples
from sluice.wording import counted

MAX_LINES = 40


@dataclass(slots=True)
class Outcome:
    """What came of the draft when it was run over its samples."""

    found: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    rejects: Sequence[tuple[str, int]] = ()
    first_rejects: Sequence[str] = ()
    unread: Sequence[tuple[str, int]] = ()
    key_options: dict[str, tuple[str, ...]] = field(default_factory=dict)


def write_notes(draft: Draft, samples: Samples, outcome: Outcome) -> str:
    sections = [
        ("", [f"# {draft.name}: notes on the draft", "", *_read(draft, samples)]),
        ("What came of it", list(_came(outcome))),
        ("The record", [line for choice in draft.choices for line in _record(choice)]),
        ("Keys", list(_keys(draft, outcome))),
        ("To look at", [*_uncertain(draft), *(f"- {note}" for note in draft.notes)]),
        ("Left out", list(_left_out(samples, outcome))),
    ]
    told = [
        f"{f'## {title}' if title else ''}\n\n" + "\n".join(lines) if title else "\n".join(lines)
        for title, lines in sections
        if lines
    ]
    return "\n\n".join(told) + "\n"


def _read(draft: Draft, samples: Samples) -> Iterator[str]:
    if draft.xsd_files:
        yield f"Declared by {', '.join(f'`{name}`' for name in draft.xsd_files)}."
        yield ""
    if not samples.files:
        yield "Drafted without samples: nothing here was seen in a document."
        return
    kinds = "".join(f"\n- {counted(root.count, 'document')} `{spell(root)}` ({root.name})" for root in samples.roots)
    yield (
        f"Drafted from {counted(samples.files, 'file')} with {counted(samples.documents, 'document')},"
        f" {samples.bytes:,} bytes in all."
        f"{kinds if len(samples.roots) > 1 else ''}"
    )
    if len(samples.roots) > 1:
        yield ""
        yield "These are several kinds of documents: if they are not of one sender, make a feed of each."
    families = [uris for uris in samples.namespaces.uris.values() if len(uris) > 1]
    for uris in families:
        yield ""
        yield f"Taken for versions of one standard, and read alike: {', '.join(f'`{uri}`' for uri in sorted(uris))}."
    for fault in samples.faults:
        yield ""
        yield f"`{fault.name}` could not be read to its end: {fault.why}. What stood before that counts."


def _came(outcome: Outcome) -> Iterator[str]:
    if not outcome.rows:
        return
    rejected = sum(count for _, count in outcome.rejects)
    found = f"{counted(outcome.found, 'record')} {'was' if outcome.found == 1 else 'were'} found in the samples"
    yield f"{found}." if rejected else f"{found}, and none was rejected."
    yield ""
    yield "| table | rows |"
    yield "|---|---|"
    yield from (f"| `{table}` | {count:,} |" for table, count in outcome.rows.items())
    if rejected:
        yield ""
        yield "Rejected:"
        yield ""
        yield from (f"- {reason}: {counted(count, 'time')}" for reason, count in outcome.rejects)
        yield from (f"- {line}" for line in outcome.first_rejects)


def _record(choice: Choice) -> Iterator[str]:
    chosen = ", ".join(f"`{spell(shape)}`" for shape in choice.records)
    why = "as you said" if choice.is_given else "; ".join(choice.signs) or "nothing in it repeats"
    yield f"{chosen}: {why}."
    if choice.signs and not choice.is_given:
        yield ""
        yield (
            "A sign with + speaks for what repeats as the record, one with - for the document as a whole; the number is"
            f" its weight. Together they are {choice.score:+d}: {_verdict(choice.score)}."
        )
    if len(choice.candidates) > 1:
        yield ""
        yield "Candidates:"
        yield ""
        yield from (f"- {line}" for line in describe(choice.candidates))
        if abs(choice.score) <= 1 and not choice.is_given:
            yield ""
            yield "This was a close call; `sluice draft --record PATH` takes another."
    yield ""


def _verdict(score: int) -> str:
    return "above 0 is what repeats, below 0 the document" if score else "0 decides nothing"


def _keys(draft: Draft, outcome: Outcome) -> Iterator[str]:
    for table in draft.tables:
        if table.is_root:
            key = f"key {', '.join(table.key)}, version {', '.join(table.version)}. " if table.key else ""
            yield f"- `{table.name}`: {key}{table.key_note}"
            if options := outcome.key_options.get(table.name):
                yield f"  Also different in all records, or named like it: {', '.join(options)}."


def _uncertain(draft: Draft) -> Iterator[str]:
    by_doubt: dict[str, list[str]] = {}
    for table in draft.tables:
        for column in table.columns:
            if column.kind.doubt:
                by_doubt.setdefault(column.kind.doubt, []).append(f"`{table.name}.{column.name}` ({column.type})")
    for doubt, columns in by_doubt.items():
        yield f"- {', '.join(columns)}: {doubt}"
    for table in draft.tables:
        yield from _pairs(table)


def _pairs(table: TableDraft) -> Iterator[str]:
    """Lists of name and value, which may be columns instead."""
    attributes = list(table.shape.attributes.values())
    is_pair = not table.is_root and table.shape.is_leaf and len(attributes) == 1
    names = attributes[0].values.values if is_pair else None
    if names and 1 < len(names) <= 20 and attributes[0].count == table.shape.count:
        name = attributes[0].name.rpartition("}")[2]
        first = sorted(names)[0]
        yield (
            f"- `{table.name}` has a row for each `{table.shape.local}`, told apart by @{name}"
            f" ({', '.join(sorted(names))})."
            f" Columns of the parent with paths such as `{table.rows}[@{name}='{first}']` may read better."
        )


def _left_out(samples: Samples, outcome: Outcome) -> Iterator[str]:
    for path, count in list(outcome.unread)[:MAX_LINES]:
        yield f"- `{path}`: met {counted(count, 'time')} within records, and no column reads it"
    if len(outcome.unread) > MAX_LINES:
        yield f"- and {len(outcome.unread) - MAX_LINES:,} more"
