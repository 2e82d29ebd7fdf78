"""Whether records, or whole documents, are valid by the feed's XSD."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from lxml import etree

from sluice import xmlio
from sluice.errors import MalformedXML
from sluice.feed.model import Feed
from sluice.pieces import Piece
from sluice.plan import Plan
from sluice.records import Reason
from sluice.validity.alone import judge_alone
from sluice.validity.errors import TOO_MANY, errors_in, tell_error
from sluice.validity.findings import Findings, Places
from sluice.validity.roots import spell_tag

# Of one part. Each may have taken half a second: that is when libxml2 gives up on a pattern that explodes.
MAX_GIVEN_UP = 20
# A document that is validated as a whole must be held in memory as a whole.
MAX_WHOLE_DOCUMENT_BYTES = 64 << 20


@dataclass(slots=True)
class Unjudged:
    """How many records of a part the XSD could not judge, and whether there is no point in going on."""

    count: int = 0

    @property
    def is_too_many(self) -> bool:
        return self.count > MAX_GIVEN_UP

    @property
    def message(self) -> str:
        return f"more than {MAX_GIVEN_UP} records that cannot be judged: {TOO_MANY}"


class RecordValidity:
    """Checks records against the XSD of their document's namespace.

    With scope ``record`` each record is judged as a document of its own: its ancestors with what they hold before the
    first record, and it; only what is wrong inside the record counts. With scope ``file`` the document is judged whole.
    """

    def __init__(self, feed: Feed, plan: Plan) -> None:
        self._feed, self._plan = feed, plan
        self.is_on = feed.xsd is not None
        self.judges_documents = feed.xsd is not None and feed.xsd.scope == "file"
        self._schema: etree.XMLSchema | None = None
        self._findings: Findings | None = None

    @cached_property
    def _schemas(self) -> xmlio.Schemas:
        assert self._feed.xsd is not None
        return xmlio.Schemas(self._feed.folder, self._feed.xsd.files)

    def look_at(self, root: xmlio.Element, piece: Piece) -> None:
        """Prepare to judge the records of this tree.

        Raises ``MalformedXML`` where the document is judged as a whole and invalid.
        """
        if not self.is_on:
            return
        self._schema = self._schemas.for_root(root)
        if self.judges_documents:
            self._judge_document(root, piece)
        elif self._schema is not None:
            errors = errors_in(root.getroottree(), self._schema)
            self._findings = Findings(errors, self._plan.local_paths, Places(root), self._schemas)

    def _judge_document(self, root: xmlio.Element, piece: Piece) -> None:
        if not piece.is_whole:
            limit = f"a document that is validated whole may hold {MAX_WHOLE_DOCUMENT_BYTES} bytes at most"
            message = f"{limit}; use `scope: record`"
            raise MalformedXML("too_large", message, offset=piece.offset, line=piece.first_line)
        if self._schema is None:
            offset, line = piece.place_of(1, 1)
            raise MalformedXML("xsd_invalid", _no_schema(root), offset=offset, line=line)
        errors = errors_in(root.getroottree(), self._schema)
        if errors is None or errors:
            offset, line = piece.place_of(errors[0].line if errors else 1, 1)
            message = f"line {line}: {tell_error(errors[0].message)[0]}" if errors else TOO_MANY
            raise MalformedXML("xsd_invalid", message, offset=offset, line=line)

    def why_invalid(self, root: xmlio.Element) -> str | None:
        """The first XSD error of a document in one line; None where it is valid or there is no XSD."""
        if not self.is_on:
            return None
        schema = self._schemas.for_root(root)
        if schema is None:
            return _no_schema(root)
        errors = errors_in(root.getroottree(), schema)
        if errors is None:
            return TOO_MANY
        return tell_error(errors[0].message)[0] if errors else None

    def reasons(self, element: xmlio.Element, unjudged: Unjudged) -> list[Reason]:
        """What the XSD has against this record: where too many of its part are ``unjudged``, that it was not judged."""
        if not self.is_on or self.judges_documents:
            return []
        if self._schema is None:
            return [Reason("xsd_invalid", _no_schema(element.getroottree().getroot()))]
        assert self._findings is not None
        if not self._findings.makes_suspect(element):
            return []
        if unjudged.is_too_many:
            return [Reason("xsd_invalid", f"not judged: {unjudged.message}")]
        reasons = judge_alone(self._schemas, self._schema, self._plan.isolate(element))
        unjudged.count += any(reason.message == TOO_MANY for reason in reasons)
        return reasons


def _no_schema(root: xmlio.Element) -> str:
    return f"the feed has no XSD for {spell_tag(root.tag)}"
