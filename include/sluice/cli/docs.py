"""``sluice docs``: the documentation of feeds, made of their declarations."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sluice.errors import PermanentError

if TYPE_CHECKING:
    from sluice.feed.model import Feed

FORMATS = {"markdown": "md", "html": "html"}


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feeds", nargs="*", metavar="FEED", help="names of feeds, or their folders; all by default")
    parser.add_argument("--format", choices=FORMATS, default="markdown", help="markdown (the default) or html")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write a file for each feed there; without it, print"
    )


def show(chosen: argparse.Namespace) -> int:
    from sluice.feed.loading import feed_names, feeds_root, folder_of, load_feed

    feeds = [load_feed(folder_of(name)) for name in chosen.feeds or feed_names(feeds_root())]
    if not feeds:
        raise PermanentError(f"there is no feed in {feeds_root()}")
    if chosen.out:
        _write(feeds, chosen.format, chosen.out)
        return 0
    if chosen.format == "html" and len(feeds) > 1:
        raise PermanentError("several pages of HTML need a folder: --out FOLDER")
    print("\n".join(map(_writer(chosen.format), feeds)), end="")
    return 0


def _write(feeds: list[Feed], kind: str, folder: Path) -> None:
    """A page for each feed, which replaces what an earlier call has written; and for HTML one that leads to them."""
    write = _writer(kind)
    pages = {f"{feed.feed}.{FORMATS[kind]}": write(feed) for feed in feeds}
    if kind == "html" and len(feeds) > 1:
        from sluice.feed.documentation.html import index_page

        pages["index.html"] = index_page(feeds)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, page in pages.items():
            (folder / name).write_text(page, encoding="utf-8")
            print(folder / name)
    except OSError as error:
        raise PermanentError(f"{folder} cannot be written to: {error.strerror}") from error


def _writer(kind: str) -> Callable[[Feed], str]:
    if kind == "html":
        from sluice.feed.documentation.html import html_page

        return html_page
    from sluice.feed.documentation.markdown import full_page

    return full_page
