"""One Airflow DAG per feed: the table of contents of Sluice.

    fetch ─▶ split ─▶ [ parse ─▶ validate ─▶ load ] ─▶ reconcile
                       mapped over the batches

Feeds are declared in ``include/feeds/<feed>/feed.yaml``, stages are in ``include/sluice/stages``. Importing this file
touches no database, no network and no Variable.
"""

from airflow.sdk import chain, task_group

from sluice.edge import declared_feeds, feed_dag, fetch, load, parse, reconcile, split, validate


@task_group(prefix_group_id=False)
def batches(batch):
    """One batch: parts of files that one task can handle."""
    chain(parse(batch=batch), validate(batch=batch), load(batch=batch))


for feed in declared_feeds():
    with feed_dag(feed):
        manifest = fetch()
        chain(batches.expand(batch=split(manifest)), reconcile(manifest))
