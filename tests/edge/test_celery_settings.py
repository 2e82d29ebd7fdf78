"""A Celery worker imports what tasks need before it forks."""

import subprocess
import sys

SCRIPT = """
import os, sys
os.environ["AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS"] = "sluice.edge.celery_settings.CELERY_CONFIG"
from airflow.providers.celery.executors.celery_executor import app
assert "great_expectations" not in sys.modules  # the scheduler, which has this app too, does not need it
before = app.conf.broker_url, app.conf.worker_concurrency, app.conf.task_acks_late
app.loader.import_default_modules()  # what a worker does before it makes its pool
from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG as own
print(sorted({"great_expectations", "sluice.stages.load"} & set(sys.modules)))
print(before == (own["broker_url"], own["worker_concurrency"], own["task_acks_late"]))
"""


def test_a_worker_preloads_and_keeps_airflows_own_settings() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["['great_expectations', 'sluice.stages.load']", "True"]
