"""Parses files one by one, each in a process of its own with little memory, and says what that cost.

Reads lines of JSON (feed folder, file) from standard input and answers each with one. A process that has loaded
everything forks for each file, so that what it needed beyond that is what the file made it need.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.parsed import Parsed, parse_path

from sluice.errors import PermanentError
from sluice.feed.loading import load_feed

ROOT = Path(__file__).parents[2]
# Beyond what is loaded anyway. A batch has its rows, a piece and its tree in memory, and a record at its limit.
MAX_EXTRA_BYTES = 1 << 30


class Worker:
    """This program, started: it parses each file in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.worker"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'include'}{os.pathsep}{ROOT}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def parse(self, feed: Path, path: Path) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([str(feed), str(path)]), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "died" not in answer, answer
        return answer

    def close(self) -> None:
        self._process.communicate()


def main() -> None:
    _warm_up()
    for line in sys.stdin:
        folder, path = json.loads(line)
        print(json.dumps(_in_child(folder, path)), flush=True)


def _warm_up() -> None:
    """Load libraries and compiled code before anything is measured."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "warm").mkdir()
        declared = "feed: warm\nsource: {uri: /x/*}\ntables: {t: {record: /r/x, columns: {c: .}}}"
        (Path(folder) / "warm" / "feed.yaml").write_text(declared)
        (Path(folder) / "file.xml").write_text("<r><x/></r>")
        parse_path(load_feed(Path(folder) / "warm"), Path(folder) / "file.xml")


def _in_child(folder: str, path: str) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _answer(folder, path, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) or not answer:
        return {"died": os.waitstatus_to_exitcode(status)}
    parsed: dict[str, Any] = json.loads(answer)
    return parsed


def _answer(folder: str, path: str, writing: int) -> None:
    """In the child: parse, and leave without cleaning up what is the parent's."""
    _warm_up()  # a fork does not have the pages of libraries until it looks at them
    resident_kb = _forget_peak()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_virtual_bytes() + MAX_EXTRA_BYTES, hard))
    started, used = time.monotonic(), time.process_time()
    try:
        parsed, error = parse_path(load_feed(Path(folder)), Path(path)), None
    except PermanentError as refused:
        parsed, error = None, str(refused)
    cost = {
        "seconds": time.monotonic() - started,
        "cpu_seconds": time.process_time() - used,
        "extra_mb": (_status_kb("VmHWM") - resident_kb) / 1024,
        "error": error,
    }
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    answer = {**cost, **(_outcome(parsed) if parsed else {})}
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(json.dumps(answer).encode())
    os._exit(0)


def _outcome(parsed: Parsed) -> dict[str, Any]:
    rejects = parsed.rejects
    return {
        "codes": [reject.reasons[0].code for reject in rejects],
        "messages": [reject.reasons[0].message for reject in rejects][:5],
        "places": [[reject.start_byte, reject.line] for reject in rejects][:5],
        "failed": [outcome["failed"] for outcome in parsed.outcomes],
        "found": sum(outcome["found"] for outcome in parsed.outcomes),
        "rows": len(parsed.rows()),
        "reject_bytes": Path(parsed.work.rejects(parsed.feed.feed, 1, 0)).stat().st_size,
        "is_conserved": parsed.is_conserved(),
    }


def _forget_peak() -> int:
    """Begin to measure the peak of memory anew, where the system allows it; returns what is resident now."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _status_kb("VmRSS")


def _status_kb(name: str) -> int:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1])


def _virtual_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    main()
