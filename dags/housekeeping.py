"""The Airflow DAG that clears away, once a day, what the feeds need not keep any longer; see their ``retention``.

Airflow passes over a file in which the words `airflow` and `dag` do not stand.
"""

from sluice.edge.housekeeping import housekeeping

housekeeping()
