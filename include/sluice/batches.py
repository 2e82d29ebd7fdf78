"""Batches as work files: what split hands to the tasks that work on them.

The ledger knows every batch as well, so a task that somebody clears after its run was reconciled, when the work files
are gone, finds its batch again.
"""

from __future__ import annotations

import base64
import datetime as dt
from typing import Any

from sluice import ledger, replay, warehouse
from sluice.errors import MappingChanged, PermanentError
from sluice.feed.mapping import mapping_hash
from sluice.feed.model import Feed
from sluice.records import Batch, Cut, LedgerFile, Part
from sluice.tools import Tools

_WHOLE = Cut()


def write_batch(tools: Tools, run_id: int, batch: Batch) -> None:
    """Hand a batch over, with the mapping that it belongs to. Raises ``WorkFilesUnavailable``."""
    parts = [_part_to_json(part) for part in batch.parts]
    value = {"number": batch.number, "mapping": mapping_hash(tools.feed), "parts": parts}
    tools.work.write_json(tools.work.batch(tools.feed.feed, run_id, batch.number), value)


def read_batch(tools: Tools, run_id: int, number: int) -> Batch:
    """The batch as split made it, from its work file or else from the ledger.

    Raises ``PermanentError`` where the pieces that split spooled for it are gone: then split has to be cleared, too;
    ``MappingChanged`` where the feed is no longer what fetch froze.
    """
    path = tools.work.batch(tools.feed.feed, run_id, number)
    if not tools.work.exists(path):
        return _restore_batch(tools, run_id, number)
    data = tools.work.read_json(path)
    check_mapping(tools.feed, data.get("mapping"))
    return Batch(data["number"], tuple(map(_part_from_json, data["parts"])))


def check_mapping(feed: Feed, frozen: str | None) -> None:
    """Raises ``MappingChanged`` where the feed's mapping is not the one of this hash, if the hash is known.

    To go on would make one run's rows by two mappings, and the ledger would name the first for all of them.
    """
    if frozen is not None and mapping_hash(feed) != frozen:
        raise MappingChanged(
            f"feed {feed.feed}: its mapping (feed.yaml or an XSD) has changed since this run's fetch froze it. Clear "
            "`fetch` and all after it, or let the next run take what is still open; to end this run as it began, put "
            "the old mapping back and clear what failed"
        )


def _restore_batch(tools: Tools, run_id: int, number: int) -> Batch:
    with warehouse.connect(tools.dsn, f"parse {tools.feed.feed} run {run_id}") as connection:
        run = ledger.read_run(connection, run_id)
        check_mapping(tools.feed, ledger.read_mapping_hash(connection, run))
        if run.is_replay:
            parts = replay.read_parts(connection, run_id, number)
        else:
            parts = ledger.read_batch_parts(connection, run_id, number)
    if not parts:
        raise PermanentError(
            f"run {run_id} has no batch {number}; clear `split` as well, to have its batches made anew"
        )
    if any(part.cut.spool is not None for part in parts):
        raise PermanentError(
            f"the unpacked pieces of batch {number} are gone since run {run_id} was reconciled; clear `split` as well"
        )
    batch = Batch(number, tuple(parts))
    write_batch(tools, run_id, batch)
    return batch


def _part_to_json(part: Part) -> dict[str, Any]:
    file, cut = part.file, part.cut
    return {
        "part_id": part.part_id,
        "wanted": None if part.wanted is None else sorted(part.wanted),
        "file": {
            "file_id": file.file_id,
            "uri": file.uri,
            "version": file.version,
            "size_bytes": file.size_bytes,
            "modified_at": file.modified_at.isoformat(),
            "file_date": file.file_date.isoformat() if file.file_date else None,
        },
        # Nothing of a file that stays whole, as most do.
        "cut": {} if cut == _WHOLE else _cut_to_json(cut),
    }


def _cut_to_json(cut: Cut) -> dict[str, Any]:
    return {
        "member": cut.member,
        "start_byte": cut.start_byte,
        "end_byte": cut.end_byte,
        "context": base64.b64encode(cut.context).decode(),
        "tail": base64.b64encode(cut.tail).decode(),
        "first_record": cut.first_record,
        "first_line": cut.first_line,
        "spool": cut.spool,
    }


def _part_from_json(data: dict[str, Any]) -> Part:
    # A batch may have thousands of parts, and each stage reads them: arguments by their place cost half.
    file, cut = data["file"], data["cut"]
    date = file["file_date"]
    modified_at = dt.datetime.fromisoformat(file["modified_at"])
    file_date = dt.date.fromisoformat(date) if date else None
    wanted = data.get("wanted")  # which an older release, whose run is still at work, did not know
    return Part(
        data["part_id"],
        LedgerFile(file["file_id"], file["uri"], file["version"], file["size_bytes"], modified_at, file_date),
        _cut_from_json(cut) if cut else _WHOLE,
        None if wanted is None else frozenset((member, offset) for member, offset in wanted),
    )


def _cut_from_json(cut: dict[str, Any]) -> Cut:
    return Cut(
        cut["member"],
        cut["start_byte"],
        cut["end_byte"],
        base64.b64decode(cut["context"]),
        base64.b64decode(cut["tail"]),
        cut["first_record"],
        cut["first_line"],
        cut["spool"],
    )
