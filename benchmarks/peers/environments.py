"""Environments of the peers: made when first needed, from pinned requirements, below the benchmark's folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PEERS = ("xml2db", "pandas", "spark")
JAR_VARIABLE = "BENCH_JDBC_JAR"
_REQUIREMENTS = Path(__file__).with_name("requirements")
_JDBC_PACKAGE = "libpostgresql-jdbc-java"
_JDBC_PATH = "usr/share/java/postgresql.jar"
_INSTALL_SECONDS = 900


class PeerMissing(Exception):
    """A peer cannot be had here; the message says why."""


@dataclass(frozen=True, slots=True)
class Environment:
    """How to run the script of a peer."""

    peer: str
    python: Path
    variables: Mapping[str, str]

    def command(self, argument: str) -> list[str]:
        return [str(self.python), "-m", f"benchmarks.peers.{self.peer}_load", argument]

    def env(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **self.variables}


def prepare(peer: str, folder: Path) -> Environment:
    """The environment of ``peer`` below ``folder``. Raises ``PeerMissing``."""
    variables = _spark_variables(folder) if peer == "spark" else {}
    return Environment(peer, _install(peer, folder / "peers" / peer), variables)


def _install(peer: str, home: Path) -> Path:
    requirements = _REQUIREMENTS / f"{peer}.txt"
    stamp, digest = home / "installed", hashlib.sha256(requirements.read_bytes()).hexdigest()
    python = home / "bin" / "python"
    if stamp.exists() and stamp.read_text() == digest and python.exists():
        return python
    uv = Path(sys.executable).with_name("uv")
    _run([str(uv), "venv", "--quiet", "--clear", "--python", sys.executable, str(home)])
    _run([str(uv), "pip", "install", "--quiet", "--python", str(python), "--requirement", str(requirements)])
    stamp.write_text(digest)
    return python


def _spark_variables(folder: Path) -> dict[str, str]:
    """Where the JDBC driver is: as ``BENCH_JDBC_JAR`` says, or unpacked from Debian's package."""
    if shutil.which("java") is None:
        raise PeerMissing("Spark needs Java, and there is none on PATH")
    if given := os.environ.get(JAR_VARIABLE):
        return {JAR_VARIABLE: given}
    installed = Path("/") / _JDBC_PATH
    jar = installed if installed.exists() else _unpack_driver(folder / "peers" / "jdbc")
    return {JAR_VARIABLE: str(jar)}


def _unpack_driver(folder: Path) -> Path:
    jar = folder / _JDBC_PATH
    if jar.exists():
        return jar.resolve()
    if shutil.which("apt-get") is None:
        raise PeerMissing(f"Spark needs PostgreSQL's JDBC driver: name its jar in {JAR_VARIABLE}")
    folder.mkdir(parents=True, exist_ok=True)
    _run(["apt-get", "download", "--quiet", _JDBC_PACKAGE], folder)
    _run(["dpkg", "-x", *(path.name for path in folder.glob(f"{_JDBC_PACKAGE}*.deb")), "."], folder)
    return jar.resolve()


def _run(command: list[str], folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
    if done.returncode:
        raise PeerMissing(f"{command[0]} {command[1]} failed: {(done.stderr or done.stdout).strip()[-300:]}")


def pinned_version(peer: str) -> str:
    """The version of a peer that its requirements name."""
    package = {"spark": "pyspark"}.get(peer, peer)
    lines = (_REQUIREMENTS / f"{peer}.txt").read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{package}=="))
