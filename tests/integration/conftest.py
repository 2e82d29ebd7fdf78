"""Airflow for tests that run DAGs: a metadata database of its own, made once a session."""

import pytest
import tests.airflow_home  # noqa: F401 - before airflow is imported


@pytest.fixture(scope="session")
def airflow_metadata() -> None:
    from airflow.utils.db import initdb

    initdb()
