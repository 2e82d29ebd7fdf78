"""What the samples of patent grants hold, counted without Sluice."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.standards.counting import count_below, documents, first, local, texts

BIB = "us-bibliographic-data-grant"
NUMBER = f"{BIB}/publication-reference/document-id/doc-number"
BELOW = [
    f"{BIB}/classifications-ipcr/classification-ipcr",
    f"{BIB}/priority-claims/priority-claim",
    f"{BIB}/us-references-cited/us-citation",
    f"{BIB}/us-related-documents/continuation/relation",
    f"{BIB}/us-related-documents/division/relation",
    f"{BIB}/us-related-documents/continuation-in-part/relation",
    f"{BIB}/us-related-documents/us-provisional-application",
    f"{BIB}/us-parties/us-applicants/us-applicant",
    f"{BIB}/us-parties/inventors/inventor",
    f"{BIB}/us-parties/agents/agent",
    f"{BIB}/assignees/assignee",
    "claims/claim",
]


def newest(folder: Path) -> tuple[int, list[ET.Element], list[ET.Element]]:
    """Number of documents, of each grant the one that was produced last, and the sequence listings."""
    found, by_key, listings = 0, {}, []
    for _, root in documents(folder):
        found += 1
        if local(root) == "sequence-cwu":
            listings.append(root)
            continue
        key, produced = first(root, NUMBER), root.get("date-produced")
        if key not in by_key or by_key[key][0] < produced:
            by_key[key] = (produced, root)
    return found, [root for _, root in by_key.values()], listings


def expected(folder: Path = Path(__file__).parent / "samples") -> dict[str, Any]:
    found, grants, listings = newest(folder)
    root = "/us-patent-grant"
    sorted_ = [NUMBER, f"{BIB}/invention-title", "abstract/p", "claims/claim/claim-text"]
    sorted_ += [f"{BIB}/us-references-cited/us-citation/patcit/document-id/date"]
    corrected = next(g for g in grants if (first(g, "abstract/p") or "").startswith("(Corrected)"))
    return {
        "found": found,
        "tables": {**count_below(grants, root, BELOW), "/sequence-cwu": len(listings)},
        "sums": {
            f"{root}/{path}": sum((Decimal(text) for g in grants for text in texts(g, path)), Decimal(0))
            for path in (f"{BIB}/number-of-claims", f"{BIB}/us-term-of-grant/us-term-extension")
        },
        "distinct": {
            f"{root}/{path}": len({text for g in grants for text in texts(g, path)})
            for path in (NUMBER, f"{BIB}/us-parties/inventors/inventor/addressbook/last-name")
        },
        "sorted": {f"{root}/{path}": sorted(text for g in grants for text in texts(g, path)) for path in sorted_},
        "rows": [
            (
                root,
                {f"{root}/{NUMBER}": first(corrected, NUMBER)},
                {
                    f"{root}/abstract/p": [first(corrected, "abstract/p")],
                    f"{root}/{BIB}/application-reference/@appl-type": "utility",
                    f"{root}/@date-produced": "2026-01-19",
                },
            )
        ],
    }


PLANTED = [{"file": "ipg260127.xml", "record": "1", "reasons": ["not_a_date patents application_date"]}]
"""The 31st of February."""

SOUND_BESIDE = 2
"""Records of the folder of broken files that load all the same."""
