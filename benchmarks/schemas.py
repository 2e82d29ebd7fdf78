"""Large XSDs: what reading them, growing their tree and drafting a feed from them takes.

    PYTHONPATH=include:. python benchmarks/schemas.py

Each case runs in a process of its own: CPU seconds and peak memory, beside what Python and the package take alone. The
schemas are those of the tests, larger.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.draft.schemas import group_bomb, tree_bomb, wide_substitution, write, write_crowd, xsd

PROGRAM = """
import json, resource, sys, time
from pathlib import Path
from sluice.draft.schema import grow, read_schema
def cpu():
    return time.process_time()
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before, begun = peak(), cpu()
schema = read_schema([Path(sys.argv[1])])
read = cpu() - begun
root = schema.root(sys.argv[2])
notes = grow(schema, root)
grown = cpu() - begun - read
print(json.dumps({"files": len(schema.files.files), "shapes": sum(1 for _ in root.walk()), "notes": len(notes),
    "read": round(read, 2), "grow": round(grown, 2), "mb": peak() - before}))
"""
DRAFT = """
import json, resource, sys, time
from pathlib import Path
from sluice import cli
from sluice.draft.making import make_draft
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before, begun = peak(), time.process_time()
out = Path(sys.argv[3])
cli.main(["draft", out.name, "--xsd", sys.argv[1], "--root", sys.argv[2].rpartition("}")[2], "--out", str(out)])
print(json.dumps({"draft": round(time.process_time() - begun, 2), "draft_mb": peak() - before}))
"""


def _one(body: str) -> Callable[[Path], tuple[Path, str]]:
    return lambda folder: (write(folder, main=xsd(body))[0], "r")


CASES: dict[str, Callable[[Path], tuple[Path, str]]] = {
    "300 files, 9,000 types": lambda folder: (write_crowd(folder, 300, 30), "{urn:n0}g1"),
    "1,500 files, 15,000 types": lambda folder: (write_crowd(folder, 1500, 10), "{urn:n0}g1"),
    "5,000 files, 10,000 types": lambda folder: (write_crowd(folder, 5000, 2), "{urn:n0}g1"),
    "10^40 elements": _one(tree_bomb(40, 10)),
    "groups of 10^40 elements": _one(group_bomb(40, 10)),
    "40 heads of 50 members each": _one(wide_substitution(40, 50)),
}


def run(program: str, *arguments: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    print("| schema | files | elements made | read, s | grow, s | MB | draft, s | MB |")
    print("|---|---|---|---|---|---|---|---|")
    for name, make in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            path, root = make(Path(folder) / "in")
            told = run(PROGRAM, str(path), root) | run(DRAFT, str(path), root, str(Path(folder) / "drafted"))
        keys = ("files", "shapes", "read", "grow", "mb", "draft", "draft_mb")
        print(f"| {name} | {' | '.join(f'{told[key]:,}' for key in keys)} |", flush=True)


if __name__ == "__main__":
    main()
