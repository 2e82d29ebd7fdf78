"""A feed's DAG, run as Airflow runs it, from files in a folder to rows in PostgreSQL."""

import datetime as dt
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.airflow_home import PROJECT
from tests.alerts.listeners import Listener, web_server
from tests.arrivals.landing import landing as emulated_aws
from tests.edge.test_metrics import sent_to

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("airflow")]

DAY = dt.datetime(2026, 3, 5, 12, tzinfo=dt.UTC)
ORDER = """<Order id="{id}"><ChangedAt>2026-03-05T10:00:00Z</ChangedAt><Total>{total}</Total><Note>n</Note>
<Line sku="a-1" quantity="2"/><Line article="b-2"/></Order>"""
RunDag = Callable[..., "Outcome"]


class Outcome:
    """How a DAG run ended: its state, and the states of its tasks by name (several where a task was mapped)."""

    def __init__(self, dag_run: Any) -> None:
        self.state = dag_run.state.value
        self.tasks: dict[str, list[str]] = {}
        self.labels: dict[str, list[str]] = {}
        self.tries: dict[str, int] = {}
        for ti in sorted(dag_run.get_task_instances(), key=lambda ti: ti.map_index):
            self.tasks.setdefault(ti.task_id, []).append(str(ti.state))
            self.labels.setdefault(ti.task_id, []).append(ti.rendered_map_index)
            self.tries[ti.task_id] = max(self.tries.get(ti.task_id, 0), ti.try_number)


@pytest.fixture
def landing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the feed ``orders`` reads."""
    folder = tmp_path / "landing"
    folder.mkdir()
    monkeypatch.setenv("ORDERS_LANDING", str(folder))
    return folder


@pytest.fixture
def run_dag(airflow_metadata: None, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDag:
    """Runs a DAG, that of ``orders`` unless another is named, for a logical date, with values of its form."""
    parts = conninfo_to_dict(database)
    fields = {"conn_type": "postgres", "login": parts.pop("user"), "schema": parts.pop("dbname"), "extra": parts}
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_WAREHOUSE", json.dumps(fields))
    monkeypatch.setenv("SLUICE_FEEDS", str(PROJECT / "tests" / "dags" / "feeds"))
    monkeypatch.setenv("SLUICE_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("SLUICE_RETRY_SECONDS", "0")

    def run(logical_date: dt.datetime | None = DAY, dag_id: str = "orders", **form: Any) -> Outcome:
        from airflow.dag_processing.dagbag import DagBag

        dag = DagBag(PROJECT / "dags").dags[dag_id]
        return Outcome(dag.test(logical_date=logical_date, run_conf=form))

    return run


def drop(landing: Path, name: str, *orders: str, day: str = "2026-03-05") -> Path:
    file = landing / day / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"<Orders>{''.join(orders)}</Orders>")
    return file


def rows_of(database: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database) as connection:
        return connection.execute(query).fetchall()


def test_a_days_files_become_rows_once(run_dag: RunDag, landing: Path, database: str) -> None:
    """All six stages succeed, children follow their parent, and a second run loads nothing twice."""
    drop(landing, "a.xml", ORDER.format(id=1, total="10.50"), ORDER.format(id=2, total="0.01"))
    drop(landing, "b.xml", ORDER.format(id=3, total="7"))
    first = run_dag()
    assert first.state == "success"
    assert {task: set(states) for task, states in first.tasks.items()} == {
        name: {"success"} for name in ("fetch", "split", "parse", "validate", "load", "reconcile")
    }
    assert first.labels["parse"] != [None]
    before = rows_of(database, "SELECT id, total::text, _run, _loaded_at FROM orders.orders ORDER BY id")
    assert [row[:2] for row in before] == [(1, "10.50"), (2, "0.01"), (3, "7.00")]
    assert rows_of(database, "SELECT id, _n1, article, quantity FROM orders.lines WHERE id = 2 ORDER BY _n1") == [
        (2, 1, "a-1", 2),
        (2, 2, "b-2", 1),
    ]

    second = run_dag(DAY + dt.timedelta(hours=1))
    assert second.state == "success"
    assert rows_of(database, "SELECT id, total::text, _run, _loaded_at FROM orders.orders ORDER BY id") == before


def test_a_run_tells_those_who_wait_for_its_tables(run_dag: RunDag, landing: Path) -> None:
    """An event on each table, with the counts; none where a run has changed nothing."""
    drop(landing, "a.xml", ORDER.format(id=1, total="1"), ORDER.format(id=2, total="2"))
    before = len(asset_events())
    run_dag()
    events = asset_events()[before:]
    assert sorted(uri for uri, _ in events) == ["sluice://tables/orders/lines", "sluice://tables/orders/orders"]
    for _, extra in events:
        assert extra["feed"] == "orders"
        assert {extra[name] for name in ("found", "loaded", "inserted")} == {2}
        assert extra["files"] == 1
    run_dag(DAY + dt.timedelta(hours=1))
    assert len(asset_events()) == before + 2


def asset_events() -> list[tuple[str, dict[str, Any]]]:
    """The events of all assets so far, with what they say."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    query = select(AssetModel.uri, AssetEvent.extra).join(AssetEvent, AssetEvent.asset_id == AssetModel.id)
    with create_session() as session:
        return [(uri, extra) for uri, extra in session.execute(query.order_by(AssetEvent.id))]


