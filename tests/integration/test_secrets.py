"""No password shows, whatever fails: not in logs, XComs, alerts, work files, Data Docs or tables."""

from __future__ import annotations

import datetime as dt
import json
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from tests.airflow_home import HOME, PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("airflow")]

MARK = "Hush-4711"
PASSWORD = f"{MARK}'@/:% x"
DAY = dt.datetime(2026, 3, 5, 12, tzinfo=dt.UTC)
ORDER = "<Order id='{id}'><ChangedAt>2026-03-05T10:00:00Z</ChangedAt><Total>{total}</Total></Order>"


@pytest.fixture
def fields(database: str) -> Iterator[dict[str, Any]]:
    """A connection of Airflow's for a role whose password cannot be mistaken."""
    parts = conninfo_to_dict(database)
    role = f"secretive_{secrets.token_hex(4)}"
    name, secret = sql.Identifier(role), sql.Literal(PASSWORD)
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, secret))
        owner.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(sql.Identifier(owner.info.dbname), name))
        host, port, database_name = parts["host"], int(str(parts["port"])), parts["dbname"]
        known = {"host": host, "port": port, "schema": database_name, "login": role, "password": PASSWORD}
        yield {"conn_type": "postgres", **known}
        owner.execute(sql.SQL("DROP OWNED BY {0} CASCADE; DROP ROLE {0}").format(name))


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing" / "2026-03-05"
    folder.mkdir(parents=True)
    (folder / "a.xml").write_text(f"<Orders>{ORDER.format(id=1, total='1')}{ORDER.format(id=2, total='no')}</Orders>")
    (folder / "b.xml").write_text(f"<Orders>{ORDER.format(id=3, total='1')}")
    return folder.parent


@pytest.fixture
def run(airflow_metadata: None, tmp_path: Path, landing: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a DAG with a connection, and with secrets wherever else one may be configured; returns the run's state."""
    monkeypatch.setenv("SLUICE_FEEDS", str(PROJECT / "tests" / "dags" / "feeds"))
    monkeypatch.setenv("ORDERS_LANDING", str(landing))
    monkeypatch.setenv("SLUICE_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("SLUICE_RETRY_SECONDS", "0")
    monkeypatch.setenv("SLUICE_ALERT_WEBHOOK", f"http://127.0.0.1:1/{MARK}")
    monkeypatch.setenv("SLUICE_ALERT_EMAIL", "on-call@example.com")
    monkeypatch.setenv("SLUICE_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("SLUICE_SMTP_PORT", "1")
    monkeypatch.setenv("SLUICE_SMTP_PASSWORD", PASSWORD)
    aws = {"conn_type": "aws", "login": "key", "password": PASSWORD, "extra": {"endpoint_url": "http://127.0.0.1:1"}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(aws))
    minutes = iter(range(1000))

    def run(connection: dict[str, Any] | str, dag_id: str = "orders", **form: Any) -> str:
        from airflow.dag_processing.dagbag import DagBag

        text = connection if isinstance(connection, str) else json.dumps(connection)
        monkeypatch.setenv("AIRFLOW_CONN_SLUICE_WAREHOUSE", text)
        dag = DagBag(PROJECT / "dags").dags[dag_id]
        return str(dag.test(logical_date=DAY + dt.timedelta(minutes=next(minutes)), run_conf=form).state.value)

    return run


def test_a_password_never_shows(
    run: Callable[..., str],
    fields: dict[str, Any],
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    failures: dict[str, tuple[Any, dict[str, Any]]] = {
        "broken file": (fields, {}),
        "password that the server does not take": ({**fields, "password": f"{MARK} wrong"}, {}),
        "option that libpq refuses": ({**fields, "extra": {"sslmode": "nonsense"}}, {}),
        "address that nobody can read": (f"postgresql://u:{MARK}/x@127.0.0.1:{MARK}/d", {}),
        "source in an S3 that is down": (fields, {"uri": "s3://bucket/*.xml"}),
    }
    for what, (connection, form) in failures.items():
        assert run(connection, **form) == "failed", what
    monkeypatch.setenv("SLUICE_STATEMENT_SECONDS", "0.001")
    run(fields, reload="all")
    monkeypatch.delenv("SLUICE_STATEMENT_SECONDS")
    assert run(fields, "housekeeping") == "success"

    shown = {"log": caplog.text, "output": "".join(capfd.readouterr())}
    shown |= {str(path): path.read_bytes().decode("latin-1") for path in files_below(HOME, tmp_path / "work")}
    shown |= dict(tables_of(database))
    met = "password authentication failed", "could not be sent by", "truncated", "statement timeout", "sslmode"
    assert [word for word in met if not any(word in text for text in shown.values())] == []
    found = {where: re.findall(rf".{{0,80}}{MARK}.{{0,40}}", text)[:3] for where, text in shown.items() if MARK in text}
    assert found == {}


def files_below(*folders: Path) -> Iterator[Path]:
    """Work files and Data Docs; Airflow's logs and its own database, with XComs and rendered fields."""
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file())


def tables_of(database: str) -> Iterator[tuple[str, str]]:
    with psycopg.connect(database) as connection:
        for schema, name in connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('sluice', 'orders')"
        ).fetchall():
            rows = connection.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(schema, name)))
            yield f"{schema}.{name}", str(rows.fetchall())
