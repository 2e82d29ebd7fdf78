"""What is imported in the process that tasks are forked from, and what is left for each of them: next to nothing."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.airflow_home import PROJECT

pytestmark = pytest.mark.xdist_group("preloaded")  # one process for all

PACKAGE = PROJECT / "include" / "sluice"
REPORT = """
import json, sys, threading
import sluice.edge.preloaded
import gc, logging
print(json.dumps({
    "modules": sorted(sys.modules), "threads": threading.active_count(), "frozen": gc.get_freeze_count(),
    "plugins": __import__("airflow.sdk.listener").sdk.listener.get_listener_manager.cache_info().currsize,
}))
"""


@pytest.fixture(scope="module")
def forked_from() -> dict:
    """The process after its imports."""
    done = subprocess.run([sys.executable, "-c", REPORT], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "ahead of the tasks" not in done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def imports_inside_functions(file: Path) -> set[str]:
    """The modules that ``file`` imports when one of its functions runs."""
    functions = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)]
    nodes = [node for function in functions for node in ast.walk(function)]
    names = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return names | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def file_of(module: str) -> Path:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_no_stage_has_anything_left_to_import(forked_from: dict) -> None:
    """Each task would import it anew: Great Expectations takes seconds, and all of Sluice half of one."""
    loaded = set(forked_from["modules"])
    own = [name for name in loaded if name.split(".")[0] == "sluice"]
    wanted = {name: imports_inside_functions(file_of(name)) - loaded for name in own}
    # zlib is what is taken where isal is not installed; SFTP is for few feeds, and its libraries are large
    seldom = {"zlib", "sluice.sources.sftp", "airflow.providers.sftp.hooks.sftp", "paramiko"}
    seldom |= {"airflow.providers.http.hooks.http", "requests.auth", "requests.utils", "sluice.sources.http"}
    assert {name: late for name, late in wanted.items() if late - seldom} == {}
    stages = {f"sluice.stages.{path.stem}" for path in (PACKAGE / "stages").glob("*.py") if path.stem != "__init__"}
    assert stages - loaded == set()


def test_a_process_that_forks_has_no_second_thread(forked_from: dict) -> None:
    """A child has only the thread that forked; a lock that another one held would be held for ever."""
    assert forked_from["threads"] == 1


def test_what_was_imported_is_no_business_of_the_garbage_collector(forked_from: dict) -> None:
    assert forked_from["frozen"] > 100_000


def test_plugins_were_looked_for(forked_from: dict) -> None:
    assert forked_from["plugins"] == 1


def test_what_cannot_be_imported_is_left_to_the_tasks(caplog: pytest.LogCaptureFixture) -> None:
    """The process that all tasks are forked from must not die of one of them."""
    from sluice.edge import preloaded

    preloaded._try(lambda: 1 / 0, "nothing")
    assert "nothing failed ahead of the tasks" in caplog.text
