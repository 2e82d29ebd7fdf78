"""Which fault a try of a task meets: decided by the seed and the task's name, so that it does not depend on timing."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.soak.faults import PLACES, Fault

# By the number of the try. The last one is left alone, mostly, or no run would ever end well.
_CHANCES = (0.5, 0.4, 0.25, 0.02)
_WEIGHTS = {"commit": 6, "copy": 4, "write": 2, "move": 2, "remove": 3, "statement": 2}
_OUTSIDE = {"kill at random": 6, "pause at random": 3, "disconnect at random": 3}

Kind = tuple[str, ...]


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
        weights = self._weights(stage)
        return self._fault(pick, stage, *pick.choices(list(weights), list(weights.values())))

    def _weights(self, stage: str) -> dict[Kind, int]:
        """What can strike a task of a stage, and how often it does."""
        weights: dict[Kind, int] = {(kind,): weight for kind, weight in _OUTSIDE.items()}
        for what, places in PLACES.items():
            for boundary, moments in places.items():
                if self.counts[stage].get(boundary):
                    weights.update({(what, boundary, when): _WEIGHTS[boundary] for when in moments})
        return weights

    def _fault(self, pick: random.Random, stage: str, kind: Kind) -> Fault | Outside:
        if len(kind) == 1:
            return Outside(kind[0], pick.random() * self.seconds[stage], 0.05 + pick.random() * 0.3)
        what, boundary, when = kind
        # towards the earlier ones: which of them a try gets to depends on its batch
        return Fault(what, boundary, when, 1 + int(self.counts[stage][boundary] * pick.random() ** 1.5))


@dataclass
class EveryKind(Planner):
    """Begins with the kinds of faults that have not ``struck`` yet."""

    struck: Mapping[str, int] = field(default_factory=dict)

    def plan(self, task: str, stage: str, attempt: int) -> Fault | Outside | None:
        pick = random.Random(f"{self.seed}/{task}/{attempt}")
        missing = [kind for kind in self._weights(stage) if not self.struck.get(spell(kind))]
        if not missing or attempt == len(_CHANCES):
            return super().plan(task, stage, attempt)
        return self._fault(pick, stage, pick.choice(missing))


def spell(kind: Kind) -> str:
    return kind[0] if len(kind) == 1 else Fault(kind[0], kind[1], kind[2], 1).kind


def all_kinds() -> set[str]:
    """The kinds of faults that strike single tasks."""
    within = {Fault(what, at, when, 1).kind for what, places in PLACES.items() for at in places for when in places[at]}
    return within | set(_OUTSIDE)
