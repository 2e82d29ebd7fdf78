"""Why a task failed, in words that a person may read and that hold no value of any record."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any

from sluice.errors import RunFailed, SluiceError

ADVICE = {
    "FeedInvalid": "Correct the feed file, then clear the run in Airflow.",
    "MappingChanged": "Clear the run's `fetch` in Airflow, downstream too: it takes the new mapping.",
    "RunFailed": "Look at what is in quarantine (table sluice.quarantine), correct the feed or the file, then"
    " trigger with `Load again: changed` (a corrected file is a new version and loads by itself).",
    "SourceChanged": "Clear the run in Airflow: fetch lists the files anew.",
    "SourceMissing": "Check the feed's `source`, and that the sender's folder is there; then clear the run in Airflow.",
    "SourceUnavailable": "Check that the workers can reach the source; then clear the failed tasks in Airflow.",
    "TablesDiffer": "Review the SQL in the task's log and run it, or change the feed; then clear the run in Airflow.",
    "WarehouseUnavailable": "Check that PostgreSQL is up and answers; then clear the failed tasks in Airflow.",
    "WorkFilesGone": "Clear the run's `parse` in Airflow, or `split` if it unpacked files, downstream too.",
    "WorkFilesUnavailable": "Check the space and the mount of the work folder; then clear the failed tasks in Airflow.",
    "WorkerDied": "Look at the memory and the log of the worker, then clear the failed tasks in Airflow.",
}
GENERAL_ADVICE = "Read the task's log, then clear the failed tasks in Airflow."


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a task failed. ``kind`` is the exception's class name, ``label`` what a mapped task held ('' for others) and
    ``map_index`` its number (-1 for others). ``breaches`` are what reconcile found, each with its kind and text.
    """

    stage: str
    kind: str
    reason: str
    label: str = ""
    map_index: int = -1
    breaches: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Problem:
        """The problem that was written as plain JSON values, where pairs are lists."""
        breaches = tuple((str(kind), str(text)) for kind, text in values.get("breaches", ()))
        return cls(**{**values, "breaches": breaches})

    @property
    def place(self) -> str:
        return f"{self.stage} [{self.label}]" if self.label else self.stage

    @property
    def advice(self) -> str:
        return ADVICE.get(self.kind, GENERAL_ADVICE)


def describe_exception(error: BaseException, stage: str, label: str = "") -> Problem:
    """``error`` as a problem: its message where it is one of Sluice's own or the system's, else only kind and place."""
    kind = type(error).__name__
    if isinstance(error, (SluiceError, OSError)):
        breaches = error.breaches if isinstance(error, RunFailed) else ()
        return Problem(stage, kind, str(error) or kind, label, breaches=breaches)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
    return Problem(stage, kind, f"unexpected {kind}{place}; the task's log has the details", label)
