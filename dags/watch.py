"""The Airflow DAG that looks, every five minutes, for what no run can tell of: silent feeds, dead letters.

Airflow passes over a file in which the words `airflow` and `dag` do not stand.
"""

from sluice.edge.watching import watch

watch()
