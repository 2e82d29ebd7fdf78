"""Modules that are imported when something of them is asked for, instead of by whoever names them.

Great Expectations imports plots and distributions for a single expectation that hardly any feed has. They take a sixth
of all that a task has in memory before it does anything.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    """Stands for a module; what is asked of it comes from the module itself."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_load(self), name)


@contextmanager
def put_off(names: Iterable[str]) -> Iterator[None]:
    """Whoever imports one of these modules within the block gets a stand-in, unless it has been imported before."""
    stand_ins = {name: _Later(name) for name in names if name not in sys.modules}
    sys.modules.update(stand_ins)
    for name, stand_in in stand_ins.items():
        _bind(name, stand_in)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]
                _bind(name, None)


def _load(stand_in: _Later) -> ModuleType:
    if sys.modules.get(stand_in.__name__) is stand_in:
        del sys.modules[stand_in.__name__]
        _bind(stand_in.__name__, None)
    return importlib.import_module(stand_in.__name__)


def _bind(name: str, module: ModuleType | None) -> None:
    """Let the package of a module have it as an attribute, or no more."""
    package, _, own = name.rpartition(".")
    if package and module is not None:
        setattr(importlib.import_module(package), own, module)
    elif package:
        delattr(sys.modules[package], own)
