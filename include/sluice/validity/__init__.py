"""Whether documents and records are what the feed says: the right root element, and valid by the feed's XSD."""

from __future__ import annotations

from sluice.validity.errors import tell_error
from sluice.validity.judging import MAX_WHOLE_DOCUMENT_BYTES, RecordValidity, Unjudged
from sluice.validity.roots import RootCheck

__all__ = ["MAX_WHOLE_DOCUMENT_BYTES", "RecordValidity", "RootCheck", "Unjudged", "tell_error"]
