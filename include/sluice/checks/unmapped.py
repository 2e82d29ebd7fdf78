"""What no column reads: elements, attributes and namespaces, but for those that the feed ignores as drift."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sluice.feed.model import Feed
from sluice.findings import Finding, Severity
from sluice.sightings import ATTRIBUTE, ELEMENT, NAMESPACE
from sluice.spots import Spot, spot_of
from sluice.tryout.trial import Counts, TriedBatch
from sluice.wording import counted

_CODES = {ELEMENT: "element_unmapped", ATTRIBUTE: "attribute_unmapped", NAMESPACE: "namespace_unlisted"}


class Unmapped:
    """Adds up what parse has counted as drift, by kind and path."""

    def __init__(self, feed: Feed) -> None:
        self._found: dict[tuple[str, str], tuple[int, Spot]] = {}

    def take(self, tried: TriedBatch) -> None:
        files = {file.uri: file for file in tried.files.values()}
        for seen in tried.drift["findings"]:
            key = seen["kind"], seen["path"]
            count, spot = self._found.get(key, (0, _spot(files, seen)))
            self._found[key] = count + seen["count"], spot

    def findings(self, counts: Counts) -> Iterator[Finding]:
        for (kind, path), (count, spot) in sorted(self._found.items(), key=lambda item: -item[1][0]):
            severity: Severity = "warning" if kind == NAMESPACE else "note"
            what = f"the feed does not list the namespace {path}" if kind == NAMESPACE else f"no column reads {path}"
            message = f"{what}, met {counted(count, 'time')}"
            yield Finding(severity, _CODES[kind], message, spot, path=path, count=count, examples=(spot,))


def _spot(files: dict[str, Any], seen: dict[str, Any]) -> Spot:
    return spot_of(files[seen["uri"]], seen["member"], seen["line"], seen["record"])
