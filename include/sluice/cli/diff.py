"""``sluice diff``: what the present feed file does to the tables and to what is loaded; the history of its mappings."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sluice.cli import warehouse
from sluice.wording import counted

if TYPE_CHECKING:
    import psycopg

    from sluice.change.sides import Side
    from sluice.feed.model import Feed

STDIN = "-"


def declare(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Exit code: 0 the next run changes the tables by itself, or nothing; 1 a person has to act before it: it would"
        " refuse, or make anew and empty what seems to be renamed; 2 wrong usage."
    )
    parser.add_argument("feed", metavar="FEED", help="name of a feed, or its folder")
    parser.add_argument(
        "--against",
        metavar="WHAT",
        help="another feed file or its folder, - for one on standard input, or a generation or hash of the ledger",
    )
    parser.add_argument(
        "--warehouse", action="store_true", help="compare with the live tables and the ledger; the default"
    )
    parser.add_argument("--history", action="store_true", help="list the mappings that the feed has had")


def show(chosen: argparse.Namespace) -> int:
    """Returns 1 where a pipeline should stop: where the next run would refuse to change the tables, or make anew and
    empty what seems to have another name only.
    """
    from sluice.feed.loading import folder_of, load_feed

    feed = load_feed(folder_of(chosen.feed))
    if chosen.history:
        with warehouse.open_ledger() as connection:
            _print(_history(connection, feed))
        return 0
    is_dangerous = False
    if chosen.against is not None:
        is_dangerous |= _against(feed, chosen.against)
    if chosen.against is None or chosen.warehouse:
        with warehouse.open_ledger() as connection:
            is_dangerous |= _warehouse(connection, feed)
    return 1 if is_dangerous else 0


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        print(line)


def _history(connection: psycopg.Connection, feed: Feed) -> Iterator[str]:
    from sluice.change.history import read_mappings, read_standing
    from sluice.change.report import tell_history

    mappings = read_mappings(connection, feed.feed)
    told = f"{counted(len(mappings), 'mapping')} so far" if mappings else "no mapping yet"
    yield f"feed {feed.feed}: {told}"
    yield from tell_history(mappings, read_standing(connection, feed.feed))


def _against(feed: Feed, what: str) -> bool:
    from sluice.change.comparing import compare_files, compare_mappings, find_renames
    from sluice.change.report import tell_changes, tell_tables
    from sluice.change.tables import plan_tables
    from sluice.feed.ddl import Existing, layout_of
    from sluice.feed.mapping import mapping_document

    side, document = _side(feed, what), mapping_document(feed)
    print(f"feed {feed.feed}, against {side.name}{f' ({side.note})' if side.note else ''}")
    changes = compare_mappings(side.document, document)
    _print(tell_changes("What decides rows", changes, "Nothing that decides rows is changed: the mapping is the same."))
    if side.is_file:
        others = compare_files(side.feed, feed)
        _print(tell_changes("Everything else", others, "Nothing else is changed."))
    is_there = side.feed.schema_name == feed.schema_name
    existing = layout_of(side.feed) if is_there else Existing({}, {}, keys=Existing({}, {}), comments={})
    plan = plan_tables(feed, existing, [side.document], find_renames(side.document, document))
    _print(tell_tables(plan, f"the schema {feed.schema_name}"))
    return plan.is_dangerous


def _side(feed: Feed, what: str) -> Side:
    from sluice.change.history import find_mapping, read_mappings
    from sluice.change.sides import side_of_file, side_of_mapping

    if what == STDIN:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "standard-input.yaml"
            path.write_bytes(sys.stdin.buffer.read())
            return side_of_file(path, "standard input", feed)
    path = Path(what)
    if path.exists() or "/" in what or path.suffix in (".yaml", ".yml"):
        return side_of_file(path, what, feed)
    with warehouse.open_ledger() as connection:
        return side_of_mapping(find_mapping(read_mappings(connection, feed.feed), what), feed)


def _warehouse(connection: psycopg.Connection, feed: Feed) -> bool:
    from sluice.change.comparing import compare_mappings, find_renames
    from sluice.change.history import read_mappings, read_standing
    from sluice.change.report import tell_changes, tell_loaded, tell_tables
    from sluice.change.tables import plan_tables
    from sluice.feed.mapping import mapping_document, mapping_hash
    from sluice.warehouse import read_layout

    mappings, document = read_mappings(connection, feed.feed), mapping_document(feed)
    newest = mappings[-1] if mappings else None
    since = f"generation {newest.generation}, {newest.created_at:%Y-%m-%d %H:%M} UTC" if newest else "no mapping yet"
    print(f"feed {feed.feed}, against the warehouse ({since})")
    renames = find_renames(newest.document, document) if newest else []
    if newest:
        changes = compare_mappings(newest.document, document)
        _print(tell_changes("What decides rows", changes, "Nothing that decides rows is changed."))
    plan = plan_tables(feed, read_layout(connection, feed.schema_name), [m.document for m in mappings], renames)
    _print(tell_tables(plan, f"the schema {feed.schema_name}"))
    _print(tell_loaded(feed.feed, read_standing(connection, feed.feed), newest, mapping_hash(feed)))
    return plan.is_dangerous
