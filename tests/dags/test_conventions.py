"""What every DAG of Sluice has in common, for the feeds of this project and for those of the tests."""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests.airflow_home import PROJECT

from sluice.dates import moment_of
from sluice.feed.loading import feed_names

ROOTS = {"project": PROJECT / "include" / "feeds", "tests": PROJECT / "tests" / "dags" / "feeds"}
CASES = [(root, feed) for root, folder in ROOTS.items() for feed in feed_names(folder)]
STAGES = ["fetch", "split", "parse", "validate", "load", "reconcile"]


@pytest.fixture(scope="module")
def bags() -> Iterator[dict]:
    """The DAGs of every root, as Airflow's DAG processor finds them."""
    from airflow.dag_processing.dagbag import DagBag

    with pytest.MonkeyPatch.context() as patch:
        found = {}
        for root, folder in ROOTS.items():
            patch.setenv("SLUICE_FEEDS", str(folder))
            found[root] = DagBag(PROJECT / "dags")
        yield found


@pytest.fixture
def dag(bags: dict, request: pytest.FixtureRequest):
    root, feed = request.param
    return bags[root].dags[feed]


every_feed = pytest.mark.parametrize("dag", CASES, indirect=True, ids="/".join)


def test_there_are_feeds_to_look_at() -> None:
    assert ("tests", "orders") in CASES


@pytest.mark.parametrize("root", ROOTS)
def test_the_dag_files_import_without_errors(bags: dict, root: str) -> None:
    assert bags[root].import_errors == {}


@pytest.mark.parametrize("root", ROOTS)
def test_every_feed_has_a_dag_of_its_name(bags: dict, root: str) -> None:
    assert [name for name in feed_names(ROOTS[root]) if name not in bags[root].dags] == []


@every_feed
def test_a_feed_has_six_tasks_in_one_line(dag) -> None:
    """fetch, split, then parse, validate and load for each batch, then reconcile."""
    assert sorted(dag.task_ids) == sorted(STAGES)
    for before, after in itertools.pairwise(STAGES):
        assert after in dag.get_task(before).downstream_task_ids


@every_feed
def test_batches_are_mapped_and_named_by_what_they_hold(dag) -> None:
    for name in ("parse", "validate", "load"):
        assert dag.get_task(name).get_closest_mapped_task_group() is not None
        assert "label" in dag.get_task(name).map_index_template


@every_feed
def test_a_dag_says_who_answers_for_it(dag) -> None:
    from sluice.feed.loading import load_feed

    feed = next(load_feed(folder / dag.dag_id) for folder in ROOTS.values() if (folder / dag.dag_id).is_dir())
    assert {task.owner for task in dag.tasks} == {feed.owner}
    assert dag.tags == {"sluice", *feed.tags}
    assert all(f"## Table {feed.schema_name}.{table}" in dag.doc_md for table in feed.tables)


@every_feed
def test_every_task_is_retried_with_growing_delays_only_for_what_can_pass(dag) -> None:
    from sluice.edge.retries import OnlyWhatCanPass

    for task in dag.tasks:
        assert task.retries == 3 or task.task_id == "parse"
        assert isinstance(task.retry_policy, OnlyWhatCanPass)
        assert task.retry_exponential_backoff > 1
        assert task.max_retry_delay <= timedelta(hours=1)
        assert task.execution_timeout >= timedelta(hours=1)


@pytest.mark.parametrize("name", ["orders", "replay"])
def test_parse_has_tries_enough_to_find_out_what_kills_its_workers(bags: dict, name: str) -> None:
    """Each death takes one, the last sets the guilty parts aside and parses the others, and one is to spare."""
    from sluice import attempts

    tries = 1 + bags["tests"].dags[name].get_task("parse").retries
    assert tries == attempts.DEATHS_IN_ALL + 2
    assert attempts.DEATHS_IN_ALL > attempts.DEATHS_TOGETHER + attempts.DEATHS_ALONE


@every_feed
def test_limits_keep_a_backfill_from_drowning_the_database(dag) -> None:
    assert dag.max_active_runs == 2
    assert not dag.catchup
    assert dag.get_task("load").pool == "warehouse"
    assert dag.get_task("load").max_active_tis_per_dagrun is not None


