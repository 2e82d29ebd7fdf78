"""A small feed in a folder of its own, with samples, for tests that try it without a warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.parsed import write_feed
from tests.small_feeds import zipped

from sluice.checks.report import Report, check_feed
from sluice.feed.model import Feed
from sluice.findings import Finding

ORDERS = """
namespaces: {default: urn:orders, x: urn:extra}
tables:
  orders:
    record: /Orders/Order
    key: order_id
    version: changed_at
    columns:
      order_id: "@id"
      changed_at: {path: Changed, type: date}
      customer: Customer/Name
      total: {path: Total, type: "numeric(9,2)"}
      currency: Total/@currency
      sender: ../Header/Sender
  lines:
    parent: orders
    rows: Lines/Line
    columns:
      article: {path: [Article/@number, Article], required: true}
      color: "Property[@name='color']"
"""
LINE = '<Line><Article number="{article}"/><Property name="color">red</Property></Line>'


def order(number: int, changed: str = "2026-03-01", total: str = "1.50", lines: str = "", more: str = "") -> str:
    return (
        f'<Order id="{number}"><Changed>{changed}</Changed><Customer><Name>C{number}</Name></Customer>'
        f'<Total currency="EUR">{total}</Total><Lines>{lines or LINE.format(article=number)}</Lines>{more}</Order>\n'
    )


def orders(*records: str, namespace: str = "urn:orders") -> str:
    header = "<Header><Sender>ACME</Sender></Header>"
    return f'<Orders xmlns="{namespace}" xmlns:x="urn:extra">\n{header}\n{"".join(records)}</Orders>\n'


Content = str | bytes | Mapping[str, str]


def feed_with_samples(folder: Path, samples: Mapping[str, Content], text: str = ORDERS, name: str = "orders") -> Feed:
    feed = write_feed(folder, text, name)
    for file, content in samples.items():
        path = feed.folder / "samples" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        data = zipped(content) if isinstance(content, Mapping) else content
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return feed


def check(folder: Path, samples: Mapping[str, Content], text: str = ORDERS) -> Report:
    return check_feed(feed_with_samples(folder, samples, text).folder)


def found(report: Report, code: str) -> Finding:
    """The one finding of this code."""
    (finding,) = (one for one in report.findings if one.code == code)
    return finding


def codes(report: Report) -> set[tuple[str, str]]:
    return {(one.severity, one.code) for one in report.findings}
