"""Airflow's settings for the tests: a home of their own that goes when they end. Imported before airflow is.

Airflow reads its settings when it is first imported, and makes its home then; so this cannot be a fixture.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parents[1]
HOME = Path(tempfile.mkdtemp(prefix="sluice-airflow-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
    del os.environ[name]
os.environ.update(
    AIRFLOW_HOME=str(HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(PROJECT / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(PROJECT / "plugins"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{HOME / 'airflow.db'}",
    AIRFLOW__LOGGING__BASE_LOG_FOLDER=str(HOME / "logs"),
    AIRFLOW__OPENLINEAGE__DISABLED="True",
)
