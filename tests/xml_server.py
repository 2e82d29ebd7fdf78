"""A PostgreSQL that has values of type xml, which the embedded one has not: one that is installed on this machine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from sluice.stack import postgres
from sluice.stack.processes import as_account
from sluice.stack.temporary import temporary_server


@contextmanager
def server_with_xml() -> Iterator[postgres.Server | None]:
    """The newest one that there is, started for a while; None where there is none that was built with libxml."""
    programs = _installed_programs()
    if programs is None:
        yield None
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres, "installed_programs", lambda: programs)
        # releases before 17 know no locales of their own
        patch.setattr(postgres, "_run_initdb", _run_initdb)
        with temporary_server() as server:
            yield server if _has_xml(server) else None


def _installed_programs() -> Path | None:
    """Where Debian and its kin, Red Hat and its kin, and whoever has it on the path, keep a server's programs."""
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    folders.sort(key=lambda folder: int("".join(filter(str.isdigit, folder.parent.name)) or 0), reverse=True)
    if on_path := shutil.which("postgres"):
        folders.append(Path(on_path).resolve().parent)
    whole = [folder for folder in folders if (folder / "postgres").exists() and (folder / "initdb").exists()]
    return next((folder for folder in whole if postgres._can([str(folder / "postgres"), "--version"])), None)


def _run_initdb(folder: Path, data: Path, password_file: Path) -> None:
    command = [str(postgres.installed_programs() / "initdb"), f"--pgdata={data}", f"--username={postgres.USER}"]
    command += [f"--pwfile={password_file}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
    subprocess.run(command, cwd="/", check=True, capture_output=True, **as_account(postgres.account()))


def _has_xml(server: postgres.Server) -> bool:
    with psycopg.connect(server.dsn("postgres")) as connection:
        try:
            connection.execute("SELECT '<a/>'::xml")
        except psycopg.errors.FeatureNotSupported:
            return False
    return True
