import tests.airflow_home  # noqa: F401 - before airflow is imported
