"""What a feed is compared with: another feed file, or a mapping of its own that the ledger keeps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sluice.change.history import StoredMapping
from sluice.errors import PermanentError
from sluice.feed.document import read_document
from sluice.feed.faults import faults_of
from sluice.feed.loading import FEED_FILE
from sluice.feed.mapping import mapping_document
from sluice.feed.model import Feed


@dataclass(frozen=True, slots=True)
class Side:
    """``document`` is what decides rows. ``feed`` is the whole file; of a stored mapping, what the document has of it.
    ``note`` says what could not be compared.
    """

    name: str
    document: dict[str, Any]
    feed: Feed
    is_file: bool
    note: str = ""


def side_of_file(path: Path, name: str, present: Feed) -> Side:
    """A feed file, or the folder that holds one. XSDs are looked for beside a file of the usual name only; else those
    of the present feed stand for them.
    """
    file = path / FEED_FILE if path.is_dir() else path
    feed, note = _read_feed(file), ""
    if file.name == FEED_FILE:
        feed._folder = file.parent.absolute()
    elif feed.xsd:
        feed._folder = present.folder
        note = "the XSD files are taken to be the same"
    try:
        return Side(name, mapping_document(feed), feed, is_file=True, note=note)
    except OSError as error:
        raise PermanentError(f"{name}: an XSD cannot be read: {error.filename}: {error.strerror}") from error


def _read_feed(file: Path) -> Feed:
    document = read_document(file)
    try:
        feed = Feed.model_validate(document.data)
    except ValidationError as error:
        raise document.invalid(faults_of(error, Feed)) from None
    if document.problems:
        raise document.invalid([])
    return feed


def side_of_mapping(mapping: StoredMapping, present: Feed) -> Side:
    """A mapping of the ledger, as a feed that has its tables where the present one has them."""
    name = f"generation {mapping.generation} ({mapping.created_at:%Y-%m-%d %H:%M} UTC)"
    return Side(name, mapping.document, _feed_of_document(mapping.document, present), is_file=False)


def _feed_of_document(document: dict[str, Any], present: Feed) -> Feed:
    values = {key: value for key, value in document.items() if key not in ("language", "xsd")}
    own = present.model_dump(mode="json", by_alias=True, include={"feed", "source", "target"}, exclude_none=True)
    try:
        return Feed.model_validate({**own, **values})
    except ValidationError as error:
        raise PermanentError(
            "this mapping was made by another release of Sluice, and this one does not read it: "
            f"{next(faults_of(error, Feed)).message}"
        ) from None
