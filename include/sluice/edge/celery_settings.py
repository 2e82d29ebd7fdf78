"""Celery's settings, for ``[celery] celery_config_options``: Airflow's own, and what a worker imports at its start.

Celery's worker forks its pool (``prefork``) whatever ``[celery] mp_start_method`` says, which is for Airflow's helper
processes only; so what it imports before that is there in every task.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG

CELERY_CONFIG: dict[str, Any] = {**DEFAULT_CELERY_CONFIG, "imports": ("sluice.edge.preloaded",)}
