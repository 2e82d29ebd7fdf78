"""Makes large or many input files, a little at a time, the same ones for the same seed::

python -m benchmarks.generate entities lei.xml --size 1GB
python -m benchmarks.generate entities lei.xml.gz --records 2000
python -m benchmarks.generate entities delta.xml --records 2000 --delta 40   # every 40th, in a later state
python -m benchmarks.generate statements folder --files 2000 --date 2026-11-20
python -m benchmarks.generate items items.xml --size 1GB        # as citations, posts: the shapes of `make bench`
python -m benchmarks.generate invoices folder --files 10000
"""

from __future__ import annotations

import argparse
import datetime as dt
import gzip
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from benchmarks.shapes import SHAPES, RecordFile
from benchmarks.shapes.invoices import write_invoices

from benchmarks import entities, statements

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
_CONTENT_DATE = dt.datetime(2026, 11, 20, 0, 0, tzinfo=dt.UTC)


def parse_size(text: str) -> int:
    """``500MB`` as bytes; units are decimal. Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)B?", text.strip().upper())
    if found is None:
        raise ValueError(f"{text!r} is no size such as 10MB")
    return int(float(found[1]) * _UNITS[found[2]])


def write_entities(path: Path, *, size: int | None = None, count: int | None = None, seed: int = 7) -> int:
    """Write a full LEI file of ``count`` records, or of at least ``size`` bytes; returns the number of records.

    The number of records stands in the header: a file made by size is plain, so that it can be filled in at the end.
    """
    if size is not None and path.suffix == ".gz":
        raise ValueError("a file of a given size cannot be compressed while it is written; give --records")
    written = 0
    with _create(path) as stream:
        total = stream.write(entities.header(count or 0, _CONTENT_DATE).encode())
        for text in entities.records(seed, count):
            if size is not None and total >= size:
                break
            total += stream.write(text.encode())
            written += 1
        stream.write(entities.FOOTER.encode())
        if count is None:
            stream.seek(0)
            stream.write(entities.header(written, _CONTENT_DATE).encode())
    return written


def write_delta(path: Path, *, count: int, every: int, seed: int = 7) -> int:
    """Write a later state of every ``every``-th of ``count`` entities; returns how many."""
    indexes = range(0, count, every)
    with _create(path) as stream:
        later = _CONTENT_DATE + dt.timedelta(days=1)
        stream.write(entities.header(len(indexes), later, is_delta=True).encode())
        for index in indexes:
            stream.write(entities.record(seed, index, revision=1).encode())
        stream.write(entities.FOOTER.encode())
    return len(indexes)


def write_statements(folder: Path, *, files: int, day: dt.date, seed: int = 7) -> int:
    """Write ``files`` camt.053 files of a few kilobytes into ``folder``; returns the bytes written."""
    folder.mkdir(parents=True, exist_ok=True)
    return sum(
        (folder / f"statement-{number:06d}.xml").write_bytes(statements.statement_file(seed, number, day).encode())
        for number in range(files)
    )


@contextmanager
def _create(path: Path) -> Iterator[BinaryIO | io.BufferedIOBase]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as raw:
        if path.suffix == ".gz":
            # without name and time in it, equal content gives equal bytes
            with gzip.GzipFile("", "wb", 9, raw, mtime=0) as stream:
                yield stream
        else:
            yield raw


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    lei = commands.add_parser("entities", help="one LEI file")
    lei.add_argument("path", type=Path)
    amount = lei.add_mutually_exclusive_group(required=True)
    amount.add_argument("--size", type=parse_size, help="bytes at least, e.g. 1GB")
    amount.add_argument("--records", type=int)
    lei.add_argument("--delta", type=int, metavar="N", help="only every Nth of --records, in a later state")
    camt = commands.add_parser("statements", help="many small bank statements")
    camt.add_argument("path", type=Path)
    camt.add_argument("--files", type=int, default=2000)
    camt.add_argument("--date", type=dt.date.fromisoformat, default=_CONTENT_DATE.date())
    ubl = commands.add_parser("invoices", help="many small invoices")
    ubl.add_argument("path", type=Path)
    ubl.add_argument("--files", type=int, default=10_000)
    shapes = [commands.add_parser(name, help=f"one file of shape {shape.letter}") for name, shape in SHAPES.items()]
    for command in shapes:
        command.add_argument("path", type=Path)
        command.add_argument("--size", type=parse_size, required=True, help="bytes at least, e.g. 1GB")
    for command in (lei, camt, ubl, *shapes):
        command.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    if arguments.command == "entities" and arguments.delta and arguments.records is None:
        parser.error("--delta needs --records: of how many entities?")
    return arguments


def main() -> None:
    arguments = _arguments()
    path, seed = arguments.path, arguments.seed
    if arguments.command == "statements":
        total = write_statements(path, files=arguments.files, day=arguments.date, seed=seed)
        print(f"{arguments.files} files, {total} bytes in {path}")
        return
    if arguments.command == "invoices":
        print(f"{arguments.files} files, {write_invoices(path, arguments.files, seed)} bytes in {path}")
        return
    if arguments.command in SHAPES:
        made = RecordFile.of_size(SHAPES[arguments.command], arguments.size, seed=seed)
        made.write(path)
        print(f"{made.records} records, {made.size} bytes in {path}")
        return
    if arguments.delta:
        written = write_delta(path, count=arguments.records, every=arguments.delta, seed=seed)
    else:
        written = write_entities(path, size=arguments.size, count=arguments.records, seed=seed)
    print(f"{written} records, {path.stat().st_size} bytes in {path}")


if __name__ == "__main__":
    main()
