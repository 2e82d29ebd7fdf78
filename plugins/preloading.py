"""Starts the process that tasks are forked from together with the scheduler, so that no task waits for it.

LocalExecutor starts its fork server with the first task, which then waits for all imports of ``sluice.edge.preloaded``.
"""

import multiprocessing
from multiprocessing import forkserver

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin


class EarlyForkServer:
    """Airflow calls it at the start of each of its long-running processes, and of each task."""

    @hookimpl
    def on_starting(self, component: object) -> None:
        """Start the fork server of the process that is set to have one; does not wait for what it imports."""
        if type(component).__module__ != "airflow.jobs.job":
            return  # a task has inherited the setting
        if multiprocessing.get_start_method(allow_none=True) == "forkserver":
            forkserver.ensure_running()


class Preloading(AirflowPlugin):
    """``[scheduler] mp_start_method`` decides whether there is a fork server at all."""

    name = "sluice_preloading"
    listeners = [EarlyForkServer()]  # noqa: RUF012 - as Airflow wants it
