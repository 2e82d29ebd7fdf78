"""The commands about a feed's declaration: ``check``, ``ddl``, ``schema``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from sluice.errors import FeedInvalid, FeedProblem, PermanentError


def declare_feed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feed", metavar="FEED", help="name of a feed, or its folder")


def declare_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feeds", nargs="*", metavar="FEED", help="names of feeds, or their folders; all by default")


def check(chosen: argparse.Namespace) -> int:
    from sluice import gate
    from sluice.feed.checking import check_expectations
    from sluice.feed.loading import load_feed

    folders = _feed_folders(chosen.feeds)
    problems: list[FeedProblem | str] = []
    for folder in folders:
        try:
            feed = load_feed(folder)
            problems += (found := check_expectations(feed))
            if not found:
                gate.check_feed(feed)
        except FeedInvalid as error:
            problems += error.problems
        except PermanentError as error:
            problems.append(f"{folder}: {error}")
    for problem in problems:
        print(problem)
    if not problems:
        print(f"no mistakes in {', '.join(folder.name for folder in folders)}")
    return 1 if problems else 0


def schema(_: argparse.Namespace) -> int:
    import json

    from sluice.feed.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0


def ddl(chosen: argparse.Namespace) -> int:
    from sluice.feed.ddl import create_statements
    from sluice.feed.loading import folder_of, load_feed

    print(
        "\n".join(
            statement if statement.endswith(";") else f"{statement};"
            for statement in create_statements(load_feed(folder_of(chosen.feed)))
        )
    )
    return 0


def _feed_folders(names: Sequence[str]) -> list[Path]:
    from sluice.feed.loading import feed_names, feeds_root, folder_of

    return [folder_of(name) for name in names or feed_names(feeds_root())]
