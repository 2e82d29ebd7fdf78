"""How entries of the quarantine, and holds, read at a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sluice.wording import counted

if TYPE_CHECKING:
    from sluice.holds import Hold
    from sluice.quarantine import Entry

RAW_SHOWN = 2000
SHOWN = 20
_MINUTE = "%Y-%m-%d %H:%M"


def describe(entry: Entry, with_raw: bool) -> Iterable[str]:
    what = f"record {entry.ordinal:,}" if entry.ordinal else f"all of it ({spell_records(entry.records)})"
    line = f", line {entry.line:,}" if entry.line else ""
    place = f", bytes {entry.start_byte:,} to {entry.end_byte:,}" if entry.ordinal and entry.end_byte else ""
    yield f"{entry.entry_id}  {entry.name}: {what}{line}{place}"
    yield f"    {_spell_state(entry)}, mapping {entry.generation}"
    if entry.note:
        yield f"    note: {entry.note}"
    for reason in entry.reasons:
        column = f"{reason['table']}.{reason['column']}" if reason.get("column") else ""
        path = reason.get("path") or ""
        where = f"{column} ({path}): " if column and path else f"{column or path}: " if column or path else ""
        value = f"; the value is {reason['value']!r}" if with_raw and reason.get("value") is not None else ""
        yield f"    {reason['code']}: {where}{reason['message']}{value}"
    if with_raw and entry.raw is not None:
        text = entry.raw.decode(errors="replace")
        cut = " …" if len(text) > RAW_SHOWN or not entry.raw_is_whole else ""
        yield from (f"    | {part}" for part in (text[:RAW_SHOWN] + cut).replace("\r\n", "\n").split("\n"))
    elif with_raw:
        kept = (
            "the retention has cleared its bytes away" if entry.ordinal else "of what is rejected whole nothing is kept"
        )
        yield f"    ({kept}: look into the file)"


def printable(text: str) -> str:
    """``text`` with its control characters spelled out: what a sender has written must not command the terminal."""
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)


def _spell_state(entry: Entry) -> str:
    if entry.closed_at is None or entry.state in ("open", "held"):
        return f"{entry.state} since {entry.created_at:{_MINUTE}}, run {entry.run_id}"
    same_day = entry.closed_at.date() == entry.created_at.date()
    rejected = f"{entry.created_at:%H:%M}" if same_day else f"{entry.created_at:{_MINUTE}}"
    return f"{entry.state} {entry.closed_at:{_MINUTE}}; rejected {rejected} by run {entry.run_id}"


def spell_records(number: int) -> str:
    """A file that could not be read may have no records counted."""
    return counted(number, "record") if number else "records not counted"


def describe_hold(hold: Hold, feed: str) -> str:
    if hold.is_released:
        state = f"released, the next {'re-load' if hold.was_loaded else 'run'} of {feed} loads it; held"
    else:
        state = "re-load held, the rows of the load before stand;" if hold.was_loaded else "held"
    since = f"{state} since {hold.held_at:{_MINUTE}}, run {hold.run_id}"
    return f"{since}: {hold.name} ({counted(hold.found, 'record')}): {hold.reason}"


def as_json(entry: Entry) -> dict[str, Any]:
    raw = None if entry.raw is None else entry.raw.decode(errors="replace")
    closed_at = entry.closed_at and entry.closed_at.isoformat()
    return {**asdict(entry), "raw": raw, "created_at": entry.created_at.isoformat(), "closed_at": closed_at}


def spell_ids(entries: Sequence[int]) -> str:
    shown = ", ".join(map(str, entries[:SHOWN]))
    more = f" and {len(entries) - SHOWN:,} more" if len(entries) > SHOWN else ""
    return f": {shown}{more}" if shown else ""


def print_some(lines: Iterable[str], total: int, limit: int, before: str = "    ") -> None:
    for _, line in zip(range(limit), lines, strict=False):
        print(f"{before}{printable(line)}")
    if total > limit:
        print(f"{before}… and {total - limit:,} more")
