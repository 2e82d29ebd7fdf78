"""``sluice preview``: what would become of files: the first rows of each table, rejects, counts; where a path goes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sluice.cli.entries import printable
from sluice.wording import SAMPLE_PATHS, counted

if TYPE_CHECKING:
    from rich.console import Console

    from sluice.feed.model import Feed
    from sluice.records import LedgerFile
    from sluice.tryout.peek import Peek
    from sluice.tryout.trial import Counts

WRONG_USAGE = 2


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feed", metavar="FEED", help="name of a feed, or its folder")
    parser.add_argument("files", nargs="*", metavar="FILE", help=f"{SAMPLE_PATHS}; by default the feed's own samples/")
    parser.add_argument("--rows", type=_count, default=5, metavar="N", help="how many rows of each table to show (5)")
    parser.add_argument(
        "--table", action="append", metavar="T", help="show this table only; may be given several times"
    )
    parser.add_argument("--rejects", type=_count, default=10, metavar="N", help="how many rejects to show (10)")
    parser.add_argument("--lineage", action="store_true", help="show where each row came from, too")
    parser.add_argument("--sql", action="store_true", help="print the SQL that makes the tables, and nothing else")
    parser.add_argument(
        "--explain",
        metavar="PATH",
        help="tell where an element or attribute goes and why, such as /Orders/Order/Total/@currency or Total",
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def show(chosen: argparse.Namespace) -> int:
    from sluice.feed.faults import nearest
    from sluice.feed.loading import folder_of, load_feed
    from sluice.tryout.samples import SamplesMissing, find_samples, own_samples

    feed = load_feed(folder_of(chosen.feed))
    if chosen.sql:
        from sluice.cli.feed import spell_ddl

        print(spell_ddl(feed))
        return 0
    for name in chosen.table or ():
        if name not in feed.tables:
            meant = nearest(name, feed.tables)
            hint = f"did you mean {meant!r}?" if meant else f"there are {', '.join(feed.tables)}"
            return _misused(f"{feed.feed} has no table {name!r}; {hint}")
    try:
        files = find_samples(feed, chosen.files or own_samples(feed))
    except SamplesMissing as error:
        return _misused(str(error))
    if chosen.explain is not None:
        return _explain(feed, files, chosen.explain)
    if not files:
        return _misused(f"no files: name some, or put samples into {feed.folder / 'samples'}")
    from sluice.spots import short_name
    from sluice.totals.books import Comparison
    from sluice.tryout.peek import Peek
    from sluice.tryout.trial import Counts, try_files

    peek, counts = Peek(feed, chosen.table or list(feed.tables), chosen.rows, chosen.rejects), Counts(len(files))
    comparison = Comparison(feed)
    for tried in try_files(feed, files):
        peek.take(tried)
        counts.take(tried)
        tried.compare(comparison)
    _print(feed, peek, counts, with_lineage=chosen.lineage)
    for total in comparison.differences():
        numbers = f"; {total.numbers}" if total.numbers else ""
        print(printable(f"{short_name(total.name)}: {total.fault()}{numbers}"))
    return 0


def _explain(feed: Feed, files: Sequence[LedgerFile], text: str) -> int:
    from sluice.explaining import explain
    from sluice.tryout.asked import PathUnclear

    try:
        lines = explain(feed, files, text)
    except PathUnclear as error:
        return _misused(str(error))
    for line in lines:
        print(printable(line))
    return 0


def _misused(message: str) -> int:
    print(f"sluice preview: {message}", file=sys.stderr)
    return WRONG_USAGE


def _print(feed: Feed, peek: Peek, counts: Counts, *, with_lineage: bool) -> None:
    from sluice.cli.rows import new_console, reject_lines, tables_of
    from sluice.tryout.peek import LINEAGE

    console: Console = new_console()
    for name, rows in peek.rows.items():
        total = counted(counts.rows[name], "row")
        title = f"{name}: {total}" if len(rows) == counts.rows[name] else f"{name}: {len(rows)} of {total}"
        if not rows:
            console.print(title, style="italic", markup=False)
            continue
        columns = [column for column in rows[0] if with_lineage or column not in LINEAGE]
        for table in tables_of(title, rows, columns, console.width):
            console.print(table)
    for line in (line for spot, reject in peek.rejects for line in reject_lines(spot, reject)):
        console.print(line, markup=False, soft_wrap=True)
    if peek.reject_count > len(peek.rejects):
        console.print(
            f"… and {counted(peek.reject_count - len(peek.rejects), 'more reject')} (--rejects)", markup=False
        )
    console.print(_spell_counts(counts), markup=False, soft_wrap=True)


def _spell_counts(counts: Counts) -> str:
    held = f", {counts.held:,} held by the gate" if counts.held else ""
    seconds = max(counts.seconds, 0.001)
    return (
        f"{counted(counts.found, 'record')} found = {counts.accepted:,} accepted + {counts.rejected:,} rejected{held}; "
        f"{counted(counts.files, 'file')}, {counts.bytes_read / 1e6:,.1f} MB parsed in {seconds:,.2f} s: "
        f"{counts.bytes_read / 1e6 / seconds:,.1f} MB/s, {counts.found / seconds:,.0f} records/s"
    )
