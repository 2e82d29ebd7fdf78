"""The warehouse as Airflow knows it, in libpq's words."""

import json

import pytest
from psycopg.conninfo import conninfo_to_dict

from sluice.errors import PermanentError


def dsn_of(monkeypatch: pytest.MonkeyPatch, connection: dict) -> dict:
    from sluice.edge.connections import _warehouse_dsn

    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_WAREHOUSE", json.dumps({"conn_type": "postgres", **connection}))
    return conninfo_to_dict(_warehouse_dsn("sluice_warehouse"))


def test_a_connection_becomes_a_conninfo(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"host": "db", "port": 5433, "login": "sluice", "password": "it's s3cret", "schema": "warehouse"}
    assert dsn_of(monkeypatch, fields) == {
        "host": "db",
        "port": "5433",
        "user": "sluice",
        "password": "it's s3cret",
        "dbname": "warehouse",
        "application_name": "sluice",
    }


def test_extras_that_libpq_knows_are_kept_and_airflows_own_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket folder, TLS and time limits matter; a cursor class is for Airflow's hook."""
    extra = {"host": "/run/postgresql", "sslmode": "require", "cursor": "dictcursor", "application_name": "mine"}
    parsed = dsn_of(monkeypatch, {"schema": "warehouse", "extra": extra})
    assert parsed == {
        "host": "/run/postgresql",
        "dbname": "warehouse",
        "sslmode": "require",
        "application_name": "mine",
    }


def test_a_connection_that_is_not_defined_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from sluice.edge.connections import _warehouse_dsn

    monkeypatch.delenv("AIRFLOW_CONN_SLUICE_WAREHOUSE", raising=False)
    with pytest.raises(PermanentError, match="no connection 'no_such_warehouse'"):
        _warehouse_dsn("no_such_warehouse")
