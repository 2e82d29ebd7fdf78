"""A few seconds of fuzzing, and the inputs that a longer run has found; `make fuzz` takes its time."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.fuzz.__main__ import all_targets
from tests.fuzz.engine import Hang, fuzz, shrink
from tests.fuzz.mutations import FEEDS, PARSER, SPLITTER
from tests.fuzz.regressions import FOUND
from tests.fuzz.targets import Splitter, Target

SECONDS = 10
NAMES = ("splitter", "parser", "feeds")


@pytest.fixture
def targets(tmp_path: Path) -> dict[str, Target]:
    return {target.name: target for target in all_targets(tmp_path)}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_found_in_a_few_seconds(name: str, targets: dict[str, Target]) -> None:
    """No crash, no hang, no disagreement; another seed each time."""
    seed = secrets.randbelow(1 << 32)
    tally = fuzz(targets[name], SECONDS / len(NAMES), seed)
    assert [(finding.error, finding.data) for finding in tally.findings] == [], f"seed {seed}"
    assert tally.inputs


@pytest.mark.parametrize(("name", "data"), [(name, data) for name, found in FOUND.items() for data in found])
def test_what_was_found_stays_mended(name: str, data: bytes, targets: dict[str, Target]) -> None:
    targets[name].check(data)


@pytest.mark.parametrize("name", NAMES)
def test_seeds_are_sound(name: str, targets: dict[str, Target]) -> None:
    for seed in targets[name].seeds():
        targets[name].check(seed)


class Maze:
    """Fails in its third room, which only three right bytes lead to."""

    name = "maze"
    files = (Path(__file__).name,)
    mutator = SPLITTER

    def seeds(self) -> Sequence[bytes]:
        return [b"."]

    def check(self, data: bytes) -> None:
        if b"<" in data:
            if b"<<" in data:
                if b"<<<" in data:
                    raise Hang("found")
                return
            return


def test_new_branches_lead_on() -> None:
    """What takes one is changed further, so that a fault behind several conditions is found; and made small."""
    tally = fuzz(Maze(), 60, 1)
    (finding,) = tally.findings[:1]
    assert finding.error == "Hang: found"
    assert tally.kept >= 3
    assert shrink(Maze(), finding).data == b"<<<"


@pytest.mark.parametrize("fault", ["records", "sound"])
def test_a_fault_in_the_splitter_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong place of a record; a malformed document that is taken for sound."""
    from tests.fuzz import targets

    if fault == "records":
        whole = targets._records_in
        monkeypatch.setattr(targets, "_records_in", lambda *arguments: whole(*arguments)[1:])
    else:
        monkeypatch.setattr(targets, "read_records", lambda *arguments: ([], None))
    assert fuzz(Splitter(), 60, 1, most_findings=1).findings


def test_changes_are_repeatable_and_bounded() -> None:
    import random

    corpus = [b"<root><rec>x</rec></root>", b"a: [b]\n"]
    for mutator in (SPLITTER, PARSER, FEEDS):
        made = [mutator.change(corpus[0], random.Random(seed), corpus) for seed in range(300)]
        assert made == [mutator.change(corpus[0], random.Random(seed), corpus) for seed in range(300)]
        assert len(set(made)) > 150
        assert max(map(len, made)) <= 8_000
