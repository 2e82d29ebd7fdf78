"""Sluice turns a daily flood of XML files into clean, queryable PostgreSQL tables.

The package runs in a bare interpreter; only ``sluice.edge`` knows Airflow.
"""

__version__ = "0.1.0"
