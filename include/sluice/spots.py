"""Places in files, as a person reads them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sluice.records import LedgerFile, Reject


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file: of the feed file, or of a sample, then with ``!member`` behind it in an archive.

    ``line`` and ``column`` count from 1, ``record`` is a record's ordinal; each is None where it is not known.
    """

    file: str
    line: int | None = None
    column: int | None = None
    record: int | None = None

    def __str__(self) -> str:
        numbers = [str(number) for number in (self.line, self.column if self.line else None) if number is not None]
        return ":".join([self.file, *numbers])


def spot_of(file: LedgerFile, member: str = "", line: int | None = None, record: int | None = None) -> Spot:
    name = short_name(file.uri)
    return Spot(f"{name}!{member}" if member else name, line, None, record)


def spot_of_reject(files: dict[int, LedgerFile], reject: Reject) -> Spot:
    """Where a record, or what is wrong with a file, stands; ``files`` are by part."""
    return spot_of(files[reject.part_id], reject.member, reject.line, reject.ordinal)


def short_name(uri: str) -> str:
    """A file as a person names it: from the present folder, if it is in there."""
    path = uri.removeprefix("file://")
    if path == uri and not path.startswith("/"):
        return uri
    here = f"{Path.cwd()}{os.sep}"
    return path.removeprefix(here)
