"""Processes of the stack are found again by pid and start time, and ended with all their children; no others are."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sluice.stack.home import Home, StackError
from sluice.stack.processes import Service, is_alive, is_running, start, stop, tail, wait_until

SLEEP = "import time; time.sleep(600)"
# a parent that ignores SIGTERM, with a child in another process group
STUBBORN = f"""
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "{SLEEP}"], process_group=0)
print("child", child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path, tmp_path)
    home.prepare()
    return home


def service(code: str, name: str = "thing") -> Service:
    return Service(name, [sys.executable, "-c", code], dict(os.environ))


def child_of(home: Home, name: str = "thing") -> psutil.Process:
    """The process that STUBBORN has started and printed."""
    log = home.logs / f"{name}.log"
    wait_until(home, lambda: "child" in log.read_text(), [name], "the child", 30)
    return psutil.Process(int(log.read_text().split()[1]))


def pid_of(home: Home, name: str = "thing") -> int:
    return json.loads((home.pids / f"{name}.json").read_text())["pid"]


def test_a_service_ends_with_all_its_children_even_if_it_does_not_want_to(home: Home):
    start(home, service(STUBBORN))
    child = child_of(home)

    assert stop(home, [("thing", signal.SIGTERM)], grace_seconds=0.2) == ["thing"]

    assert not is_alive(child)
    assert not is_running(home, "thing")
    assert list(home.pids.iterdir()) == []


def test_children_of_a_leader_that_was_killed_are_found_and_ended(home: Home):
    start(home, service(STUBBORN))
    child = child_of(home)
    psutil.Process(pid_of(home)).kill()
    wait_until(home, lambda: not is_running(home, "thing"), [], "the end of the leader", 30)
    assert is_alive(child)

    assert stop(home, [("thing", signal.SIGTERM)], grace_seconds=0.2) == []

    assert not is_alive(child)


def test_a_process_that_got_the_pid_of_a_dead_service_is_left_alone(home: Home):
    stranger = subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True, cwd=Path("/"))
    try:
        stale = {"pid": stranger.pid, "started_at": psutil.Process(stranger.pid).create_time() - 3600}
        (home.pids / "thing.json").write_text(json.dumps(stale))

        assert not is_running(home, "thing")
        assert stop(home, [("thing", signal.SIGTERM)], grace_seconds=0.2) == []

        assert stranger.poll() is None
        assert list(home.pids.iterdir()) == []
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("content", ["", "{", '{"pid": 1}', "[]"])
def test_a_broken_pid_file_means_that_nothing_runs(home: Home, content: str):
    (home.pids / "thing.json").write_text(content)

    assert not is_running(home, "thing")
    assert stop(home, [("thing", signal.SIGTERM)], grace_seconds=0.2) == []


def test_waiting_for_a_service_that_fails_shows_the_end_of_its_log(home: Home):
    start(home, service("raise SystemExit('the port is taken')"))

    with pytest.raises(StackError, match=r"thing stopped while an answer was awaited(.|\n)*the port is taken"):
        wait_until(home, lambda: False, ["thing"], "an answer", 30)


def test_waiting_ends_in_time_and_shows_the_log(home: Home):
    start(home, service("print('starting', flush=True); " + SLEEP))
    try:
        wait_until(home, lambda: "starting" in tail(home, "thing"), ["thing"], "output", 30)
        with pytest.raises(StackError, match=r"an answer did not come within 0 seconds(.|\n)*starting"):
            wait_until(home, lambda: False, ["thing"], "an answer", 0)
    finally:
        stop(home, [("thing", signal.SIGKILL)], grace_seconds=5)


def test_a_large_log_is_kept_once_as_the_log_of_the_past(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sluice.stack.processes.LARGE_LOG_BYTES", 10)
    (home.logs / "thing.log").write_text("from yesterday")

    start(home, service("print('today')"))
    wait_until(home, lambda: not is_running(home, "thing"), [], "its end", 30)

    assert (home.logs / "thing.log").read_text() == "today\n"
    assert (home.logs / "thing.log.old").read_text() == "from yesterday"
