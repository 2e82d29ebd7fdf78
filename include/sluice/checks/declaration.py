"""The feed file by itself: keys, paths, types, and whether Great Expectations knows its expectations."""

from __future__ import annotations

from pathlib import Path

from sluice.errors import FeedInvalid, FeedProblem, PermanentError
from sluice.feed.document import Document, read_document
from sluice.feed.faults import Fault, Loc
from sluice.feed.loading import FEED_FILE, load_feed
from sluice.feed.model import Feed
from sluice.findings import Finding, of_problem
from sluice.spots import Spot, short_name


def check_declaration(folder: Path) -> tuple[Feed | None, list[Finding]]:
    """The feed in ``folder``, and the mistakes in its file; None where these keep it from being tried."""
    try:
        feed = load_feed(folder)
        findings = list(map(of_problem, _check_expectations(feed)))
    except FeedInvalid as error:
        return None, list(map(of_problem, error.problems))
    except PermanentError as error:
        return None, [Finding("error", "feed_invalid", str(error), Spot(short_name(str(folder / FEED_FILE))))]
    return (None if findings else feed), findings


def _check_expectations(feed: Feed) -> list[FeedProblem]:
    from sluice import gate
    from sluice.feed.checking import check_expectations

    if problems := check_expectations(feed):
        return problems
    gate.check_feed(feed)
    return []


class WrittenFeed:
    """The feed file as it was written, to tell where in it something stands."""

    def __init__(self, feed: Feed) -> None:
        self._document: Document = read_document(feed.folder / FEED_FILE)

    def spot(self, loc: Loc, *, at_key: bool = False) -> tuple[Spot, str]:
        """The place of what ``loc`` leads to, and the keys on the way there as a person writes them."""
        problem = self._document.problem(Fault(loc, "", at_key=at_key))
        return Spot(short_name(problem.source), problem.line, problem.column), problem.where
