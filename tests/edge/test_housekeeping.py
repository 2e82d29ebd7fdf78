"""The task of the DAG ``housekeeping``: what it leaves for the alert."""

from types import SimpleNamespace
from typing import Any

import pytest
from tests.airflow_home import PROJECT


def test_a_problem_is_left_with_the_feeds_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The alert is about the DAG housekeeping, so the feed must be told by its task."""
    from sluice.edge import tasks
    from sluice.edge.housekeeping import tidy
    from sluice.errors import WarehouseUnavailable

    left: list[Any] = []
    instance = SimpleNamespace(xcom_push=lambda key, value: left.append(value))
    dag = SimpleNamespace(dag_id="housekeeping")
    monkeypatch.setattr(tasks, "get_current_context", lambda: {"dag": dag, "ti": instance})
    monkeypatch.setenv("SLUICE_FEEDS", str(PROJECT / "tests" / "dags" / "feeds"))
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_WAREHOUSE", "postgres://nobody@127.0.0.1:9/nothing")
    with pytest.raises(WarehouseUnavailable):
        tidy.function("orders")  # type: ignore[attr-defined]
    assert [(word["stage"], word["label"], word["kind"]) for word in left] == [
        ("tidy", "orders", "WarehouseUnavailable")
    ]
