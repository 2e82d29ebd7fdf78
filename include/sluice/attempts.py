"""Tries of parse that kill their worker: what some record does to memory or to a library must not hold up its batch.

A try is noted before it begins, and the note goes when it ends, well or with an error. So what is found noted is a
death, and the try after it is the one that notices. After two deaths the parts of the batch are parsed one by one, each
noted by itself, those that a worker died on before last; a part that kills two more workers is given up. A batch may
have several such parts. They must not use up the tries that the task has, so once five workers have died in all, every
part is given up that one of them died on alone.

The notes are work files of the batch: they go with its run, and a task that is cleared goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

from sluice.records import Part
from sluice.workfiles import WorkFiles

DEATHS_TOGETHER = 2
DEATHS_ALONE = 2
DEATHS_IN_ALL = 5
"""Enough for three parts of a batch to be found out."""
RETRIES = DEATHS_IN_ALL + 1
"""What the task that parses needs: one more try after each death, and one to spare for what passes by itself."""


class Attempts:
    """The notes on one batch, as a context manager around a try. Raises ``WorkFilesUnavailable``."""

    def __init__(self, work: WorkFiles, path: str) -> None:
        self._work, self._path = work, path
        noted: dict[str, Any] = work.read_json(path) if work.exists(path) else {"deaths": 0, "alone": {}}
        self._deaths: int = noted["deaths"]
        self._alone: dict[int, int] = {int(part): deaths for part, deaths in noted["alone"].items()}

    @property
    def is_careful(self) -> bool:
        """Whether parts are parsed one by one."""
        return self._deaths >= DEATHS_TOGETHER

    @property
    def given_up(self) -> set[int]:
        """The ids of parts that are not parsed any more."""
        in_all = self._deaths + sum(self._alone.values())
        enough = DEATHS_ALONE if in_all < DEATHS_IN_ALL else 1
        return {part for part, deaths in self._alone.items() if deaths >= enough}

    def why(self, part_id: int) -> str:
        """Why a part is given up."""
        alone = self._alone[part_id]
        return f"{self._deaths} workers died on the batch of this part, {alone} more on this part alone"

    def divide(self, parts: Sequence[Part]) -> Iterator[Sequence[Part]]:
        """The parts in the groups that they are to be parsed in, but for those given up."""
        if not self.is_careful:
            yield parts
            return
        given_up = self.given_up
        left = [part for part in parts if part.part_id not in given_up]
        for part in sorted(left, key=lambda part: self._alone.get(part.part_id, 0)):
            self._note(self._deaths, {**self._alone, part.part_id: self._alone.get(part.part_id, 0) + 1})
            yield [part]
            self._deaths += self._alone.pop(part.part_id, 0)  # it was not to blame
            self._note(self._deaths, self._alone)

    def __enter__(self) -> Attempts:
        if not self.is_careful:
            self._note(self._deaths + 1, self._alone)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and not self._alone:
            self._deaths = 0
        self._note(self._deaths, self._alone)

    def _note(self, deaths: int, alone: dict[int, int]) -> None:
        self._work.write_json(self._path, {"deaths": deaths, "alone": alone})
