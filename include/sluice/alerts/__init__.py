"""Alerts: what is told, of what, once, and by which channels.

``problems`` says why a task failed, ``alert`` is what a person reads, ``causes`` makes alerts of a failed run with
what ``evidence`` finds. ``state`` keeps in the warehouse what was told and is not over yet, ``channels`` carry it,
``desk`` joins the two, and ``watch`` looks for what no run can tell of. An alert never holds a value of a record, and
telling never fails a load.

Only what is light to import stands here, since every task imports it with its DAG file.
"""

from sluice.alerts.problems import Problem, describe_exception

__all__ = ["Problem", "describe_exception"]
