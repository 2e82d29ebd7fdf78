"""What of a feed decides its rows, as one document, and its hash; the ledger keeps both with a growing generation.

Left out is what decides only when, where and for whom (source, schedule, owner, target, descriptions, indexes), or
whether a run counts as a success (limits, the sender's totals, the expectations of the run, those that are not
critical).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sluice.feed.model import Column, Deletes, Feed, Table

# counts up when Sluice itself reads the same declaration in another way
LANGUAGE = 1


def mapping_hash(feed: Feed) -> str:
    """The SHA-256 of ``mapping_document``, in hex."""
    canonical = json.dumps(mapping_document(feed), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def mapping_document(feed: Feed) -> dict[str, Any]:
    """Everything that decides the feed's rows, in plain JSON values. Reads the XSDs; raises OSError where it cannot."""
    return {
        "language": LANGUAGE,
        "namespaces": {prefix: sorted(uris) for prefix, uris in feed.namespaces.items()},
        "xsd": {"scope": feed.xsd.scope, "files": list(feed.xsd.files), "sha256": _digests(feed)} if feed.xsd else None,
        "tables": {name: _table(table) for name, table in feed.tables.items()},
        "malformed": feed.malformed,
        "allow_empty": feed.allow_empty,
        "max_record_bytes": feed.max_record_bytes,
        **_options(feed),
    }


def _options(feed: Feed) -> dict[str, Any]:
    """What came into the language later, without what stays at its default: existing feeds keep their hash."""
    quotas = feed.quotas.model_dump(mode="json", exclude_defaults=True)
    return {**({"quotas": quotas} if quotas else {}), **({"encoding": feed.encoding} if feed.encoding else {})}


def _digests(feed: Feed) -> dict[str, str]:
    """The digest of every XSD in the folder: the declared ones import and include others."""
    files = {folder_file.relative_to(feed.folder).as_posix(): folder_file for folder_file in feed.folder.rglob("*.xsd")}
    files |= {name: feed.folder / name for name in (feed.xsd.files if feed.xsd else ())}
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in sorted(files.items())}


def _table(table: Table) -> dict[str, Any]:
    return {
        "record": table.record,
        "parent": table.parent,
        "rows": table.rows,
        "key": list(table.key),
        "version": list(table.version),
        "columns": {name: _column(column) for name, column in table.columns.items()},
        "expectations": [
            {"type": expectation.type, "arguments": expectation.arguments}
            for expectation in table.expectations
            if expectation.severity == "critical"
        ],
        **({"deletes": _deletes(table.deletes)} if table.deletes else {}),
    }


def _deletes(deletes: Deletes) -> dict[str, Any]:
    values = deletes.model_dump(mode="json", exclude_defaults=True)
    return {**values, "values": sorted(deletes.values)} if deletes.values else values


def _column(column: Column) -> dict[str, Any]:
    """What is declared, without what stays at its default: a new option of the language changes no hash."""
    values = column.model_dump(mode="json", exclude={"description"}, exclude_defaults=True)
    return {**values, "null": sorted(column.null)} if column.null else values
