"""The folder that holds everything the laptop stack keeps: data, logs, secrets, pid files."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import socket
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from sluice.errors import PermanentError

HOST = "127.0.0.1"
# The ports that people expect; a busy one is replaced by a free one.
PREFERRED_PORTS = {"ui": 8080, "postgres": 5433, "aws": 4566}


class StackError(PermanentError):
    """The laptop stack could not be started or stopped; the message says which part and shows its log."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where the stack keeps its state (``root``) and whose DAGs it runs (``project``)."""

    root: Path
    project: Path

    @classmethod
    def find(cls) -> Home:
        """The checkout that this package was installed from, with its state in ``.sluice`` or ``$SLUICE_HOME``."""
        project = Path(__file__).resolve().parents[3]
        if not (project / "dags").is_dir():
            raise StackError(
                "the laptop stack runs from a checkout of Sluice, installed with `make`; there is no dags/ here"
            )
        return cls(Path(os.environ.get("SLUICE_HOME") or project / ".sluice").resolve(), project)

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def pids(self) -> Path:
        return self.root / "pids"

    @property
    def run(self) -> Path:
        """Working folder of every process of the stack; tells its processes from all others."""
        return self.root / "run"

    @property
    def airflow(self) -> Path:
        return self.root / "airflow"

    @property
    def landing(self) -> Path:
        """What the landing bucket holds, kept because the AWS emulator forgets it."""
        return self.root / "landing"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def feeds(self) -> Path:
        return self.project / "include" / "feeds"

    @property
    def passwords(self) -> Path:
        return self.root / "secrets" / "ui_passwords.json"

    def prepare(self) -> None:
        """Make the folders. Others may pass through the root (PostgreSQL may run as another user) but read nothing."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o711)
        for folder in (self.logs, self.pids, self.run, self.airflow, self.landing, self.work, self.passwords.parent):
            folder.mkdir(exist_ok=True, mode=0o700)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One `up` or `down` at a time."""
        self.prepare()
        with (self.root / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


@dataclass(frozen=True, slots=True)
class Secrets:
    """Passwords and keys, made once per stack and readable by their owner only."""

    postgres_password: str
    ui_password: str
    jwt_secret: str
    session_secret: str
    fernet_key: str

    @classmethod
    def of(cls, home: Home) -> Secrets:
        path = home.passwords.with_name("secrets.json")
        if not path.exists():
            write_private(path, json.dumps(asdict(cls._make())))
        values = json.loads(path.read_text())
        made = cls(**{field.name: values[field.name] for field in fields(cls)})
        write_private(home.passwords, json.dumps({"admin": made.ui_password}))
        return made

    @classmethod
    def _make(cls) -> Secrets:
        return cls(
            postgres_password=secrets.token_hex(12),
            ui_password=secrets.token_hex(6),
            jwt_secret=secrets.token_hex(32),
            session_secret=secrets.token_hex(32),
            fernet_key=urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        )


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
    draft.replace(path)


def read_port(home: Home, name: str) -> int:
    """The port that ``name`` (see ``PREFERRED_PORTS``) listens on, as last chosen."""
    return int(_chosen_ports(home).get(name, PREFERRED_PORTS[name]))


def choose_port(home: Home, name: str) -> int:
    """A port for a service that is about to start: the expected one, else the last one, else any that is free."""
    wanted = (PREFERRED_PORTS[name], _chosen_ports(home).get(name, 0))
    port = next((port for port in wanted if port and _is_free(port)), None) or any_free_port()
    write_private(home.root / "ports.json", json.dumps(_chosen_ports(home) | {name: port}))
    return port


def _chosen_ports(home: Home) -> dict[str, int]:
    path = home.root / "ports.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # as servers bind: a port in TIME_WAIT is free for them
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def any_free_port() -> int:
    """A port of the loopback that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
