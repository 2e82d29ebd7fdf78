"""Reads feed files: from a folder to a ``Feed``, or to all mistakes in it, each with its line and column."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sluice.errors import FeedInvalid, FeedProblem
from sluice.feed.document import read_document
from sluice.feed.faults import Fault, faults_of, nearest
from sluice.feed.model import Feed
from sluice.sources.pattern import PatternInvalid, expand_variables

FEED_FILE = "feed.yaml"


def feeds_root() -> Path:
    """The folder of all feeds: ``SLUICE_FEEDS``, or ``include/feeds`` beside the package."""
    configured = os.environ.get("SLUICE_FEEDS")
    return Path(configured) if configured else Path(__file__).parents[2] / "feeds"


def folder_of(name: str) -> Path:
    """A feed by its name among the declared ones, or by its folder."""
    return Path(name) if "/" in name else feeds_root() / name


def feed_names(root: Path) -> list[str]:
    """The names of all feeds below ``root``, sorted; no feed file is read."""
    if not root.is_dir():
        return []
    return sorted(folder.name for folder in root.iterdir() if (folder / FEED_FILE).is_file())


def load_feeds(root: Path) -> dict[str, Feed]:
    """All feeds below ``root``, sorted by name; raises ``FeedInvalid`` with the mistakes of all of them."""
    feeds: dict[str, Feed] = {}
    problems: list[FeedProblem] = []
    for name in feed_names(root):
        try:
            feeds[name] = load_feed(root / name)
        except FeedInvalid as error:
            problems += error.problems
    for feed, message in queue_mistakes(feeds.values()):
        fault = Fault(("source", "arrivals", "queue"), message)
        problems += read_document(root / feed / FEED_FILE).invalid([fault]).problems
    if problems:
        raise FeedInvalid(problems)
    return feeds


def queue_mistakes(feeds: Iterable[Feed]) -> Iterator[tuple[str, str]]:
    """What is wrong with the queues of feeds, here where their variables are set: the feed's name, and the mistake.

    A message is read once and kept in one inbox: so of the feeds that want something else of a queue than its first
    feed does, each is a mistake.
    """
    wanted: dict[str, tuple[str, str]] = {}
    for feed in feeds:
        if (arrivals := feed.source.arrivals) is None:
            continue
        try:
            queue = expand_variables(arrivals.queue, os.environ)
        except PatternInvalid as error:
            yield feed.feed, str(error)
            continue
        own = (arrivals.connection or feed.source.connection or "aws_default", feed.target.connection)
        if queue and wanted.setdefault(queue, own) != own:
            yield feed.feed, "another feed of this queue has another warehouse or connection; give one its own queue"


def sound_feeds(root: Path) -> list[Feed]:
    """The feeds below ``root`` that have no mistakes, by name; ``load_feeds`` tells the mistakes of the others."""
    feeds = []
    for name in feed_names(root):
        with suppress(FeedInvalid):
            feeds.append(load_feed(root / name))
    return feeds


def load_feed(folder: Path) -> Feed:
    """The feed that ``folder`` declares; raises ``FeedInvalid`` with every mistake that can be found."""
    file = folder / FEED_FILE
    if not file.exists():
        meant = nearest(folder.name, feed_names(folder.absolute().parent))
        raise FeedInvalid([FeedProblem(str(file), 1, 1, "", "there is no feed here", meant)])
    document = read_document(file)
    faults = list(_folder_faults(folder, document.data))
    try:
        feed = Feed.model_validate(document.data)
    except ValidationError as error:
        raise document.invalid([*faults_of(error, Feed), *faults]) from None
    if faults or document.problems:
        raise document.invalid(faults)
    feed._folder = folder.absolute()
    return feed


def _folder_faults(folder: Path, data: Any) -> Iterator[Fault]:
    """What does not fit between the document and the folder that it lies in."""
    if not isinstance(data, dict):
        return
    name, own_name = data.get("feed"), folder.absolute().name
    if isinstance(name, str) and name != own_name:
        yield Fault(
            ("feed",), f"the feed is called {name!r}, but its folder {own_name!r}; they must be the same", own_name
        )
    xsd = data.get("xsd")
    files = xsd.get("files") if isinstance(xsd, dict) else None
    for index, file in enumerate([files] if isinstance(files, str) else files if isinstance(files, list) else []):
        if isinstance(file, str):
            yield from _schema_file_faults(folder, file, ("xsd", "files", index))


def _schema_file_faults(folder: Path, file: str, loc: tuple[str | int, ...]) -> Iterator[Fault]:
    try:
        path, root = (folder / file).resolve(), folder.resolve()
        is_inside, is_file = path.is_relative_to(root), path.is_file()
    except (OSError, RuntimeError) as error:  # a name that is too long, links in a circle
        yield Fault(loc, f"this is no name of a file: {getattr(error, 'strerror', None) or 'links in a circle'}")
        return
    if not is_inside:
        yield Fault(loc, f"{file!r} lies outside the feed's folder")
    elif not is_file:
        known = sorted(str(found.relative_to(folder)) for found in folder.rglob("*.xsd"))
        yield Fault(loc, f"there is no file {file!r} in the feed's folder", nearest(file, known))
