"""Where Sluice meets Airflow, and the only part of the package that imports it.

``dags/feeds.py`` puts together what is here: a DAG per feed, and six tasks that each call the stage of their name.
Stages, drivers and hooks are imported inside functions, since Airflow runs the DAG file again for every task.
"""

from sluice.edge.dags import declared_feeds, feed_dag, replay_dag
from sluice.edge.tasks import fetch, load, parse, reconcile, split, validate

__all__ = [
    "declared_feeds",
    "feed_dag",
    "fetch",
    "load",
    "parse",
    "reconcile",
    "replay_dag",
    "split",
    "validate",
]
