"""The embedded PostgreSQL starts after a crash, keeps texts in one order, and lets nobody in without the password."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from sluice.stack import postgres
from sluice.stack.home import Home, any_free_port
from sluice.stack.processes import is_alive, is_running, start, stop, wait_until


def test_texts_are_ordered_by_code_point_on_every_machine(database: str):
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT x FROM unnest(ARRAY['b', 'Z', 'ä', 'a']) AS x ORDER BY x").fetchall()

    assert [row[0] for row in rows] == ["Z", "a", "b", "ä"]


def test_a_wrong_password_is_refused(warehouse_server: postgres.Server):
    stranger = postgres.Server(warehouse_server.folder, warehouse_server.port, "guessed")

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(stranger.dsn("postgres"))
    assert not stranger.answers()


def test_each_test_gets_an_empty_database(database: str, warehouse_dsn: str):
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
    assert database != warehouse_dsn


@pytest.mark.parametrize(("memory_mb", "kept_mb"), [(1_000, 256), (8_192, 512), (64_000, 1_024)])
def test_a_server_keeps_more_in_memory_where_there_is_more(memory_mb: int, kept_mb: int):
    assert postgres.shared_buffers_mb(memory_mb) == kept_mb


def test_the_machine_decides_how_much_a_server_keeps_in_memory(database: str):
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT pg_size_bytes(current_setting('shared_buffers')) >> 20").fetchall()
    assert rows == [(postgres.shared_buffers_mb(psutil.virtual_memory().total >> 20),)]


def data_folder(tmp_path: Path, pid: int) -> postgres.Server:
    """A server whose data folder looks made, with a postmaster.pid that names ``pid``."""
    server = postgres.Server(tmp_path, 5432, "secret")
    server.data.mkdir()
    (server.data / "PG_VERSION").write_text("18\n")
    (server.data / "postmaster.pid").write_text(f"{pid}\n{server.data}\n")
    return server


def test_a_pid_file_that_names_another_program_is_removed(tmp_path: Path):
    """PostgreSQL would refuse to start: it only looks whether the pid exists."""
    server = data_folder(tmp_path, os.getpid())

    server.initialise()

    assert not (server.data / "postmaster.pid").exists()


def test_a_pid_file_of_a_running_server_stays(tmp_path: Path):
    server = data_folder(tmp_path, 1)
    posing_as_postgres = subprocess.Popen([sys.executable, "-c", "input()", str(server.data)], stdin=subprocess.PIPE)
    try:
        (server.data / "postmaster.pid").write_text(f"{posing_as_postgres.pid}\n{server.data}\n")

        server.initialise()

        assert (server.data / "postmaster.pid").exists()
    finally:
        posing_as_postgres.communicate(b"\n")


def test_a_folder_that_the_servers_user_reaches_is_taken():
    assert postgres.suitable_folder(Path("/tmp/sluice-anything")) == Path("/tmp/sluice-anything")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_below_a_folder_closed_to_the_servers_user_the_systems_is_taken(tmp_path: Path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    chosen = postgres.suitable_folder(closed / "postgres")

    assert chosen.parent == postgres.SYSTEM_FOLDER
    assert chosen == postgres.suitable_folder(closed / "postgres")
    assert chosen != postgres.suitable_folder(closed / "other")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_programs_that_the_servers_user_does_not_reach_are_copied_once_and_work(monkeypatch: pytest.MonkeyPatch):
    """As in a checkout below /root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        with monkeypatch.context() as patched:
            patched.setattr(postgres, "_can", lambda command: False)
            server = postgres.Server(folder, any_free_port(), "secret", postgres.UNSAFE_BUT_FAST)
            server.initialise()
            program = Path(server.service().command[0])
            assert Path(server.service().command[0]) == program

        assert program.is_relative_to(folder)
        assert subprocess.run([program, "--version"], cwd="/", user=postgres.account()).returncode == 0
        assert sorted(path.name for path in folder.iterdir()) == ["data", program.parents[3].name]


def busy_backend(server: postgres.Server) -> tuple[psycopg.Connection, psutil.Process]:
    """A connection whose server process counts for a long time, and does not look up meanwhile."""
    connection = psycopg.connect(server.dsn("postgres"), autocommit=True)
    backend = psutil.Process(connection.info.backend_pid)
    connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000000)")
    return connection, backend


def test_a_busy_process_of_a_killed_server_is_ended_before_the_next_start():
    """Otherwise two generations of processes would write into one folder; PostgreSQL itself refuses to start."""
    with temporary_home() as home:
        server = postgres.Server(
            postgres.suitable_folder(home.root / "postgres"), any_free_port(), "secret", postgres.UNSAFE_BUT_FAST
        )
        try:
            start_server(home, server)
            connection, backend = busy_backend(server)
            psutil.Process(json.loads((home.pids / "postgres.json").read_text())["pid"]).kill()
            wait_until(home, lambda: not is_running(home, "postgres"), [], "the end of the server", 30)
            assert is_alive(backend)

            start_server(home, server)

            assert not is_alive(backend)
            connection.close()
        finally:
            stop(home, [("postgres", postgres.STOP_SIGNAL)], grace_seconds=20)


def start_server(home: Home, server: postgres.Server) -> None:
    server.initialise()
    start(home, server.service())
    wait_until(home, server.answers, ["postgres"], "an answer of PostgreSQL", 60)


@contextlib.contextmanager
def temporary_home() -> Iterator[Home]:
    """Not in pytest's own folder, which is closed to the user that PostgreSQL runs as under root."""
    with tempfile.TemporaryDirectory() as name:
        home = Home(Path(name), Path(name))
        home.prepare()
        yield home