def test_a_stage_logs_one_line(run_dag: RunDag, landing: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Found, loaded, quarantined and how fast; and nothing of the libraries underneath."""
    drop(landing, "a.xml", ORDER.format(id=1, total="1"))
    with caplog.at_level("INFO"):
        run_dag()
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("sluice.")]
    assert [message.split(":")[0] for message in ours] == ["fetch", "split", "parse", "validate", "load", "reconcile"]
    noise = ("airflow.task", "boto", "great_expectations", "urllib3")
    assert [record.getMessage() for record in caplog.records if record.name.startswith(noise)] == []


def test_a_run_without_files_succeeds(run_dag: RunDag, landing: Path) -> None:
    """Nothing is mapped; reconcile runs all the same and finds that nothing is missing."""
    outcome = run_dag(logical_date=None)
    assert outcome.state == "success"
    assert outcome.tasks["parse"] == ["skipped"]
    assert outcome.tasks["reconcile"] == ["success"]


def test_a_bad_file_fails_the_run_by_name_and_the_rest_is_loaded(run_dag: RunDag, landing: Path, database: str) -> None:
    drop(landing, "good.xml", ORDER.format(id=1, total="1"))
    bad = drop(landing, "bad.xml", ORDER.format(id=2, total="2"))
    bad.write_bytes(bad.read_bytes()[:-20])
    outcome = run_dag()
    assert outcome.state == "failed"
    assert outcome.tasks["load"] == ["success"]
    assert outcome.tasks["reconcile"] == ["failed"]
    assert rows_of(database, "SELECT id FROM orders.orders") == [(1,)]
    ((error,),) = rows_of(database, "SELECT error FROM sluice.runs")
    assert "bad.xml" in error
    assert "truncated" in error


def test_the_forms_date_is_taken_instead(run_dag: RunDag, landing: Path, database: str) -> None:
    drop(landing, "a.xml", ORDER.format(id=1, total="1"))
    drop(landing, "b.xml", ORDER.format(id=2, total="1"), day="2026-01-31")
    assert run_dag(date="2026-01-31").state == "success"
    assert rows_of(database, "SELECT id, _file_date FROM orders.orders") == [(2, dt.date(2026, 1, 31))]


def test_a_dry_run_leaves_the_tables_as_they_are(run_dag: RunDag, landing: Path, database: str) -> None:
    """And what it looked at is still open for the next run."""
    drop(landing, "a.xml", ORDER.format(id=1, total="1"))
    assert run_dag(dry_run=True).state == "success"
    assert rows_of(database, "SELECT to_regclass('orders.orders')") == [(None,)]
    assert run_dag(DAY + dt.timedelta(hours=1)).state == "success"
    assert rows_of(database, "SELECT id FROM orders.orders") == [(1,)]


def test_what_waits_in_the_quarantine_is_replayed_by_the_form(
    run_dag: RunDag, landing: Path, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The selected entries pass under the feed's new mapping; the others stay as they are."""
    orders = [ORDER.format(id=number, total=total) for number, total in enumerate(("1", "-1", "2", "x"), 1)]
    drop(landing, "a.xml", *orders)
    assert run_dag().state == "success"
    states = "SELECT code, state FROM sluice.quarantine ORDER BY ordinal"
    assert rows_of(database, states) == [("expectation_failed", "open"), ("not_a_number", "open")]

    shutil.copytree(PROJECT / "tests" / "dags" / "feeds", tmp_path / "feeds")
    feed_file = tmp_path / "feeds" / "orders" / "feed.yaml"
    feed_file.write_text(feed_file.read_text().replace("min_value: 0", "min_value: -5"))
    monkeypatch.setenv("SLUICE_FEEDS", str(tmp_path / "feeds"))
    outcome = run_dag(None, "replay", feed="orders", code="expectation_failed", file="a.xml")
    assert outcome.state == "success"
    assert outcome.tasks["load"] == ["success"]
    assert rows_of(database, states) == [("expectation_failed", "replayed"), ("not_a_number", "open")]
    assert rows_of(database, "SELECT id FROM orders.orders ORDER BY id") == [(1,), (2,), (3,)]


def test_a_missing_source_fails_at_once_and_says_so(run_dag: RunDag, landing: Path) -> None:
    """A folder that is not there does not come back by itself: no retry, and reconcile repeats the reason."""
    outcome = run_dag(uri=str(landing / "no-such-folder" / "*.xml"))
    assert outcome.state == "failed"
    assert outcome.tasks["fetch"] == ["failed"]
    assert outcome.tasks["reconcile"] == ["failed"]
    assert outcome.tasks["load"] == ["upstream_failed"]
    assert outcome.tries["fetch"] == 1


def test_a_database_that_is_down_is_tried_again(
    run_dag: RunDag, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may come back by itself; where it does not, the run fails after three more tries and says what was down."""
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_WAREHOUSE", "postgresql://sluice@127.0.0.1:1/warehouse")
    outcome = run_dag()
    assert outcome.state == "failed"
    assert outcome.tries["fetch"] == 4
    assert outcome.tries["reconcile"] == 1


def test_a_file_that_kills_its_workers_is_quarantined_within_the_tries_of_the_task(
    run_dag: RunDag, landing: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its batch goes on without it. Here a dead worker is one that leaves no word in Sluice's notes."""
    from sluice import batch_parser
    from sluice.attempts import Attempts

    class Killed(OSError):
        pass

    ways, leave = ("_leap", "_parse_piece"), Attempts.__exit__

    def deadly(parse_it: Any) -> Any:
        def parse_or_die(self: Any, section: Any, *arguments: Any) -> Any:
            if any(b"666" in getattr(one, "body", b"") for one in arguments):
                raise Killed
            return parse_it(self, section, *arguments)

        return parse_or_die

    def leave_alive(self: Any, kind: Any, error: Any, trace: Any) -> None:
        if kind is not Killed:
            leave(self, kind, error, trace)

    for way in ways:
        monkeypatch.setattr(batch_parser.BatchParser, way, deadly(getattr(batch_parser.BatchParser, way)))
    monkeypatch.setattr(Attempts, "__exit__", leave_alive)
    for name, number in (("a", 1), ("b", 666), ("c", 666), ("d", 2)):
        drop(landing, f"{name}.xml", ORDER.format(id=number, total="1"))
    outcome = run_dag()
    assert outcome.tasks["parse"] == outcome.tasks["load"] == ["success"]
    assert outcome.tries["parse"] == 6
    assert rows_of(database, "SELECT id FROM orders.orders ORDER BY id") == [(1,), (2,)]
    assert rows_of(database, "SELECT code FROM sluice.quarantine") == [("worker_died",)] * 2
    ((error,),) = rows_of(database, "SELECT error FROM sluice.runs")
    assert "2 files quarantined" in error


def test_a_run_sends_its_metrics_with_the_seconds_of_its_stages(
    run_dag: RunDag, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it has ended, also when it has failed."""
    drop(landing, "a.xml", ORDER.format(id=1, total="10.50"), ORDER.format(id=2, total="x"))
    drop(landing, "b.xml", "<Order")
    with emulated_aws() as aws:
        extra = {"endpoint_url": aws.url, "region_name": "eu-west-1"}
        connection = {"conn_type": "aws", "login": "x", "password": "x", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        monkeypatch.setenv("SLUICE_METRICS", "cloudwatch")
        assert run_dag().state == "failed"
        sent = sent_to(aws.url)
    assert sent["runs_failed", "orders"] == 1
    assert sent["records_loaded", "orders"] == 1
    assert sent["rejects", "orders", "not_a_number"] == 1
    seconds = {key[2]: value for key, value in sent.items() if key[0] == "stage_seconds"}
    assert set(seconds) == {"fetch", "split", "parse", "validate", "load", "reconcile"}
    assert all(value > 0 for value in seconds.values())


# -- alerts -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """Gets every alert."""
    with web_server() as server:
        monkeypatch.setenv("SLUICE_ALERT_WEBHOOK", f"http://127.0.0.1:{server.port}/")
        yield server


def test_a_broken_file_is_told_once_and_that_it_works_again_too(
    run_dag: RunDag, landing: Path, listener: Listener
) -> None:
    """From the file to the listener: the first run tells, the second meets the same, and the corrected file ends it.

    A callback of ``dag.test`` cannot ask Airflow what the tasks said, so what the warehouse knows must do.
    """
    drop(landing, "good.xml", ORDER.format(id=1, total="1"))
    bad = drop(landing, "bad.xml", ORDER.format(id=2, total="2"))
    bad.write_bytes(bad.read_bytes()[:-20])
    assert run_dag().state == "failed"
    (alert,) = listener.json()
    assert (alert["feed"], alert["kind"], alert["state"]) == ("orders", "limits", "new")
    assert alert["file"].endswith("/2026-03-05/bad.xml")
    assert "truncated: " in alert["reason"]
    assert "in all 1 × truncated" in alert["also"]
    assert alert["quarantine"] == "sluice quarantine orders --run 1"
    assert run_dag(DAY + dt.timedelta(hours=1), reload="all").state == "failed"
    assert len(listener.received) == 1
    assert run_dag(DAY + dt.timedelta(hours=2)).state == "success"
    assert len(listener.received) == 1  # it found nothing to do, which shows nothing
    drop(landing, "bad.xml", ORDER.format(id=2, total="2"))
    for hours in (3, 4):
        assert run_dag(DAY + dt.timedelta(hours=hours)).state == "success"
    assert [message["subject"] for message in listener.json()[1:]] == ["Sluice: orders works again"]
    assert "orders passed a limit, 2 times since" in listener.json()[1]["text"]


def test_drift_is_told_by_the_run_that_met_it_first(run_dag: RunDag, landing: Path, listener: Listener) -> None:
    drop(landing, "a.xml", ORDER.format(id=1, total="1"))
    assert run_dag().state == "success"
    assert listener.received == []
    drop(landing, "b.xml", ORDER.format(id=2, total="1").replace("<Total>", "<Discount>SECRET</Discount><Total>"))
    for hours in (1, 2):
        assert run_dag(DAY + dt.timedelta(hours=hours)).state == "success"
    (alert,) = listener.json()
    assert alert["subject"] == "Sluice: orders has changed: Order/Discount"
    assert (alert["record"], alert["file"].rsplit("/", 1)[-1]) == ("record 1, line 1", "b.xml")
    assert "SECRET" not in json.dumps(alert)
