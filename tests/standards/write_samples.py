"""Write the samples of all standards anew: ``python -m tests.standards.write_samples``."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.standards.writing import Samples, write_files

HERE = Path(__file__).parent
STANDARDS = sorted(path.parent.name for path in HERE.glob("*/make_samples.py"))


def make(standard: str) -> Samples:
    """All files of a standard, by their path below its folder: ``samples/…`` and ``broken/…``."""
    return importlib.import_module(f"tests.standards.{standard}.make_samples").make()


if __name__ == "__main__":
    for standard in STANDARDS:
        write_files(HERE / standard, make(standard))
