"""Airflow's processes: their environment, their commands, and the migration of their database.

All configuration is environment: there is no airflow.cfg to go stale, and nothing of the person's own Airflow leaks in.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sluice.stack.emulator import BUCKET, REGION, Emulator, without_aws
from sluice.stack.home import HOST, Home, Secrets, StackError
from sluice.stack.postgres import Server
from sluice.stack.processes import Service, log_path, tail

METADATA = "airflow"
WAREHOUSE = "warehouse"
UI_USER = "admin"
MIGRATION_SECONDS = 300

# Name and options of each long-running command of Airflow. Logs are read from the folder that all of them share, so
# that no log servers on further ports are needed.
AIRFLOW_COMPONENTS: dict[str, tuple[str, ...]] = {
    "api-server": (),
    "scheduler": ("--skip-serve-logs",),
    "dag-processor": (),
    "triggerer": ("--skip-serve-logs",),
}

# A task is a fork of the scheduler's fork server, so what is imported there costs a task nothing.
PRELOADED = ("sluice.edge.preloaded",)
# Libraries that write more than a person wants to read into task and component logs.
QUIET = "great_expectations=ERROR botocore=WARNING boto3=WARNING s3transfer=WARNING httpx=WARNING alembic=WARNING"


@dataclass(frozen=True, slots=True)
class Airflow:
    """The Airflow of one stack; ``port`` is that of its UI and API."""

    home: Home
    secrets: Secrets
    server: Server
    emulator: Emulator
    port: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def services(self) -> tuple[Service, ...]:
        """The components, each a process of its own as in production."""
        env = self.env()
        return tuple(
            Service(name, airflow_command(name, *options), env) for name, options in AIRFLOW_COMPONENTS.items()
        )

    def env(self) -> dict[str, str]:
        """The environment of every component and task, and of ``sluice airflow``."""
        return {
            **_inherited(),
            **self.emulator.client_env(),
            **self._sluice_env(),
            **self._connections(),
            **self._database_and_api(),
            **self._core(),
            **_pace(),
            **self._logging(),
        }

    def migrate(self) -> None:
        """Bring the metadata database to this version of Airflow; nothing to do, and fast, if it is there already."""
        stamp = self.home.airflow / "migrated.json"
        if stamp.exists() and json.loads(stamp.read_text()) == self._revision():
            return
        with log_path(self.home, "migration").open("ab") as log:
            done = subprocess.run(
                airflow_command("db", "migrate"),
                env=self.env(),
                cwd=self.home.run,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=MIGRATION_SECONDS,
            )
        if done.returncode != 0:
            raise StackError(f"the Airflow database could not be migrated:\n{tail(self.home, 'migration')}")
        stamp.write_text(json.dumps(self._revision()))

    def _revision(self) -> dict[str, str | None]:
        """What the database has been migrated to, and by which Airflow."""
        import psycopg

        with psycopg.connect(self.server.dsn(METADATA)) as connection:
            row = None
            if connection.execute("SELECT to_regclass('alembic_version')").fetchone() != (None,):
                row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return {"airflow": version("apache-airflow-core"), "revision": row[0] if row else None}

    def _sluice_env(self) -> dict[str, str]:
        return {
            "SLUICE_HOME": str(self.home.root),
            "SLUICE_WORK": str(self.home.work),
            "SLUICE_FEEDS": os.environ.get("SLUICE_FEEDS") or str(self.home.feeds),
            "SLUICE_SLOTS": str(task_slots()),
            "SLUICE_LANDING": f"s3://{BUCKET}",
            "SLUICE_QUEUE": self.emulator.queue_url,
            "SLUICE_WAREHOUSE": self.server.dsn(WAREHOUSE),
        }

    def _connections(self) -> dict[str, str]:
        credentials = self.emulator.client_env()
        aws = {
            "conn_type": "aws",
            "login": credentials["AWS_ACCESS_KEY_ID"],
            "password": credentials["AWS_SECRET_ACCESS_KEY"],
            "extra": {"endpoint_url": self.emulator.url, "region_name": REGION},
        }
        return {
            "AIRFLOW_CONN_SLUICE_WAREHOUSE": self.server.dsn(WAREHOUSE, scheme="postgres"),
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(aws),
        }

    def _database_and_api(self) -> dict[str, str]:
        return {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.server.dsn(METADATA, scheme="postgresql+psycopg"),
            "AIRFLOW__API__HOST": HOST,
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__INSTANCE_NAME": "Sluice",
            "AIRFLOW__API__SECRET_KEY": self.secrets.session_secret,
            "AIRFLOW__API_AUTH__JWT_SECRET": self.secrets.jwt_secret,
            "AIRFLOW__CORE__FERNET_KEY": self.secrets.fernet_key,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{UI_USER}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.home.passwords),
        }

    def _core(self) -> dict[str, str]:
        return {
            "AIRFLOW_HOME": str(self.home.airflow),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.home.project / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self.home.project / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(task_slots()),
            # the default asks a name server, which may take seconds or fail without a network
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
            "AIRFLOW__OPENLINEAGE__DISABLED": "True",
        }

    def _logging(self) -> dict[str, str]:
        return {
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.home.logs / "tasks"),
            "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(self.home.logs / "dag_processor"),
            "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
            "AIRFLOW__LOGGING__UVICORN_LOGGING_LEVEL": "WARNING",
            "AIRFLOW__LOGGING__NAMESPACE_LEVELS": QUIET,
        }


def airflow_command(*arguments: str) -> list[str]:
    """Airflow's command line, run by this interpreter whatever PATH says."""
    return [sys.executable, "-m", "airflow", *arguments]


def task_slots() -> int:
    """How many tasks may run at once: ``$SLUICE_SLOTS``, else two for each core, since tasks also wait."""
    return int(os.environ.get("SLUICE_SLOTS") or 2 * (os.cpu_count() or 1))


def _inherited() -> dict[str, str]:
    """The person's environment without what would change or slow the stack."""
    unwanted = ("AIRFLOW_", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME")
    env = {key: value for key, value in without_aws(os.environ).items() if not key.startswith(unwanted)}
    bypass = ",".join(filter(None, [env.get("NO_PROXY") or env.get("no_proxy"), HOST, "localhost"]))
    env |= {"NO_PROXY": bypass, "no_proxy": bypass, "PYTHONUNBUFFERED": "1"}
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
    if sys.platform == "darwin":
        # Apple's frameworks end processes that fork without this
        env |= {"OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES", "no_proxy": "*"}
    return env


def _pace() -> Mapping[str, str]:
    """Intervals that suit one person who waits, instead of a cluster."""
    return {
        "AIRFLOW__SCHEDULER__MP_START_METHOD": "forkserver",
        "AIRFLOW__SCHEDULER__MP_FORKSERVER_PRELOAD": ",".join(PRELOADED),
        # a run waits for the scheduler at each of its seven steps, also at those that are skipped; looking four times a
        # second costs 8 % of a core, ten times 14 % and no run is faster
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.25",
        # Airflow's supervisor often misses the end of its task, keeps the slot, and looks again after this many seconds
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        # as many seconds without the API server as before, until a task is given up
        "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "15",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        # after a crash: tasks of the dead scheduler are found within a minute, not within five
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    }
