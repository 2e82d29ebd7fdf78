"""A few seconds of fuzzing, and the inputs that a longer run has found; `make fuzz` takes its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import parsed
from tests.fuzz.__main__ import all_targets
from tests.fuzz.engine import Hang, fuzz, shrink
from tests.fuzz.mutations import FEEDS, PARSER, SPLITTER
from tests.fuzz.regressions import FOUND
from tests.fuzz.targets import Splitter, Target, open_scratch

from sluice import scanner, xmlio
from sluice.cutting import cut_file
from sluice.feed import fields, rules
from sluice.feed.paths import parse_path
from sluice.piece_reader import PieceReader
from sluice.pieces import Piece
from sluice.records import Cut
from sluice.values import TO_VALUE

SECONDS = 10
SEED = 1
NAMES = ("splitter", "parser", "feeds")


@pytest.fixture
def targets() -> Iterator[dict[str, Target]]:
    with open_scratch() as folder:
        yield {target.name: target for target in all_targets(Path(folder))}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_found_in_a_few_seconds(name: str, targets: dict[str, Target]) -> None:
    """No crash, no hang, no disagreement. The seed is fixed, so that a change is judged by itself; ``make fuzz`` takes
    another one each time.
    """
    tally = fuzz(targets[name], SECONDS / len(NAMES), SEED)
    assert [(finding.error, finding.data) for finding in tally.findings] == []
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
    tally = fuzz(Maze(), 60, 1, most_findings=1)
    (finding,) = tally.findings[:1]
    assert finding.error == "Hang: found"
    assert tally.kept >= 2
    assert shrink(Maze(), finding).data == b"<<<"


def _blind_to(monkeypatch: pytest.MonkeyPatch, *tokens: bytes) -> None:
    """The scanner does not see these."""

    def blinded(scan: Callable[..., Any]) -> Callable[..., Any]:
        def scan_without(paths: Any, buffer: np.ndarray, *rest: Any) -> Any:
            data = buffer.tobytes()
            for token in tokens:
                data = data.replace(token, b" " * len(token))
            return scan(paths, np.frombuffer(data, np.uint8), *rest)

        return scan_without

    monkeypatch.setattr(Splitter, "_scan", staticmethod(blinded(Splitter._scan)))
    monkeypatch.setattr(scanner, "scan", blinded(scanner.scan))


def _late_lines(piece: Piece) -> np.ndarray:
    return piece.first_line + np.array([piece.body[: end - piece.offset].count(b"\n") for end in piece.ends.tolist()])


def _path_without_end(text: str) -> Any:
    if text.endswith("/"):
        raise IndexError(text)
    return parse_path(text)


PLANTED: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "quotes are not heeded": ("splitter", lambda patch: _blind_to(patch, b"'", b'"')),
    "comments are not heeded": ("splitter", lambda patch: _blind_to(patch, b"<!--", b"-->")),
    "CDATA is not heeded": ("splitter", lambda patch: _blind_to(patch, b"<![CDATA[", b"]]>")),
    "the line of a record is that of its end": ("splitter", lambda patch: patch.setattr(Piece, "lines", _late_lines)),
    "pieces are not proven": ("splitter", lambda patch: patch.setattr(xmlio, "parse_piece", lambda piece: None)),
    "an early end is not seen": (
        "parser", lambda patch: patch.setattr(PieceReader, "_finish", lambda reader: iter(())),
    ),
    "the last part is lost": (
        "parser", lambda patch: patch.setattr(parsed, "cut_file", lambda *args: cut_file(*args)[:-1] or [Cut()]),
    ),
    "a bad value crashes": (
        "parser", lambda patch: patch.setitem(TO_VALUE, "integer", lambda text, column: int(text)),
    ),
    "a prefix is not looked up": (
        "feeds", lambda patch: patch.setattr(rules, "prefix_faults", lambda *arguments: iter(())),
    ),
    "a path without an end crashes": ("feeds", lambda patch: patch.setattr(fields, "parse_path", _path_without_end)),
}  # fmt: skip


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str, targets: dict[str, Target], monkeypatch: pytest.MonkeyPatch) -> None:
    """In the package, not in the harness: each is what somebody may well forget."""
    name, plant = PLANTED[fault]
    plant(monkeypatch)
    assert fuzz(targets[name], 300, 1, most_findings=1).findings


def test_changes_are_repeatable_and_bounded() -> None:
    import random

    corpus = [b"<root><rec>x</rec></root>", b"a: [b]\n"]
    for mutator, seed_input in ((SPLITTER, corpus[0]), (PARSER, corpus[0]), (FEEDS, b"a: {b: [c, d], e: ../f}\n")):
        made = [mutator.change(seed_input, random.Random(seed), corpus) for seed in range(300)]
        assert made == [mutator.change(seed_input, random.Random(seed), corpus) for seed in range(300)]
        assert len(set(made)) > 150
        assert max(map(len, made)) <= 8_000
