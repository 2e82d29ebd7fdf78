"""split: pack tiny files together, cut huge ones at record boundaries, and make batches of equal weight.

Reads:  the manifest; of huge and packed files the bytes, once.
Writes: the cuts, into the ledger (the first split of a file version decides for ever); the batches, into ledger and
        work files; spooled pieces of files that cannot be read by ranges (compressed, archived, not UTF-8).
Raises: ``SourceUnavailable``, ``WarehouseUnavailable``, ``WorkFilesUnavailable`` (try again); ``MappingChanged``, as
        all later stages that need the mapping.
Rerun:  the same cuts and the same batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import psycopg

from sluice import ledger, replay, warehouse
from sluice.batches import check_mapping, write_batch
from sluice.cutting import cut_file, may_be_packed, spool_parts
from sluice.manifest import read_manifest
from sluice.records import Batch, LedgerFile, Part, Run
from sluice.tools import Tools

MEGABYTE = 1 << 20
# A batch is three tasks, each of some tenths of a second before it does anything: less than this is not worth them.
MIN_BATCH_BYTES = 16 * MEGABYTE
# What a task may hold in memory; the gate looks at all rows of a batch at once.
MAX_BATCH_BYTES = 64 * MEGABYTE
MAX_BATCHES = 256
MAX_PARTS_IN_BATCH = 5_000
# What opening one more file costs, in bytes that could have been parsed meanwhile.
FILE_OVERHEAD_BYTES = 16 << 10
# XML shrinks about tenfold; the batches of packed files are weighed by what comes out.
PACKED_RATIO = 8


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """One mapped task: ``label`` is how the UI names it. ``weight`` is in bytes."""

    number: int
    label: str
    files: int
    parts: int
    weight: int


@dataclass(frozen=True, slots=True)
class SplitSummary:
    run_id: int
    files: int
    batches: tuple[BatchSummary, ...]

    def line(self) -> str:
        weight = sum(batch.weight for batch in self.batches)
        parts = sum(batch.parts for batch in self.batches)
        packed = f"{self.files:,} files in {parts:,} parts and {len(self.batches)} batches"
        return f"split: {packed}, about {weight / 1e6:,.1f} MB"


def split(tools: Tools, run_id: int) -> SplitSummary:
    """Cut what has to be cut, and make the batches of a run."""
    with warehouse.connect(tools.dsn, f"split {tools.feed.feed} run {run_id}") as connection:
        run = ledger.read_run(connection, run_id)
        check_mapping(tools.feed, ledger.read_mapping_hash(connection, run))
        manifest = read_manifest(connection, run_id)
        total = sum(weigh_file(file) for file, _ in manifest)
        asked = ledger.asked_batch_mb(connection, run_id)
        target = _batch_bytes(asked, total, tools.slots)
        _cut_new_files(tools, connection, [file for file, part_count in manifest if part_count is None], target)
        parts = {part.part_id: part for part in _open_parts(connection, run)}
        weights = weigh_parts(list(parts.values()))
        made = ledger.read_batches(connection, run_id)
        if not made:
            share = 0 if asked else slot_share(total, tools.slots)
            packed = [(batch, _sum(weights, batch)) for batch in pack(list(parts.values()), target, share)]
            warehouse.transact(connection, lambda conn: ledger.store_batches(conn, run_id, packed))
            made = ledger.read_batches(connection, run_id)
    batches = [Batch(number, tuple(parts[part] for part in ids if part in parts)) for number, ids, _ in made]
    batches = [batch for batch in spool_batches(tools, run, batches) if batch.parts]
    for batch in batches:
        write_batch(tools, run_id, batch)
    files = len({part.file.file_id for batch in batches for part in batch.parts})
    return SplitSummary(
        run_id,
        files,
        tuple(BatchSummary(b.number, label(b), b.file_count, len(b.parts), _sum(weights, b)) for b in batches),
    )


def _open_parts(connection: psycopg.Connection, run: Run) -> list[Part]:
    """What there is to do; in a replay parts of which only some records are wanted come last."""
    if not run.is_replay:
        return ledger.read_open_parts(connection, run)
    return sorted(replay.read_parts(connection, run.run_id), key=lambda part: part.wanted is not None)


def _sum(weights: dict[int, int], batch: Batch) -> int:
    return sum(weights[part.part_id] for part in batch.parts)


def _batch_bytes(asked: int | None, total: int, slots: int) -> int:
    return max(asked * MEGABYTE, -(-total // MAX_BATCHES)) if asked else batch_bytes(total, slots)


def batch_bytes(total: int, slots: int) -> int:
    """The bytes that a batch should have: a batch for each slot, within bounds, and not above ``MAX_BATCHES`` in all.

    Slots are more than cores already, since tasks also wait; more batches than slots would only make more tasks.
    """
    wanted = min(max(slot_share(total, slots), MIN_BATCH_BYTES), MAX_BATCH_BYTES)
    return max(wanted, -(-total // MAX_BATCHES))


def slot_share(total: int, slots: int) -> int:
    """What a batch would weigh if there were one for each slot."""
    return -(-total // slots)


def must_be_opened(file: LedgerFile, target: int) -> bool:
    """Whether a file has to be looked into before it is known where it is cut; small plain ones stay whole."""
    return may_be_packed(file.uri) or file.size_bytes > target * 3 // 2


def _cut_new_files(tools: Tools, connection: psycopg.Connection, files: Sequence[LedgerFile], target: int) -> None:
    looked_into = [file for file in files if must_be_opened(file, target)]
    whole = {file.file_id for file in files} - {file.file_id for file in looked_into}
    warehouse.transact(connection, lambda conn: ledger.store_whole_files(conn, sorted(whole)))
    for file in looked_into:
        cuts = cut_file(tools, file, target)
        warehouse.transact(connection, lambda conn, file=file, cuts=cuts: ledger.store_cuts(conn, file, cuts))  # type: ignore[misc]


def spool_batches(tools: Tools, run: Run, batches: Sequence[Batch]) -> list[Batch]:
    """Write the pieces of files that cannot be read by ranges to work files, in one pass over each file."""
    waiting = [part for batch in batches for part in batch.parts if part.cut.spool is not None]
    if not waiting:
        return list(batches)
    spooled = spool_parts(tools, run.run_id, waiting)

    def with_spool(part: Part) -> Part:
        if part.cut.spool is None:
            return part
        return replace(part, cut=replace(part.cut, spool=spooled.get(part.part_id)))

    return [replace(batch, parts=tuple(map(with_spool, batch.parts))) for batch in batches]


def weigh_file(file: LedgerFile) -> int:
    """What a file costs to parse, in bytes."""
    return file.size_bytes * (PACKED_RATIO if may_be_packed(file.uri) else 1) + FILE_OVERHEAD_BYTES


def weigh_parts(parts: Sequence[Part]) -> dict[int, int]:
    """What each part costs to parse, in bytes, by its id. Whole members of an archive share their file's weight."""
    siblings = Counter(part.file.file_id for part in parts if part.cut.end_byte is None)
    return {part.part_id: _weigh_part(part, siblings[part.file.file_id]) for part in parts}


