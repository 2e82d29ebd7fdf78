"""Samples as a test writes them, and the shapes that are read from them."""

from __future__ import annotations

from pathlib import Path

from sluice.cli import main
from sluice.draft.samples import Samples, local_samples, read_samples
from sluice.draft.shape import Shape
from sluice.feed.loading import load_feed
from sluice.feed.model import Feed


def sampled(folder: Path, *documents: str | bytes) -> Samples:
    """What is read of these documents, each a file of its own."""
    for number, document in enumerate(documents):
        data = document.encode() if isinstance(document, str) else document
        (folder / f"{number:03}.xml").write_bytes(data)
    return read_samples(local_samples([str(folder)]))


def shape_at(samples: Samples, path: str) -> Shape:
    """The shape at a path of local names."""
    steps = path.strip("/").split("/")
    return next(s for root in samples.roots for s in root.walk() if [n.rpartition("}")[2] for n in s.path] == steps)


def drafted(folder: Path, *documents: str) -> Feed:
    """The feed that ``sluice draft`` makes of these documents."""
    (folder / "in").mkdir()
    for number, document in enumerate(documents):
        (folder / "in" / f"{number:03}.xml").write_text(document, encoding="utf-8")
    assert main(["draft", "drafted", str(folder / "in"), "--out", str(folder / "drafted")]) == 0
    return load_feed(folder / "drafted")
