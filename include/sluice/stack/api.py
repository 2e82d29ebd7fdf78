"""A small client of Airflow's REST API, as much of it as the stack and the demo need."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import httpx

TIMEOUT_SECONDS = 30
COMPONENTS = ("scheduler", "triggerer", "dag_processor")


@dataclass(slots=True)
class AirflowApi:
    """Talks to ``url`` as ``user``. Raises httpx.HTTPError when Airflow is not there or refuses."""

    url: str
    user: str
    password: str
    _client: httpx.Client | None = field(default=None, repr=False)

    def answers(self) -> bool:
        """Whether Airflow is there and knows the user: another one, which took the port first, would not."""
        try:
            self._client = self._log_in()
        except (httpx.HTTPError, KeyError, TypeError, ValueError):  # no server, or one that is no Airflow
            return False
        return True

    def health(self) -> dict[str, Any] | None:
        """What Airflow says of its components, None while it does not answer."""
        try:
            answer = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=TIMEOUT_SECONDS, trust_env=False)
        except httpx.TransportError:
            return None
        return answer.json() if answer.status_code == httpx.codes.OK else None

    def is_healthy_since(self, moment: dt.datetime) -> bool:
        """Whether every component gave a sign of life after ``moment`` (a crash leaves older ones that look fresh)."""
        health = self.health()
        return (
            health is not None
            and health["metadatabase"]["status"] == "healthy"
            and all(_beats_since(health[name], f"latest_{name}_heartbeat", moment) for name in COMPONENTS)
        )

    def warm(self) -> None:
        """Make the API for tasks ready: Airflow builds it, for some seconds, at the first request of the first task."""
        httpx.get(f"{self.url}/execution/health", timeout=TIMEOUT_SECONDS, trust_env=False)

    def ensure_pool(self, name: str, slots: int, description: str) -> None:
        """Make a pool; one that exists is left as it is, since a person may have changed it."""
        if self._request("GET", f"/pools/{name}", missing_is_fine=True) is None:
            self._request("POST", "/pools", {"name": name, "slots": slots, "description": description})

    def dag_ids(self) -> set[str]:
        return {dag["dag_id"] for dag in self._request("GET", "/dags?limit=100")["dags"]}

    def import_errors(self) -> dict[str, str]:
        """Files that Airflow could not read DAGs from, with the reason."""
        return {
            item["filename"]: item["stack_trace"] for item in self._request("GET", "/importErrors")["import_errors"]
        }

    def unpause(self, dag_id: str) -> None:
        self._request("PATCH", f"/dags/{dag_id}?update_mask=is_paused", {"is_paused": False})

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        """Start a run by hand."""
        self._request("POST", f"/dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None, "conf": conf})

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The latest runs of a DAG, the newest first."""
        return list(self._request("GET", f"/dags/{dag_id}/dagRuns?limit=50&order_by=-run_after")["dag_runs"])

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return list(self._request("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=100")["task_instances"])

    def _request(self, method: str, path: str, body: Any = None, *, missing_is_fine: bool = False) -> Any:
        if self._client is None:
            self._client = self._log_in()
        answer = self._client.request(method, f"/api/v2{path}", json=body)
        if missing_is_fine and answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.is_error:
            raise httpx.HTTPError(f"Airflow answered {answer.status_code} to {method} {path}: {answer.text[:500]}")
        return answer.json()

    def _log_in(self) -> httpx.Client:
        client = httpx.Client(base_url=self.url, timeout=TIMEOUT_SECONDS, trust_env=False)
        answer = client.post("/auth/token", json={"username": self.user, "password": self.password})
        answer.raise_for_status()
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return client


def _beats_since(component: dict[str, str | None], key: str, moment: dt.datetime) -> bool:
    latest = component.get(key)
    return component["status"] == "healthy" and latest is not None and dt.datetime.fromisoformat(latest) >= moment
