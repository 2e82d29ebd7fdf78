"""What OpenLineage is told of a feed, and what it is not told."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.small_feeds import ITEMS, Ground

from sluice.feed.loading import load_feed
from sluice.feed.model import Feed
from sluice.records import Totals


def feed_of(ground: Ground, uri: str) -> Feed:
    folder: Path = ground.root / "feeds/items"
    folder.mkdir(parents=True)
    (folder / "feed.yaml").write_text(f"feed: items\nsource: {{uri: '{uri}'}}\n{ITEMS}")
    return load_feed(folder)


@pytest.mark.parametrize(
    ("uri", "namespace", "name"),
    [
        ("s3://landing/orders/{date:%Y}/*.xml", "s3://landing", "orders"),
        ("https://somebody:s3cret@rates.example/daily/rates.xml", "https://rates.example", "daily"),
        ("/landing/*.xml", "file", "landing"),
    ],
)
def test_a_source_is_told_without_a_password(ground: Ground, uri: str, namespace: str, name: str) -> None:
    from sluice.edge.lineage import lineage_of

    told = lineage_of(feed_of(ground, uri), "host=db user=me password=s3cret dbname=w", Totals())
    (source,) = told.inputs
    assert (source.namespace, source.name) == (namespace, name)
    assert [output.namespace for output in told.outputs] == 3 * ["postgres://db:5432"]
    assert "s3cret" not in str(told)
