"""The rehearsal does what tasks do, so that they find it done."""

import subprocess
import sys
from pathlib import Path

from sluice.rehearsal import rehearse

PROJECT = Path(__file__).parents[1]

SCRIPT = """
import sys
from sluice.rehearsal import rehearse
from sluice.stages import parse, validate
lines = []
for stage in (parse, validate):
    def told(tools, run_id, number, own=getattr(stage, stage.__name__.rpartition(".")[2])):
        summary = own(tools, run_id, number)
        lines.append(summary.line())
        return summary
    setattr(sys.modules["sluice.rehearsal"], stage.__name__.rpartition(".")[2], told)
rehearse()
print("|".join(lines))
from sluice.gate.data_docs import _view
from sluice.gate.suite import _batch_definition
from sluice.kernel.tokenizer import tokenize
from sluice.scanner.loop import _scan
kept = (_view, _batch_definition)
print(len(tokenize.signatures), len(_scan.signatures), *(one.cache_info().currsize for one in kept))
"""


def test_it_loads_what_is_compiled_and_judges_once() -> None:
    """A value of every type gets through, by the compiled loops, and the gate has its context and its templates."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    told, found = done.stdout.splitlines()[-2:]
    assert "4,000 records, 0 rejected" in told
    assert "4,000 records, 4,000 accepted, 0 rejected by the gate" in told
    assert [int(count) > 0 for count in found.split()] == [True] * 4


def test_a_process_that_comes_later_compiles_nothing(tmp_path: Path) -> None:
    """What parse needs of Numba comes from its cache then; the fast tier takes the record."""
    assert rehearse()
    code = """
from sluice.rehearsal import rehearse
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    assert rehearse()
print(len(recorder.buffer))
"""
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert int(told.stdout.splitlines()[-1]) == 0


def test_make_and_the_image_rehearse_at_install() -> None:
    assert "-m sluice.rehearsal" in (PROJECT / "Makefile").read_text()
    assert "-m sluice.rehearsal" in (PROJECT / "Dockerfile").read_text()
