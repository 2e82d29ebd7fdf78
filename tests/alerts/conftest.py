import tests.airflow_home  # noqa: F401 - before airflow is imported

# here, since the first import of airflow sets up logging anew, and a test would lose what it captures
import sluice.edge.alerting  # noqa: F401