@every_feed
def test_the_run_fails_when_reconcile_says_so(dag) -> None:
    """reconcile runs whatever happened before, is the only leaf, and so decides about the run."""
    reconcile = dag.get_task("reconcile")
    assert reconcile.trigger_rule == "all_done"
    assert [task.task_id for task in dag.leaves] == ["reconcile"]


@every_feed
def test_a_failed_run_is_told_of_by_the_dag(dag) -> None:
    """Not by its tasks: one whose worker was killed on its last try calls nobody."""
    from sluice.edge.alerting import FailureAlert

    assert [type(callback) for callback in dag.on_failure_callback] == [FailureAlert]


def test_a_feed_that_may_not_be_late_has_a_deadline(bags: dict) -> None:
    """In the triggerer, since not every executor runs callbacks."""
    dags = bags["tests"].dags
    assert not dags["orders"].deadline
    (deadline,) = dags["prices"].deadline
    assert deadline.interval == timedelta(minutes=60)
    assert type(deadline.callback).__name__ == "AsyncCallback"


def test_the_watch_needs_not_be_switched_on(bags: dict) -> None:
    """Nobody misses the alerts of a DAG that is paused. That it fails itself is told, too."""
    from sluice.edge.alerting import FailureAlert

    watch = bags["tests"].dags["watch"]
    assert watch.is_paused_upon_creation is False
    assert (watch.max_active_runs, watch.catchup, watch.task_ids) == (1, False, ["look"])
    assert [type(callback) for callback in watch.on_failure_callback] == [FailureAlert]


@every_feed
def test_a_schedule_makes_data_intervals(dag) -> None:
    """Only then a date means the same in a daily run and in a backfill; a cron text makes none in Airflow 3."""
    assert type(dag.timetable).__name__ in ("CronDataIntervalTimetable", "NullTimetable")


@every_feed
def test_a_dag_is_the_same_at_every_parse(dag, bags: dict) -> None:
    """Otherwise Airflow would store a new version of it every thirty seconds."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    root = next(root for root, bag in bags.items() if bag.dags.get(dag.dag_id) is dag)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICE_FEEDS", str(ROOTS[root]))
        again = DagBag(PROJECT / "dags").dags[dag.dag_id]
    assert DagSerialization.to_dict(again) == DagSerialization.to_dict(dag)


def test_the_form_refuses_what_makes_no_sense(bags: dict) -> None:
    """The UI, the CLI and backfills check their values by the same schema."""
    from airflow.sdk.exceptions import ParamValidationError

    form = bags["tests"].dags["orders"].params
    assert list(form) == ["date", "uri", "reload", "dry_run", "batch_mb"]
    assert form.validate() == {"date": None, "uri": None, "reload": "no", "dry_run": False, "batch_mb": None}
    for name, value in {"date": "31.3.2026", "uri": "", "reload": "yes", "dry_run": "no", "batch_mb": 0}.items():
        with pytest.raises(ParamValidationError):
            form.get_param(name).resolve(value)
    assert all(form.get_param(name).description and form.get_param(name).schema["title"] for name in form)


@pytest.mark.parametrize("name", ["since", "until"])
def test_the_form_of_the_replay_refuses_what_is_no_moment(bags: dict, name: str) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    param = bags["tests"].dags["replay"].params.get_param(name)
    for value in (None, "2026-03-31", "2026-03-31T06:00", "2026-03-31 06:00:01.5Z", "2026-03-31T06:00+02:00"):
        assert param.resolve(value) == value
        moment_of(value, name)
    for value in ("", "yesterday", "31.3.2026", "2026-03-31T6"):
        with pytest.raises(ParamValidationError):
            param.resolve(value)


def test_the_dag_file_is_a_table_of_contents() -> None:
    assert len((PROJECT / "dags" / "feeds.py").read_text().splitlines()) <= 80


def test_no_name_is_used_that_airflow_3_removed_or_moved() -> None:
    paths = [PROJECT / name for name in ("dags", "plugins", "include/sluice/edge")]
    command = [sys.executable, "-m", "ruff", "check", "--preview", "--select", "AIR", *map(str, paths)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)
    assert checked.returncode == 0, checked.stdout


def test_only_the_edge_imports_airflow() -> None:
    package = PROJECT / "include" / "sluice"
    importing = {
        path.relative_to(package).parts[0]
        for path in package.rglob("*.py")
        if any(line.lstrip().startswith(("import airflow", "from airflow")) for line in path.open())
    }
    assert importing == {"edge"}
