"""What happens when Airflow reads the DAG files: little, and nothing outside the process."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.dag_folder import write_feeds
from tests.airflow_home import PROJECT

from sluice.feed.rules import OWN_DAGS

FEEDS = PROJECT / "tests" / "dags" / "feeds"
HEAVY = ("pandas", "great_expectations", "numba", "boto3", "botocore", "pyarrow", "lxml", "psycopg", "numpy")
OWN = sorted(OWN_DAGS)
READ_DAG_FILE = """
import json, runpy, sys
from airflow import settings
from airflow.sdk import DAG

before = set(sys.modules)

def refuse(event, _):
    if event in ("socket.connect", "socket.getaddrinfo", "sqlite3.connect", "subprocess.Popen"):
        raise RuntimeError(f"{event} while a DAG file is imported")

sys.addaudithook(refuse)
runpy.run_path(sys.argv[1])
print(json.dumps(sorted({name.split(".")[0] for name in set(sys.modules) - before})))
"""


@pytest.fixture
def feeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root of its own with the feeds ``orders`` and ``prices``."""
    root = tmp_path / "feeds"
    shutil.copytree(FEEDS, root)
    monkeypatch.setenv("SLUICE_FEEDS", str(root))
    return root


def dag_bag():
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(PROJECT / "dags", bundle_path=PROJECT / "dags", bundle_name="dags-folder")


@pytest.mark.parametrize("file", sorted(path.name for path in (PROJECT / "dags").glob("*.py")))
def test_importing_a_dag_file_is_light_and_stays_inside_the_process(file: str, feeds: Path) -> None:
    """No database, no network, no other program; and no library that takes long, since every task imports the file."""
    command = [sys.executable, "-c", READ_DAG_FILE, str(PROJECT / "dags" / file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(set(json.loads(done.stdout.splitlines()[-1])) & set(HEAVY)) == []


def test_a_feed_with_mistakes_does_not_take_the_others_with_it(feeds: Path) -> None:
    """Its mistakes are an import error with their place, and the other feeds have their DAGs."""
    file = feeds / "orders" / "feed.yaml"
    file.write_text(file.read_text().replace("owner:", "ownr:"))
    bag = dag_bag()
    assert set(bag.dags) == {"prices", *OWN}
    assert list(bag.import_errors) == ["feed_mistakes.py"]
    assert "orders/feed.yaml:5:1" in bag.import_errors["feed_mistakes.py"]
    assert "'owner'" in bag.import_errors["feed_mistakes.py"]


def test_a_task_reads_its_own_feed_only(feeds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a hundred feeds, a task must not pay for ninety-nine."""
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "prices")
    (feeds / "orders" / "feed.yaml").write_text("{")
    assert set(dag_bag().dags) == {"prices", *OWN}


def test_a_task_of_a_feed_with_mistakes_says_which(feeds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "prices")
    (feeds / "prices" / "feed.yaml").write_text("feed: prices\n")
    assert "prices/feed.yaml" in dag_bag().import_errors["feeds.py"]


def test_a_feed_costs_the_same_however_many_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in calls, from the first to the last byte of the DAG folder."""
    calls = []
    for count in (3, 6, 12):
        root = tmp_path / str(count)
        write_feeds(root, count)
        monkeypatch.setenv("SLUICE_FEEDS", str(root))
        dag_bag()  # what is done once for a feed's paths
        calls.append(count_calls(dag_bag))
    first, second = (calls[1] - calls[0]) / 3, (calls[2] - calls[1]) / 6
    assert second < first * 1.05


def count_calls(work: Callable[[], object]) -> int:
    counted = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted


def test_the_form_stands_in_the_dag_and_not_in_each_of_its_tasks(feeds: Path) -> None:
    """Airflow would check every copy against JSON Schema at every parse; a running task has the form all the same."""
    from airflow.sdk.definitions.param import process_params

    for dag in (bag := dag_bag()).dags["orders"], bag.dags["replay"]:
        assert len(dag.params) > 3
        assert [task.task_id for task in dag.tasks if task.params] == []
    orders = bag.dags["orders"]
    given = process_params(orders, orders.get_task("parse"), {"reload": "all"}, suppress_exception=False)
    assert given == {"date": None, "uri": None, "reload": "all", "dry_run": False, "batch_mb": None}


def test_no_feeds_are_no_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_FEEDS", str(tmp_path / "nothing"))
    bag = dag_bag()
    assert (set(bag.dags), bag.import_errors) == (set(OWN), {})
