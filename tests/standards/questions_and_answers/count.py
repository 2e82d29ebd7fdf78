"""What the samples of a question-and-answer dump hold, counted without Sluice."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.standards.counting import documents, local

KINDS = ["posts", "users", "votes", "tags"]


def newest(folder: Path) -> tuple[int, dict[str, list[ET.Element]]]:
    """Number of rows, and of each kind those of the latest dump that has their id."""
    found, by_id = 0, {kind: {} for kind in KINDS}
    for _, root in documents(folder):  # in the order of their dates
        for row in root:
            found += 1
            by_id[local(root)][row.get("Id")] = row
    return found, {kind: list(rows.values()) for kind, rows in by_id.items()}


def values(rows: list[ET.Element], name: str) -> list[str]:
    return [row.get(name) for row in rows if row.get(name) is not None]


def expected(folder: Path = Path(__file__).parent / "samples") -> dict[str, Any]:
    found, rows = newest(folder)
    sums = [
        ("posts", "Score"),
        ("posts", "ViewCount"),
        ("users", "Reputation"),
        ("votes", "BountyAmount"),
        ("votes", "Id"),
    ]
    texts = [("posts", "Body"), ("posts", "Tags"), ("posts", "Title"), ("users", "DisplayName"), ("users", "AboutMe")]
    texts += [("users", "WebsiteUrl"), ("tags", "TagName")]
    first = next(row for row in rows["posts"] if row.get("Id") == "4")
    return {
        "found": found,
        "tables": {f"/{kind}/row": len(rows[kind]) for kind in KINDS},
        "sums": {f"/{kind}/row/@{name}": sum(map(Decimal, values(rows[kind], name))) for kind, name in sums},
        "distinct": {
            f"/{kind}/row/@{name}": len(set(values(rows[kind], name)))
            for kind, name in [("posts", "OwnerUserId"), ("posts", "CreationDate"), ("votes", "VoteTypeId")]
        },
        "sorted": {f"/{kind}/row/@{name}": sorted(values(rows[kind], name)) for kind, name in texts},
        "rows": [
            (
                "/posts/row",
                {"/posts/row/@Id": "4"},
                {
                    "/posts/row/@Score": first.get("Score"),
                    "/posts/row/@Tags": first.get("Tags"),
                    "/posts/row/@CreationDate": first.get("CreationDate") + "000Z",
                    "/posts/row/@ParentId": None,
                },
            )
        ],
    }


PLANTED = [{"file": "2026-05-01/Posts.xml", "record": "2", "reasons": ["not_a_number posts view_count"]}]
"""A number of views that is none."""

SOUND_BESIDE = 2
"""Records of the folder of broken files that load all the same."""
