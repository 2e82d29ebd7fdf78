"""The fork server starts with the scheduler, and with nothing else."""

import importlib.util
import multiprocessing
from types import ModuleType, SimpleNamespace

import pytest
from tests.airflow_home import PROJECT


class Job:
    """Stands for Airflow's own."""


Job.__module__ = "airflow.jobs.job"


@pytest.fixture
def plugin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("preloading", PROJECT / "plugins" / "preloading.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("component", "method", "started"),
    [
        (Job(), "forkserver", 1),
        (Job(), "fork", 0),
        (Job(), None, 0),
        (SimpleNamespace(), "forkserver", 0),
    ],
    ids=["scheduler", "another way to start", "triggerer", "task"],
)
def test_it_starts_where_one_is_wanted(
    plugin: ModuleType, component: object, method: str | None, started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda allow_none: method)
    monkeypatch.setattr(plugin.forkserver, "ensure_running", lambda: calls.append(1))
    plugin.EarlyForkServer().on_starting(component)
    assert len(calls) == started


def test_airflow_takes_it_for_a_plugin(plugin: ModuleType) -> None:
    """In the components as in the tasks."""
    from airflow.jobs.job import Job as AirflowJob
    from airflow.plugins_manager import is_valid_plugin

    assert is_valid_plugin(plugin.Preloading)
    assert AirflowJob.__module__ == Job.__module__
