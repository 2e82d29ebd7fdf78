"""Tables as Airflow's assets: a run that has changed them says so, and the DAGs that wait for them start.

Which tables a run has changed is known at its end only, so its last task has an alias for outlet: it adds the assets
of the feed's tables where rows came or went, and none where nothing did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias, Context

from sluice.feed.model import Feed

if TYPE_CHECKING:
    from sluice.stages.reconcile import RunSummary

TABLES = AssetAlias("sluice tables")


def table_asset(feed: Feed, table: str) -> Asset:
    """The asset of a table; ``Asset("sluice://tables/<schema>/<table>")`` in the DAG of somebody who waits for it."""
    return Asset(f"sluice://tables/{feed.schema_name}/{table}")


def tell_loaded(feed: Feed, summary: RunSummary, context: Context) -> None:
    """An event on each table of a feed whose rows the run has changed; see ``event_of`` for what it says."""
    counts = summary.totals.counts
    if summary.dry_run or not counts.inserted + counts.updated + counts.deleted:
        return
    for table in feed.tables:
        context["outlet_events"][TABLES].add(table_asset(feed, table), extra=event_of(summary, context["run_id"]))


def event_of(summary: RunSummary, dag_run_id: str) -> dict[str, Any]:
    """The event's ``extra``: which run it was, and what it came to in files and records (those of the root tables)."""
    totals, counts = summary.totals, summary.totals.counts
    return {
        "feed": summary.feed,
        "run_id": summary.run_id,
        "dag_run_id": dag_run_id,
        "files": totals.files,
        "files_quarantined": totals.files_quarantined,
        "found": totals.found,
        "loaded": totals.loaded,
        "quarantined": totals.quarantined,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "superseded": counts.superseded,
        "deleted": counts.deleted,
        "bytes": totals.bytes_read,
    }