def _weigh_part(part: Part, siblings: int) -> int:
    cut = part.cut
    if cut.end_byte is not None:
        return cut.end_byte - cut.start_byte + FILE_OVERHEAD_BYTES
    return weigh_file(part.file) // siblings + (FILE_OVERHEAD_BYTES if siblings > 1 else 0)


def pack(parts: Sequence[Part], target: int, share: int = 0) -> list[Batch]:
    """Neighbours go together until a batch has ``target`` bytes and, if that is more, weighs ``share``, or can hold no
    more: opening files takes time, but no memory. Parts of a batch stand in the order of the ledger.

    Parts of which only some records are wanted are not mixed with others.
    """
    return [Batch(number, tuple(group)) for number, group in enumerate(_fill(parts, target, share))]


def _fill(parts: Sequence[Part], target: int, share: int) -> Iterator[list[Part]]:
    weights = weigh_parts(parts)
    group: list[Part] = []
    weight = size = 0
    for part in parts:
        own = weights[part.part_id]
        own_size = own - FILE_OVERHEAD_BYTES
        is_full = (
            _is_full(weight, own, max(target, share))
            or _is_full(size, own_size, target)
            or len(group) >= MAX_PARTS_IN_BATCH
        )
        if group and (is_full or (group[-1].wanted is None) != (part.wanted is None)):
            yield group
            group, weight, size = [], 0, 0
        group.append(part)
        weight += own
        size += own_size
    if group:
        yield group


def _is_full(filled: int, more: int, target: int) -> bool:
    return filled >= target or filled + more > target * 5 // 4


def label(batch: Batch) -> str:
    """How a person recognises the batch: its file, or how many of them there are and the first one's name."""
    first = batch.parts[0]
    name = first.file.uri.rsplit("/", 1)[-1]
    if first.cut.member:
        name = f"{name}!{first.cut.member}"
    if batch.file_count > 1:
        return f"{batch.number}: {batch.file_count} files from {name}"
    if len(batch.parts) > 1:
        return f"{batch.number}: {name}, {len(batch.parts)} parts"
    if first.cut.end_byte is not None or first.cut.start_byte:
        return f"{batch.number}: {name} from {first.cut.start_byte / 1e6:,.0f} MB"
    return f"{batch.number}: {name}"
