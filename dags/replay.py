"""Tries quarantined records and files again; its form says which.

    fetch ─▶ split ─▶ [ parse ─▶ validate ─▶ load ] ─▶ reconcile
                       mapped over the batches

The stages are those of a feed; fetch takes entries of the quarantine instead of files of the source.
"""

from airflow.sdk import chain, task_group

from sluice.edge import fetch, load, parse, reconcile, replay_dag, split, validate


@task_group(prefix_group_id=False)
def batches(batch):
    """One batch: parts of files, or some records of them."""
    chain(parse(batch=batch), validate(batch=batch), load(batch=batch))


with replay_dag():
    manifest = fetch()
    chain(batches.expand(batch=split(manifest)), reconcile(manifest))
