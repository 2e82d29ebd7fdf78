"""An installation is compiled before tasks run."""

import subprocess
import sys
from pathlib import Path

from sluice.kernel.compiling import compile_all

PROJECT = Path(__file__).parents[2]


def test_everything_is_compiled_by_one_document():
    assert compile_all()


def test_a_task_finds_everything_compiled(tmp_path: Path):
    """What parse needs of Numba beyond that comes from its cache: else each new process would compile it again."""
    assert compile_all()
    code = """
import sluice.kernel.compiling as compiling
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    assert compiling.compile_all()
print(len(recorder.buffer))
"""
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)

    assert int(told.stdout) == 0


def test_make_and_the_image_compile_at_install():
    assert "-m sluice.kernel" in (PROJECT / "Makefile").read_text()
    assert "-m sluice.kernel" in (PROJECT / "Dockerfile").read_text()
