"""What is compiled is compiled anew when the source of anything in it has changed."""

from __future__ import annotations

from pathlib import Path

import sluice
from sluice.compiled.compiling import STAMP, sources, stamp_of
from sluice.kernel import tokenizer
from sluice.scanner import loop

PACKAGE = Path(sluice.__file__).parent


def test_the_stamp_follows_every_file(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number, _ in enumerate(sources())]
    for path, own in zip(paths, sources(), strict=True):
        path.write_bytes(own.read_bytes())
    assert stamp_of(paths) == STAMP
    for path in paths:
        before = path.read_bytes()
        path.write_bytes(before + b"\n")
        assert stamp_of(paths) != STAMP
        path.write_bytes(before)


def test_all_that_is_compiled_has_it() -> None:
    users = {
        path for path in PACKAGE.rglob("*.py") if "@compiled" in path.read_text() or "@inlined" in path.read_text()
    }
    assert users <= set(sources())
    assert not [path for path in PACKAGE.rglob("*.py") if "@njit" in path.read_text()]
    for dispatcher in (tokenizer.tokenize, loop._scan):
        assert dispatcher._cache._cache_file._source_stamp == STAMP
