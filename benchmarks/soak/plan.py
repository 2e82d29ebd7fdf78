"""Which fault a try of a task meets: decided by the seed and the task's name, so that it does not depend on timing."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.soak.faults import PLACES, Fault

# By the number of the try. The last one is left alone, mostly, or no run would ever end well.
_CHANCES = (0.5, 0.4, 0.25, 0.02)
_WEIGHTS = {"commit": 6, "copy": 4, "write": 2, "move": 2, "remove": 3, "statement": 2}
_OUTSIDE = {"kill at random": 6, "pause at random": 3, "disconnect at random": 3}


@dataclass(frozen=True)
class Outside:
    """A fault that comes from outside ``after`` so many seconds of a try, and, for a pause, ``lasts`` so many."""

    kind: str
    after: float
    lasts: float


@dataclass
class Planner:
    """``counts``: the boundaries of each kind that a stage has when nothing goes wrong; ``seconds``: its time."""

    seed: str
    counts: Mapping[str, Mapping[str, int]]
    seconds: Mapping[str, float]

    def plan(self, task: str, stage: str, attempt: int) -> Fault | Outside | None:
        pick = random.Random(f"{self.seed}/{task}/{attempt}")
        if pick.random() >= _CHANCES[min(attempt, len(_CHANCES)) - 1]:
            return None
        choices: dict[tuple[str, ...], int] = {(kind,): weight for kind, weight in _OUTSIDE.items()}
        for what, places in PLACES.items():
            for boundary, moments in places.items():
                if self.counts[stage].get(boundary):
                    choices.update({(what, boundary, when): _WEIGHTS[boundary] for when in moments})
        (chosen,) = pick.choices(list(choices), list(choices.values()))
        if len(chosen) == 1:
            return Outside(chosen[0], pick.random() * self.seconds[stage], 0.05 + pick.random() * 0.3)
        what, boundary, when = chosen
        # towards the earlier ones: which of them a try gets to depends on its batch
        nth = 1 + int(self.counts[stage][boundary] * pick.random() ** 1.5)
        return Fault(what, boundary, when, nth)
