"""Modules that are put off: nothing of them is imported before something is asked for, and then all is as usual."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from sluice.gate.later import put_off

with put_off(["{name}"]):
    {statement}
print("{name}" in sys.modules)
print(module.{answer})
print(sys.modules["{name}"].{answer} is module.{answer})
"""
CASES = [
    ("colorsys", "import colorsys as module", "rgb_to_hsv"),
    ("xml.dom", "from xml import dom as module", "Node"),
]


def run(script: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize(("name", "statement", "answer"), CASES)
def test_a_module_comes_when_it_is_asked(name: str, statement: str, answer: str) -> None:
    before, answered, is_same = run(SCRIPT.format(name=name, statement=statement, answer=answer))
    assert (before, is_same) == ("False", "True")
    assert answered.startswith(("<function rgb_to_hsv", "<class 'xml.dom.Node'"))


def test_a_module_that_is_there_stays() -> None:
    script = (
        "import json\nfrom sluice.gate.later import put_off\n"
        "with put_off(['json']): import json as again\nprint(again is json)"
    )
    assert run(script) == ["True"]


def test_great_expectations_comes_without_plots_and_distributions() -> None:
    script = (
        "import sys\nfrom sluice.gate.suite import great_expectations\ngreat_expectations()\n"
        "print([name for name in ('altair', 'scipy.stats') if name in sys.modules])"
    )
    assert run(script) == ["[]"]
