"""The laptop stack with a real scheduler: starts, runs the demo, survives a crash, ends without a trace."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import psutil
import psycopg
import pytest

from sluice.demo import demo
from sluice.stack.emulator import BUCKET, CREDENTIALS, REGION
from sluice.stack.home import Home
from sluice.stack.processes import wait_until
from sluice.stack.running import NAMES, Stack, down, up

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.xdist_group("stack")]

PROJECT = Path(__file__).parents[2]
LOADED = "SELECT feed, sum(found), sum(loaded), sum(quarantined) FROM sluice.runs GROUP BY feed ORDER BY feed"
ARRIVED = """
    SELECT split_part(run_key, '__', 1), state, files FROM sluice.runs JOIN sluice.manifest USING (run_id)
    JOIN sluice.files f USING (file_id) WHERE f.uri LIKE '%/2026-01-05.xml'"""
CLIENT = {
    "region_name": REGION,
    "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
    "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A stack's folder of its own, beside whatever stack the checkout may be running."""
    home = Home(tmp_path_factory.mktemp("stack"), PROJECT)
    yield home
    down(home, print, remove_data=True)


def pids_of(home: Home) -> dict[str, int]:
    return {name: json.loads((home.pids / f"{name}.json").read_text())["pid"] for name in NAMES}


def sessions(leaders: set[int]) -> list[psutil.Process]:
    """Every living process in a session that one of the ``leaders`` has begun."""
    return [process for process in psutil.process_iter() if session_of(process) in leaders]


def session_of(process: psutil.Process) -> int | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else os.getsid(process.pid)
    except (OSError, psutil.Error):
        return None


def kill(pid: int) -> None:
    """End a process as a crash does, and wait until it is gone."""
    process = psutil.Process(pid)
    process.kill()
    psutil.wait_procs([process], timeout=30)


def totals(stack: Stack) -> list[tuple[object, ...]]:
    with psycopg.connect(stack.warehouse_dsn) as connection:
        return connection.execute(LOADED).fetchall()


def test_the_demo_loads_every_sample_once(home: Home, capsys: pytest.CaptureFixture[str]):
    """The scheduler runs the feeds; what was found is loaded or quarantined. A second demo loads nothing."""
    assert demo(home) == 0
    first = capsys.readouterr().out
    loaded = totals(Stack.running(home))

    assert [row[0] for row in loaded] == ["bank_statements", "exchange_rates", "legal_entities"]
    for feed, found, accepted, quarantined in loaded:
        assert found == accepted + quarantined > 0, feed
    assert "Nothing was loaded twice" not in first
    assert Stack.running(home).secrets.ui_password in first

    assert demo(home) == 0
    assert "Nothing was loaded twice" in capsys.readouterr().out
    assert totals(Stack.running(home)) == loaded


def test_a_file_that_any_client_puts_into_the_bucket_is_loaded_by_itself(home: Home):
    """The demo has switched the feed on; its queue, its inbox and its watcher do the rest."""
    stack = Stack.running(home)
    sample = max((home.feeds / "exchange_rates/samples").glob("*.xml"))
    client = boto3.client("s3", **{**CLIENT, "endpoint_url": stack.emulator.url})
    client.put_object(Bucket=BUCKET, Key="exchange_rates/2026-01-05.xml", Body=sample.read_bytes())

    def is_loaded() -> bool:
        with psycopg.connect(stack.warehouse_dsn) as connection:
            return connection.execute(ARRIVED).fetchall() == [("asset_triggered", "succeeded", 1)]

    wait_until(home, is_loaded, NAMES, "the run of the file that arrived", 120)


def test_a_second_up_changes_nothing(home: Home):
    up(home, print)
    before = pids_of(home)

    said: list[str] = []
    up(home, said.append)

    assert said == ["Everything is running already."]
    assert pids_of(home) == before


@pytest.mark.parametrize("victims", [NAMES, ("postgres", "scheduler")], ids=["all", "some"])
def test_a_crash_leaves_nothing_in_the_way_of_the_next_start(home: Home, victims: tuple[str, ...]):
    stack = up(home, print)
    before = pids_of(home)
    with psycopg.connect(stack.warehouse_dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 1 AS number")

    for name in victims:
        kill(before[name])
    stack = up(home, print)

    assert stack.is_up()
    left = [process.pid for process in sessions({before[name] for name in victims})]
    assert left == []
    with psycopg.connect(stack.warehouse_dsn) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (1,)


def test_down_ends_everything_and_keeps_the_data(home: Home):
    stack = up(home, print)
    leaders = set(pids_of(home).values())
    kept = sorted(path.relative_to(home.landing) for path in home.landing.rglob("*"))

    down(home, print)

    assert not stack.is_up()
    assert sessions(leaders) == []
    assert sorted(path.relative_to(home.landing) for path in home.landing.rglob("*")) == kept
    assert (stack.server.data / "PG_VERSION").exists()


def test_down_with_nothing_running_says_so(home: Home):
    down(home, print)
    said: list[str] = []

    down(home, said.append)

    assert said == ["Nothing was running."]
