"""What `sluice diff` says, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sluice.change.comparing import Change, compare_mappings
from sluice.change.history import HASH_SHOWN, Standing, StoredMapping
from sluice.change.tables import TablePlan
from sluice.wording import counted

LISTED_MONTHS = 36


def tell_changes(title: str, changes: Sequence[Change], nothing: str) -> Iterator[str]:
    """The changes, by their places; ``nothing`` where there is none."""
    if not changes:
        yield nothing
        return
    yield f"{title}:"
    width = min(40, max(len(change.place) for change in changes))
    yield from (f"  {change.place:{width}}  {change.text}" for change in changes)


def tell_tables(plan: TablePlan, where: str) -> Iterator[str]:
    found = plan.difference
    yield from _tell_renames(plan)
    if found.refused:
        otherwise = " otherwise" if plan.renames and not plan.after.refused else ""
        yield f"Refused{otherwise}: the next run stops before it loads, until {where} is changed by a person."
        yield from (f"  {reason}" for reason in found.refused)
        yield "  Review and run:"
        yield from (f"    {statement}" for statement in found.sql)
    if found.additive:
        later = ", once the above is done" if found.refused else ""
        yield f"Done by the next run itself{later}:"
        yield from (f"    {_ended(text)}" for text in found.additive if not text.startswith("COMMENT ON"))
    if not (found.refused or found.additive):
        yield f"The tables in {where} are in step."
    if found.comments:
        yield f"The next run brings {counted(len(found.comments), 'comment')} up to date."
    if plan.leftovers:
        yield "Stays as it is, since nothing is dropped by itself; to drop it:"
        yield from (f"    {left.sql}  -- {left.name}: {left.why}" for left in plan.leftovers)


def _tell_renames(plan: TablePlan) -> Iterator[str]:
    if not plan.renames:
        return
    yield "Dangerous: only the name seems to be new. If so, run this first: the next run would make it anew and empty."
    for rename, statements in plan.renames:
        yield f"  {rename.table + '.' if rename.table else ''}{rename.old} is {rename.new} now"
        yield from (f"    {statement}" for statement in statements)
    if plan.difference.refused and not plan.after.refused:
        yield "  Nothing is refused then."


def _ended(statement: str) -> str:
    """As psql wants it, further lines below the first."""
    return statement.rstrip(";").replace("\n", "\n    ") + ";"


def tell_loaded(
    feed: str, standing: Sequence[Standing], newest: StoredMapping | None, mapping_hash: str
) -> Iterator[str]:
    """What was loaded under other mappings than the one of this hash, and what *Load again: changed* would take."""
    if newest is None:
        yield "Nothing was loaded yet."
        return
    is_new = newest.hash != mapping_hash
    generation = newest.generation + is_new
    if is_new:
        yield f"The mapping changes: the next run makes it generation {generation} ({mapping_hash[:HASH_SHOWN]})."
    else:
        yield f"The mapping is that of generation {generation} ({mapping_hash[:HASH_SHOWN]})."
    older = [one for one in standing if one.generation < generation]
    if not older:
        yield "Everything that is loaded was loaded under it." if standing else "Nothing was loaded yet."
        return
    yield "Loaded under older mappings, and taken again by `reload: changed` where the source still has it:"
    yield from _tell_months(older)
    first, last = min(one.first_day for one in older), max(one.last_day for one in older)
    yield f"  To see what that would do: sluice run {feed} --date {first} --reload changed --dry-run"
    span = f"{first} to {last}" if first != last else str(first)
    yield f"  To do it for {span}: a backfill with `reload: changed` (docs/changing-a-feed.md)"


def _tell_months(standing: Sequence[Standing]) -> Iterator[str]:
    """A line for each month, the latest first; how much is older than what is listed."""
    months = sorted(standing, key=lambda one: (one.month, one.generation), reverse=True)
    rows = [("dates", "generation", "files", "parts", "records")]
    rows += [(_days(one), str(one.generation), *_numbers([one])) for one in months[:LISTED_MONTHS]]
    if rest := months[LISTED_MONTHS:]:
        rows.append((f"before {months[LISTED_MONTHS - 1].first_day:%Y-%m}", "", *_numbers(rest)))
    if len(months) > 1:
        rows.append(("together", "", *_numbers(months)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        yield "  ".join([f"  {first:{widths[0]}}", *(f"{t:>{w}}" for t, w in zip(others, widths[1:], strict=True))])


def _numbers(standing: Iterable[Standing]) -> tuple[str, str, str]:
    files, parts, records = (f"{number:,}" for number in _sums(standing))
    return files, parts, records


def _sums(standing: Iterable[Standing]) -> tuple[int, int, int]:
    files, parts, records = map(sum, zip(*((one.files, one.parts, one.records) for one in standing), strict=True))
    return files, parts, records


def _days(one: Standing) -> str:
    if one.first_day == one.last_day:
        return str(one.first_day)
    return f"{one.first_day} to {one.last_day}"


def tell_history(mappings: Sequence[StoredMapping], standing: Sequence[Standing]) -> Iterator[str]:
    """Each mapping, the newest first, with what was changed and what stands under it."""
    for number in range(len(mappings) - 1, -1, -1):
        mapping, own = mappings[number], [one for one in standing if one.generation == mappings[number].generation]
        since = f"{mapping.created_at:%Y-%m-%d %H:%M} UTC"
        yield f"generation {mapping.generation}  {mapping.hash[:HASH_SHOWN]}  since {since}  {_stands(own)}"
        if number == 0:
            yield "    the first one"
            continue
        changes = compare_mappings(mappings[number - 1].document, mapping.document)
        if not changes:
            yield "    nothing that decides rows, by the names that the ledger keeps"
        width = min(40, max((len(change.place) for change in changes), default=0))
        yield from (f"    {change.place:{width}}  {change.text}" for change in changes)


def _stands(standing: Sequence[Standing]) -> str:
    if not standing:
        return "nothing stands under it"
    files, parts, records = _sums(standing)
    days = f"{min(one.first_day for one in standing)} to {max(one.last_day for one in standing)}"
    told = ", ".join([counted(files, "file"), counted(parts, "part"), counted(records, "record")])
    return f"{told} of {days}"
