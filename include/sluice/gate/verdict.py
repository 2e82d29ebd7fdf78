"""What the gate says: small frozen records, none of which shows a value of the data but ``FailingRecords``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sluice.gate.values import columns_of
from sluice.records import Reason

if TYPE_CHECKING:
    import numpy as np

LABEL_CAP = 300
_SHOWN_ITEMS = 5

Level = Literal["row", "batch"]


@dataclass(frozen=True, slots=True)
class Judged:
    """What one expectation came to. It holds counts and statistics only, never a value of the data.

    ``unexpected`` and ``missing`` count rows and are None for expectations that do not count them. ``observed`` is None
    unless it is a count, a share, a sum, a mean or a deviation.
    """

    table: str
    type: str
    arguments: dict[str, Any]
    severity: str
    level: Level
    success: bool
    rows: int
    unexpected: int | None = None
    missing: int | None = None
    observed: float | None = None

    @property
    def label(self) -> str:
        """Such as ``expect_column_values_to_be_between(column=amount, min_value=0)``."""
        return label_of(self.type, self.arguments)

    @property
    def is_stop(self) -> bool:
        """Whether it stops the batch."""
        return self.level == "batch" and self.severity == "critical" and not self.success


@dataclass(frozen=True)
class FailingRecords:
    """The records that one critical row-level expectation rejects, with the first failing value of each.

    ``records`` holds their ``_rec``, ascending and distinct; ``row_counts`` how many of their rows fail. The values are
    for the quarantine alone.
    """

    judged: Judged
    records: np.ndarray[Any, np.dtype[np.int64]]
    row_counts: np.ndarray[Any, np.dtype[np.int64]]
    values: Sequence[str | None]

    def reason(self, position: int) -> Reason:
        """Why ``records[position]`` is rejected."""
        rows = int(self.row_counts[position])
        more = f"; {rows} rows of the record" if rows > 1 else ""
        columns = ", ".join(columns_of(self.judged.arguments)) or None
        message = self.judged.label + more
        return Reason("expectation_failed", message, self.judged.table, columns, value=self.values[position])


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one table's rows."""

    results: tuple[Judged, ...] = ()
    failing: tuple[FailingRecords, ...] = ()

    @property
    def failures(self) -> tuple[Judged, ...]:
        """The critical batch-level expectations that failed."""
        return tuple(one for one in self.results if one.is_stop)

    def reasons(self) -> dict[int, tuple[Reason, ...]]:
        """Why each rejected record is rejected, by ``_rec``."""
        return reasons_of(self.failing, sorted({record for one in self.failing for record in one.records.tolist()}))


def reasons_of(failing: Sequence[FailingRecords], records: Sequence[int]) -> dict[int, tuple[Reason, ...]]:
    """Why each of ``records`` is rejected, by ``_rec``, in the order of the expectations; () for one that is not."""
    import numpy as np

    found: dict[int, tuple[Reason, ...]] = dict.fromkeys(records, ())
    wanted = np.unique(np.asarray(records, dtype=np.int64))
    for one in failing:
        starts, ends = (np.searchsorted(one.records, wanted, side) for side in ("left", "right"))
        positions = starts[starts < ends]
        for position in positions.tolist():
            record = int(one.records[position])
            found[record] = (*found[record], one.reason(position))
    return found


def label_of(name: str, arguments: dict[str, Any]) -> str:
    """An expectation as a person writes it, cut short where its arguments are long."""
    text = f"{name}({', '.join(f'{key}={_brief(value)}' for key, value in arguments.items())})"
    return text if len(text) <= LABEL_CAP else f"{text[:LABEL_CAP]}…)"


def _brief(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        shown = [_brief(item) for item in value[:_SHOWN_ITEMS]]
        more = [f"… {len(value) - _SHOWN_ITEMS} more"] if len(value) > _SHOWN_ITEMS else []
        return f"[{', '.join(shown + more)}]"
    return str(value)
