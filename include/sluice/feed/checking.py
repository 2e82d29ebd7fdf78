"""What ``sluice check`` finds beyond loading: whether Great Expectations knows the expectations and their arguments.

It is no part of loading, as the import of Great Expectations takes seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from sluice.errors import FeedProblem
from sluice.feed.document import read_document
from sluice.feed.faults import Fault, Loc, describe, nearest
from sluice.feed.loading import FEED_FILE
from sluice.feed.model import Expectation, Feed


def check_expectations(feed: Feed) -> list[FeedProblem]:
    """The expectations of a loaded feed that Great Expectations would not take, in the order of the file."""
    document = read_document(feed.folder / FEED_FILE)
    faults = [fault for loc, expectation in _expectations(feed) for fault in _faults_of(loc, expectation)]
    return document.invalid(faults).problems


def _expectations(feed: Feed) -> Iterator[tuple[Loc, Expectation]]:
    """All expectations, each with the place of its name."""
    for name, table in feed.tables.items():
        for index, expectation in enumerate(table.expectations):
            yield ("tables", name, "expectations", index, expectation.type), expectation
    seen: Counter[str] = Counter()
    for name, expectation in feed.run.expectations:
        yield ("run", "expectations", name, seen[name], expectation.type), expectation
        seen[name] += 1


def _faults_of(loc: Loc, expectation: Expectation) -> Iterator[Fault]:
    import great_expectations.expectations.core  # noqa: F401  (fills the registry)
    from great_expectations.compatibility.pydantic import ValidationError
    from great_expectations.expectations.registry import (
        get_expectation_impl,
        list_registered_expectation_implementations,
    )

    known = list_registered_expectation_implementations()
    if expectation.type not in known:
        message = f"Great Expectations has no {expectation.type!r}"
        yield Fault(loc, message, nearest(expectation.type, known), at_key=True)
        return
    implementation = get_expectation_impl(expectation.type)
    try:
        implementation(**expectation.arguments)
    except ValidationError as error:
        yield from _argument_faults(loc, expectation, error.errors(), _argument_names(implementation))


def _argument_names(implementation: Any) -> list[str]:
    """The arguments of an expectation's own, without what all expectations have."""
    from great_expectations.expectations.expectation import Expectation as AnyExpectation

    common = {*AnyExpectation.__fields__, "batch_id", "library_metadata"}
    return [name for name in implementation.__fields__ if name not in common]


def _argument_faults(loc: Loc, expectation: Expectation, errors: Sequence[Any], known: list[str]) -> Iterator[Fault]:
    """One fault per argument; Great Expectations tells a wrong type once for each type that it could have been."""
    by_argument = {str(error["loc"][0]): error for error in reversed(errors)}
    if len(by_argument) > 1:
        by_argument.pop("__root__", None)  # what follows from the others
    for argument, error in by_argument.items():
        if error["type"] == "value_error.missing":
            yield Fault(loc, f"the argument {argument!r} is missing", at_key=True)
        elif error["type"] == "value_error.extra":
            message = f"no argument of {expectation.type}, which takes {', '.join(known)}"
            yield Fault((*loc, argument), message, nearest(argument, known), at_key=True)
        elif argument in expectation.arguments:
            yield Fault((*loc, argument), f"the argument cannot be {describe(expectation.arguments[argument])}")
        else:
            yield Fault(loc, f"the arguments do not go together: {error['msg']}", at_key=True)
