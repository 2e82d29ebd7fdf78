"""How loops over bytes are compiled: by Numba, at first use, kept until the source of any of them changes.

Numba itself only looks at the file that a function stands in. What it calls is compiled into it, and would stay as it
was when only that has changed, in another file: after an update, or while somebody works on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from numba import njit

_PACKAGE = Path(__file__).parents[1]


def sources() -> list[Path]:
    """The files with compiled functions, and with the constants that these use."""
    folders = [path for name in ("compiled", "kernel", "scanner") for path in (_PACKAGE / name).glob("*.py")]
    return sorted([*folders, _PACKAGE / "nodes.py"])


def stamp_of(paths: Iterable[Path]) -> str:
    """A digest of what stands in these files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


STAMP = stamp_of(sources())


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function; others may run beside it, as it lets go of the interpreter."""
    return _compile(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function into those that call it."""
    return _compile(function, inline="always")


def _compile(function: Callable[..., Any], **options: Any) -> Any:
    dispatcher = njit(cache=True, nogil=True, **options)(function)
    dispatcher._cache._cache_file._source_stamp = STAMP
    return dispatcher
