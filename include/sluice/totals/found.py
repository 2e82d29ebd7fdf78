"""Counts what parse finds of what the sender's totals are about: rows, and the sums of values, by part and member.

Rejected records are in the file as well, so they count; of their values, those that could be read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa

from sluice.feed.model import Feed, Total
from sluice.totals.exact import add

Owner = tuple[int, str]
"""A part, and the archive member in it."""

# Of values with more digits, Arrow's sums could pass its 76, and it does not tell; 10^16 with so many cannot.
_ARROW_DIGITS = 60


class FoundTotals:
    """The counts and sums of one batch."""

    def __init__(self, feed: Feed) -> None:
        self._tables = {name for total in feed.totals for name in total.counts}
        self._columns: dict[str, set[str]] = defaultdict(set)
        for name in (name for total in feed.totals for name in total.sums):
            table, _, column = name.partition(".")
            self._columns[table].add(column)
        self._only_root = next(iter(feed.roots)) if len(feed.roots) == 1 else None
        self._found: dict[tuple[Owner, str], Decimal] = defaultdict(Decimal)
        self.is_on = bool(feed.totals)

    def add_rows(
        self, table: str, columns: Mapping[str, pa.Array], owners: Sequence[Owner], owner_of: np.ndarray
    ) -> None:
        """Rows of a table: ``owner_of`` says by row which of ``owners`` it is of."""
        if table in self._tables:
            counts = np.bincount(owner_of, minlength=len(owners)).tolist()
            self._add(table, dict(enumerate(counts)), owners)
        for name in self._columns.get(table, set()) & columns.keys():
            self._add(f"{table}.{name}", _sums(columns[name], owner_of), owners)

    def add_record(self, table: str | None, owner: Owner) -> None:
        """A record that gives no rows; ``table`` is its root table, None where that is not known."""
        table = table or self._only_root
        if table in self._tables:
            self._add(str(table), {0: 1}, [owner])

    def _add(self, name: str, amounts: Mapping[int, int | Decimal], owners: Sequence[Owner]) -> None:
        for index, amount in amounts.items():
            if amount:
                key = owners[index], name
                self._found[key] = add(self._found[key], Decimal(amount))

    def of(self, total: Total, owner: Owner) -> Decimal:
        """What was found of a total in a part."""
        amounts = [self._found.get((owner, name), Decimal()) for name in total.counts or total.sums]
        found = Decimal()
        for amount in amounts:
            found = add(found, amount)
        return found


def _sums(values: pa.Array, owner_of: np.ndarray) -> dict[int, Decimal]:
    """The sum of the values of each owner, exactly; without those of which there is none."""
    if pa.types.is_decimal(values.type) and values.type.precision > _ARROW_DIGITS:
        found: dict[int, Decimal] = defaultdict(Decimal)
        for owner, value in zip(owner_of.tolist(), values.to_pylist(), strict=True):
            if value is not None:
                found[owner] = add(found[owner], value)
        return found
    scale = values.type.scale if pa.types.is_decimal(values.type) else 0
    rows = pa.table({"owner": owner_of, "value": values.cast(pa.decimal256(76, scale))})
    sums = rows.group_by("owner").aggregate([("value", "sum")]).to_pylist()
    return {row["owner"]: row["value_sum"] for row in sums if row["value_sum"] is not None}
