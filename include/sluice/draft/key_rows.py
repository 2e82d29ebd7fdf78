"""The rows of a table that a key is looked for in: their columns, how many of them differ, and numbers that only count
the records of a document.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

_DOCUMENT = ("_part", "_member")
_WHOLE = r"^[0-9]{1,9}$"
_HELD_COLUMNS = 3

Reader = Callable[[Sequence[str]], pa.Table]
"""Gives these columns of all rows of a table."""


class KeyRows:
    """The rows of a table, of which each column is read when it is asked for: a table may be large."""

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._known: dict[str, pa.ChunkedArray] = {}
        self.num_rows = int(read(["_part"]).num_rows)

    def column(self, name: str) -> pa.ChunkedArray:
        if name not in self._known:
            if len(self._known) >= _HELD_COLUMNS:
                self._known.pop(next(iter(self._known)))
            self._known[name] = self._read([name]).column(name)
        return self._known[name]

    def table(self, names: Sequence[str]) -> pa.Table:
        return pa.table({name: self.column(name) for name in names})

    def count(self, names: Sequence[str]) -> int:
        """How many different rows there are of these columns."""
        if len(names) == 1:
            return int(pc.count_distinct(self.column(names[0]), mode="all").as_py())
        rows = self.table(names)
        count = int(rows.group_by(list(names)).aggregate([]).num_rows)
        pa.default_memory_pool().release_unused()
        return count

    def pairs(self, names: Sequence[str]) -> int:
        """How many pairs of rows have the same in these columns; of no columns, how many pairs there are."""
        if not names:
            return self.num_rows * (self.num_rows - 1) // 2
        counts = self.table(names).group_by(list(names)).aggregate([([], "count_all")]).column("count_all")
        return int(pc.sum(pc.multiply(counts, pc.subtract(counts, 1))).as_py() or 0) // 2

    def are_counted(self, name: str) -> bool:
        """Whether numbers, of which none is twice in one document, only count its records: 1, 2, 3 or 10, 20, 30, from
        the start in each. Such a number names another record in the next document.
        """
        return _count_records(self.table([*_DOCUMENT, name]), name)


def _count_records(rows: pa.Table, name: str) -> bool:
    values = rows.column(name)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        if not pc.all(pc.match_substring_regex(values, _WHOLE)).as_py():
            return False
    elif not pa.types.is_integer(values.type):
        return False
    numbers = rows.select(_DOCUMENT).append_column("number", pc.cast(values, pa.int64()))
    wanted = [("number", how) for how in ("count", "min", "max", "sum")]
    documents = numbers.group_by(list(_DOCUMENT)).aggregate(wanted).to_pylist()
    most = max(documents, key=lambda document: document["number_count"])
    least = most["number_min"]
    step, rest = divmod(most["number_max"] - least, max(most["number_count"] - 1, 1))
    if most["number_count"] < 2 or rest or step < 1 or least not in (0, step):
        return False
    return all(_is_counted(document, least, step) for document in documents)


def _is_counted(document: dict[str, int], least: int, step: int) -> bool:
    """Whether different numbers of a document are ``least`` and those that follow it in this step."""
    count = document["number_count"]
    last = least + step * (count - 1)
    return (document["number_min"], document["number_max"], document["number_sum"] * 2) == (
        least, last, count * (least + last)
    )  # fmt: skip
