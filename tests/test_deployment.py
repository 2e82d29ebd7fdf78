"""The compose file: components share what they must share, and ask for no secret that the example does not name."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from sluice.stack.components import AIRFLOW_COMPONENTS

PROJECT = Path(__file__).parents[1]
TEXT = (PROJECT / "docker-compose.yaml").read_text()
SERVICES = YAML(typ="safe").load(TEXT)["services"]
AIRFLOW = {name: service for name, service in SERVICES.items() if name.startswith("airflow-")}


def test_every_component_of_airflow_is_there():
    commands = {service["command"] for service in AIRFLOW.values() if isinstance(service["command"], str)}

    assert commands == {*AIRFLOW_COMPONENTS, "celery worker"}


@pytest.mark.parametrize(
    "name",
    [
        "AIRFLOW__API_AUTH__JWT_SECRET",
        "AIRFLOW__API__SECRET_KEY",
        "AIRFLOW__CORE__FERNET_KEY",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "AIRFLOW_CONN_SLUICE_WAREHOUSE",
        "SLUICE_WORK",
    ],
)
def test_components_share_what_must_be_the_same(name: str):
    assert len({service["environment"][name] for service in AIRFLOW.values()}) == 1


def test_every_secret_is_required_and_named_in_the_example():
    required = set(re.findall(r"\$\{(\w+):\?", TEXT))
    named = set(re.findall(r"^(\w+)=$", (PROJECT / ".env.example").read_text(), re.MULTILINE))

    assert required == named


def test_every_setting_of_the_documentation_reaches_every_component():
    """The laptop stack and ``sluice run`` have a setting each that no container reads."""
    page = (PROJECT / "docs/running.md").read_text()
    settings = set(re.findall(r"SLUICE_[A-Z_]+\b", page)) | {
        f"SLUICE_SMTP_{end}" for end in re.findall(r"`…_([A-Z]+)`", page)
    }
    settings -= {"SLUICE_HOME", "SLUICE_WAREHOUSE"}
    named = set(re.findall(r"^#?(SLUICE_\w+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE))

    for name, service in AIRFLOW.items():
        assert settings - service["environment"].keys() == set(), name
    assert settings - named == set()


def test_a_run_is_split_for_as_many_tasks_as_a_worker_runs_at_once():
    environment = AIRFLOW["airflow-worker"]["environment"]

    assert environment["SLUICE_SLOTS"] == f"${{SLUICE_SLOTS:-{environment['AIRFLOW__CELERY__WORKER_CONCURRENCY']}}}"


def test_the_image_holds_what_it_copies():
    copied = re.findall(r"^COPY --chown=airflow:0 (.+)$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    sources = {source for line in copied for source in line.split()[:-1]}
    allowed = {line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    for source in sources:
        assert (PROJECT / source).exists()
        assert source.split("/")[0] in allowed


def test_the_image_has_the_airflow_that_is_pinned():
    pinned = re.search(r"^apache-airflow==(\S+)$", (PROJECT / "constraints.txt").read_text(), re.MULTILINE)

    assert pinned is not None
    assert f"apache/airflow:{pinned[1]}-python" in (PROJECT / "Dockerfile").read_text()


def test_constraints_pin_versions_and_name_no_address():
    for line in (PROJECT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*==[0-9][\w.!+]*(?: ; .+)?", line), line
