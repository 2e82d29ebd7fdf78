"""What OpenLineage is told of a run, by a transport that writes it down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.airflow_home import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("airflow")]

RUN = """
import datetime as dt
from airflow.dag_processing.dagbag import DagBag
dag = DagBag({dags!r}).dags["orders"]
dag.test(logical_date=dt.datetime(2026, 3, 5, 12, tzinfo=dt.UTC))
"""
ORDERS = """<Orders><Order id="1"><ChangedAt>2026-03-05T10:00:00Z</ChangedAt><Total>1.5</Total><Note>n</Note>
<Line sku="a-1" quantity="2"/></Order></Orders>"""


def test_the_origin_of_every_column_is_told(airflow_metadata: None, database: str, tmp_path: Path) -> None:
    landing = tmp_path / "landing/2026-03-05"
    landing.mkdir(parents=True)
    (landing / "a.xml").write_text(ORDERS)
    events = tmp_path / "events.json"
    parts = conninfo_to_dict(database)
    fields = {"conn_type": "postgres", "login": parts.pop("user"), "schema": parts.pop("dbname"), "extra": parts}
    env = {
        **os.environ,
        "AIRFLOW_CONN_SLUICE_WAREHOUSE": json.dumps(fields),
        "AIRFLOW__OPENLINEAGE__DISABLED": "False",
        "AIRFLOW__OPENLINEAGE__EXTRACTORS": "sluice.edge.lineage.FeedExtractor",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps({"type": "file", "log_file_path": str(events), "append": True}),
        "ORDERS_LANDING": str(landing.parent),
        "SLUICE_FEEDS": str(PROJECT / "tests/dags/feeds"),
        "SLUICE_WORK": str(tmp_path / "work"),
    }
    script = RUN.format(dags=str(PROJECT / "dags"))
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]

    told = [json.loads(line) for line in events.read_text().splitlines()]
    (event,) = [one for one in told if one["job"]["name"] == "orders.reconcile" and one["eventType"] == "COMPLETE"]
    (source,) = event["inputs"]
    assert (source["namespace"], source["name"]) == ("file", str(landing.parent).strip("/"))
    tables = {output["name"].rpartition(".")[2]: output for output in event["outputs"]}
    assert sorted(tables) == ["lines", "orders"]
    origins = tables["lines"]["facets"]["columnLineage"]["fields"]
    assert [origin["field"] for origin in origins["article"]["inputFields"]] == [
        "/Orders/Order/Line/@sku",
        "/Orders/Order/Line/@article",
    ]
    types = {field["name"]: field["type"] for field in tables["orders"]["facets"]["schema"]["fields"]}
    assert types["total"] == "numeric(12,2)"
    assert tables["orders"]["outputFacets"]["outputStatistics"]["rowCount"] == 1
    assert "password" not in events.read_text()
