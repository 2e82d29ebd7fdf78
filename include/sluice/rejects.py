"""The rejects of a batch while it is parsed. They wait on disk: a wrong mapping rejects every record of a batch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, BinaryIO

from sluice.records import Reason, Reject

_SEPARATOR = b"\t"
_REJECT_FIELDS = [field.name for field in fields(Reject)]
_REASON_FIELDS = [field.name for field in fields(Reason)]


class RejectLog:
    """Takes rejects as they come, and gives them as JSON lines in that order once it is known which parts failed.

    ``counts`` holds how many records were rejected by part. Raises ``WorkFilesUnavailable`` as its scratch file does.
    """

    def __init__(self, scratch: BinaryIO) -> None:
        self._scratch = scratch
        self.counts: Counter[int] = Counter()

    def add(self, reject: Reject) -> None:
        kind = b"part" if reject.ordinal is None else b"record"
        self.counts[reject.part_id] += reject.ordinal is not None
        line = (b"%d" % reject.part_id, kind, json.dumps(_to_json(reject)).encode())
        self._scratch.write(_SEPARATOR.join(line) + b"\n")

    def settle(self, failed: Mapping[int, int]) -> Iterator[bytes]:
        """The lines that stay. ``failed`` holds the records found in each part that failed.

        Such a part is quarantined as one: its first entry stands for all its records, those of its records go.
        """
        waiting = dict(failed)
        self._scratch.seek(0)
        for line in self._scratch:
            part, kind, text = line.split(_SEPARATOR, 2)
            if int(part) not in failed:
                yield text
            elif kind == b"part":
                reject = {**json.loads(text), "records": waiting.pop(int(part), 0)}
                yield json.dumps(reject).encode() + b"\n"


def _to_json(reject: Reject) -> dict[str, Any]:
    """As ``records.to_json`` has it, at a fraction of its cost: there may be a million of them."""
    values = {name: getattr(reject, name) for name in _REJECT_FIELDS}
    values["reasons"] = [{name: getattr(reason, name) for name in _REASON_FIELDS} for reason in reject.reasons]
    values["raw"] = reject.raw.decode("latin-1")
    values["context"] = None if reject.context is None else reject.context.decode("latin-1")
    return values
