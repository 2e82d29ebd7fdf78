"""The hash of a mapping changes with what decides rows, and with nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.feed_language.conftest import ORDERS

from sluice.feed.loading import load_feed
from sluice.feed.mapping import mapping_document, mapping_hash
from sluice.feed.model import Feed

ChangeFeed = Callable[..., Feed]

DECIDING = {
    "namespace": ("[urn:shop:1, urn:shop:2]", "[urn:shop:1]"),
    "record": ("record: /Orders/Order", "record: /Orders/Request"),
    "key": ("key: id", "key: [id, revision]"),
    "version": ("[changed, revision]", "[revision, changed]"),
    "path": ("sku: Sku", "sku: Code"),
    "order of paths": ("[Name, Label]", "[Label, Name]"),
    "type": ('"text[]"', '"bigint[]"'),
    "required": (", required: true", ""),
    "null token": ('["", n/a]', '[""]'),
    "format": ('"%d.%m.%Y"', '"%Y%m%d"'),
    "zone": (", timezone: UTC}", "}"),
    "trim": (", trim: true", ""),
    "rows": ("rows: Note", "rows: Remark"),
    "column added": ("sku: Sku", "sku: Sku\n      size: Size"),
    "column removed": ('      codes: {path: Code, type: "text[]"}\n', ""),
    "critical expectation": ("not_be_null: {column: ordered_on}", "not_be_null: {column: total}"),
    "severity to critical": ("severity: warning", "severity: critical"),
    "malformed": ("rejects:", "malformed: keep_records\nrejects:"),
    "allow_empty": ("rejects:", "allow_empty: true\nrejects:"),
    "max_record_bytes": ("rejects:", "max_record_bytes: 2048\nrejects:"),
}

INDIFFERENT = {
    "description": ("The orders of all shops.", "All orders."),
    "description of a column": (", description: What the buyer's bank pays.", ""),
    "tags": ("[shop, daily]", "[]"),
    "comments": ("feed: orders\n", "# yaml-language-server: $schema=../feed.schema.json\nfeed: orders  # the shop's\n"),
    "owner": ("source:", "owner: me\nsource:"),
    "source": ("s3://bucket/orders", "s3://other/orders"),
    "schedule": ("30 5 *", "30 6 *"),
    "target": ("schema: sales", "schema: shop"),
    "indexes": ("    indexes: [total, [ordered_on, total]]\n", ""),
    "limits": ("max_share: 0.1", "max_share: 0.2"),
    "expectations of the run": ("{min_value: 1}", "{min_value: 2}"),
    "reported expectation": ("{column: total, min_value: 0}", "{column: total, min_value: 1}"),
    "order of null tokens": ('["", n/a]', '[n/a, ""]'),
    "order of URIs": ("[urn:shop:1, urn:shop:2]", "[urn:shop:2, urn:shop:1]"),
    "default written out": (", type: integer,", ", type: integer, required: false, "),
    "long form": ("sku: Sku", "sku: {path: [Sku], type: text}"),
    "spelling of a type": ('"numeric(18, 2)"', '"numeric(18,2)"'),
    "order of columns": ("      sku: Sku\n      name: [Name, Label]\n", "      name: [Name, Label]\n      sku: Sku\n"),
}


@pytest.mark.parametrize("change", DECIDING.values(), ids=DECIDING)
def test_deciding(change_feed: ChangeFeed, change: tuple[str, str]) -> None:
    """What decides a row, or whether it loads, changes the hash."""
    assert mapping_hash(change_feed(change)) != mapping_hash(change_feed())


@pytest.mark.parametrize("change", INDIFFERENT.values(), ids=INDIFFERENT)
def test_indifferent(change_feed: ChangeFeed, change: tuple[str, str]) -> None:
    """When, where and for whom, and how the same is written, leave the hash."""
    assert mapping_hash(change_feed(change)) == mapping_hash(change_feed())


def test_document(change_feed: ChangeFeed) -> None:
    """The document is plain JSON, the same after a round trip."""
    document = mapping_document(change_feed())
    assert json.loads(json.dumps(document)) == document
    assert document["tables"]["orders"]["columns"]["total"] == {
        "path": ["Total", "Sum/@ext:amount"],
        "type": "numeric(18,2)",
    }


def test_hash_is_sha256(change_feed: ChangeFeed) -> None:
    """The hash is 64 hex digits."""
    assert len(bytes.fromhex(mapping_hash(change_feed()))) == 32


def test_schemas(write_feed: Callable[..., Path]) -> None:
    """The bytes of the XSD and of those beside it decide, and so does the scope."""
    text = ORDERS.replace("tables:", "xsd: {files: order.xsd}\ntables:", 1)
    folder = write_feed(text)
    (folder / "order.xsd").write_text("<a/>")
    hashes = [mapping_hash(load_feed(folder))]
    (folder / "order.xsd").write_text("<b/>")
    hashes.append(mapping_hash(load_feed(folder)))
    (folder / "types").mkdir()
    (folder / "types" / "imported.xsd").write_text("<c/>")
    hashes.append(mapping_hash(load_feed(folder)))
    write_feed(text.replace("order.xsd}", "order.xsd, scope: file}"))
    hashes.append(mapping_hash(load_feed(folder)))
    assert len(set(hashes)) == 4
