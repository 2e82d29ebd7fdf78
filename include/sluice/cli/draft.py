"""``sluice draft``: a feed from samples, an XSD, or both."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sluice.errors import PermanentError
from sluice.wording import SAMPLE_PATHS


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the feed's name: lower case, digits, _")
    parser.add_argument("samples", nargs="*", metavar="SAMPLE", help=SAMPLE_PATHS)
    parser.add_argument(
        "--xsd", nargs="+", action="extend", default=[], metavar="FILE", help="XSDs of the files, or folders of such"
    )
    parser.add_argument("--root", metavar="NAME", help="the root element, where an XSD has several and no sample tells")
    parser.add_argument(
        "--record", action="append", default=[], metavar="PATH", help="the record element, such as /Orders/Order;"
        " may be repeated where a file mixes kinds"
    )  # fmt: skip
    parser.add_argument(
        "--golden",
        action="store_true",
        help="write the golden case of the feed anew, after you have changed the feed file",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="the feed's folder (include/feeds/NAME)")


def draft(chosen: argparse.Namespace) -> int:
    from sluice.draft.making import Request, make_draft, renew
    from sluice.feed.loading import feeds_root

    folder = chosen.out or feeds_root() / chosen.name
    if chosen.golden:
        return renew(folder, lambda line: print(line, file=sys.stderr))
    request = Request(chosen.name, tuple(chosen.samples), tuple(chosen.xsd), tuple(chosen.record), folder, chosen.root)
    return make_draft(request, lambda line: print(line, file=sys.stderr), print, _ask if sys.stdin.isatty() else None)


def _ask(paths: tuple[str, ...]) -> str:
    """The candidate that a person chooses."""
    for number, path in enumerate(paths, start=1):
        print(f"  {number}. {path}", file=sys.stderr)
    while True:
        try:
            answer = input(f"Which is the record? (1 to {len(paths)}) ").strip()
        except EOFError:
            raise PermanentError("no record was chosen") from None
        if answer.isdecimal() and 1 <= int(answer) <= len(paths):
            return paths[int(answer) - 1]
