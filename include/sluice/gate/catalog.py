"""What a feed may expect, for editors and the reference: names, arguments, and what comes of a failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sluice.feed.model import Expectation
from sluice.feed.rules import UNIQUENESS
from sluice.gate import suite

ARGUMENTS = {
    "column": "A column of the table.",
    "column_A": "The first of two columns of the table.",
    "column_B": "The second of two columns of the table.",
    "column_list": "Columns of the table.",
    "mostly": "Share of rows (0 to 1) that must be right: the batch is judged, and no record by itself.",
    "row_condition": "Which rows are looked at, in pandas' words, as in `currency == 'EUR'`.",
    "condition_parser": "The language of `row_condition`: pandas.",
    "ignore_row_if": "Which rows are passed over for their NULLs.",
    "min_value": "The least that is right; without it there is no such limit.",
    "max_value": "The most that is right; without it there is no such limit.",
    "strict_min": "Whether the least itself is wrong.",
    "strict_max": "Whether the most itself is wrong.",
    "value": "The one number that is right.",
    "value_set": "The values that are meant, as a list.",
    "value_pairs_set": "The pairs of values that are right.",
    "sum_total": "What the columns of a row must add up to.",
    "regex": "Regular expression, in Python's words; it may match anywhere, unless it says ^ and $.",
    "regex_list": "Regular expressions, in Python's words.",
    "match_on": "Whether `any` or `all` of the expressions must match.",
    "strftime_format": "The form of a date or time, as in %Y-%m-%d.",
    "json_schema": "The JSON Schema that a value must fit.",
    "or_equal": "Whether two equal values are right, too.",
    "strictly": "Whether two equal values in a row are wrong.",
    "ties_okay": "Whether other values may be as common.",
    "double_sided": "Whether values far below the mean count as well.",
    "threshold": "The limit of what is right.",
    "method": "How values that lie far out are told: `iqr` or `std`.",
    "multiplier": "How far out is too far, in measures of the method.",
    "quantile_ranges": "The quantiles, and the least and the most of each.",
    "allow_relative_error": "How exact a quantile must be.",
    "partition_object": "The distribution to compare with.",
    "internal_weight_holdout": "Weight for values between those of the distribution.",
    "tail_weight_holdout": "Weight for values beyond those of the distribution.",
    "bucketize_data": "Whether values are put into the distribution's buckets.",
}
_ASIDE = ("row_condition", "condition_parser", "description", "notes", "meta")
"""Arguments that nearly all of them take; the last three are words for the Data Docs and judge nothing."""
_WORDS = "Words for the Data Docs."


_SECTION = """\
## Expectations

Those of Great Expectations that the gate judges, with their arguments; those in **bold** must be there. Without
`mostly`, one that says *records* rejects each record with a wrong row; all others judge the batch. Nearly all take
`row_condition`, too, which rows are looked at, in pandas' words (with `condition_parser: pandas`), and `description`,
`notes` and `meta`, words for the Data Docs. Not on offer are those about columns and types, which the feed file
fixes, those about uniqueness, which the table's key brings, and those that need a database.
"""


@dataclass(frozen=True, slots=True)
class Offer:
    """An expectation. ``arguments`` are in its own order, with whether each is required; ``rejects`` says that without
    ``mostly`` it judges rows, and rejects the records that it names.
    """

    name: str
    arguments: dict[str, bool]
    rejects: bool

    def json_schema(self) -> dict[str, Any]:
        required = [argument for argument, is_required in self.arguments.items() if is_required]
        outcome = (
            "Judges rows: without `mostly`, rejects the records whose rows are wrong."
            if self.rejects
            else "Judges the batch: holds it back, or those of its files that fail by themselves."
        )
        return {
            "type": "object" if required else ["object", "null"],
            "description": outcome,
            "properties": {name: {"description": ARGUMENTS.get(name, _WORDS)} for name in self.arguments},
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }


def page_section() -> str:
    """All of them as a section of a page of Markdown."""
    rows = [f"| `{offer.name}` | {_spell(offer)} | {'records' if offer.rejects else ''} |" for offer in offers()]
    lines = "\n".join(["| expectation | arguments | rejects |", "|---|---|---|", *rows])
    return f"{_SECTION}\n{lines}\n"


def _spell(offer: Offer) -> str:
    own = {name: is_required for name, is_required in offer.arguments.items() if name not in _ASIDE}
    return ", ".join(f"**`{name}`**" if is_required else f"`{name}`" for name, is_required in own.items())


def offers() -> list[Offer]:
    """All that a feed may declare, by name. Imports Great Expectations, which takes seconds."""
    names = [name for name in suite.names_on_offer() if name.startswith("expect_") and name not in UNIQUENESS]
    return [Offer(name, suite.arguments_of(name), suite.is_row_level(Expectation(type=name))) for name in names]
