"""Whether documents and records are what the feed says: the right root element, and valid by the feed's XSD."""

from __future__ import annotations

from functools import cached_property

from lxml import etree

from sluice import xmlio
from sluice.errors import MalformedXML
from sluice.feed.model import Feed
from sluice.plan import Element, Plan
from sluice.records import Reason

MAX_XSD_REASONS = 5
# A document that is validated as a whole must be held in memory as a whole.
MAX_WHOLE_DOCUMENT_BYTES = 64 << 20


class RootCheck:
    """Refuses a document whose root element is not one that the feed reads, before the rest of it is read."""

    def __init__(self, plan: Plan) -> None:
        self._expected = plan.root_names

    def __call__(self, document: bytes) -> None:
        root = xmlio.parse_document(document)
        if root.tag not in self._expected:
            raise MalformedXML(
                "wrong_document",
                f"the root element is {_spell(root.tag)}; this feed reads {self._spell_expected()}",
                line=1,
            )

    def _spell_expected(self) -> str:
        spelled = sorted(map(_spell, self._expected))
        if len(spelled) <= 2:
            return " or ".join(spelled)
        return f"{spelled[0]} … {spelled[-1]} ({len(spelled)} versions)"


def _spell(tag: str) -> str:
    namespace, _, local = tag.rpartition("}")
    return f"<{local}> in namespace {namespace[1:]!r}" if namespace else f"<{local}> in no namespace"


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
        self._all_valid = True

    @cached_property
    def _schemas(self) -> xmlio.Schemas:
        assert self._feed.xsd is not None
        return xmlio.Schemas(self._feed.folder, self._feed.xsd.files)

    def look_at(self, root: Element, *, is_whole: bool) -> None:
        """Prepare to judge the records of this tree. Raises ``MalformedXML`` where the document is judged as a whole
        and invalid.
        """
        if not self.is_on:
            return
        self._schema = self._schemas.for_root(root)
        if self.judges_documents:
            self._judge_document(root, is_whole)
        else:
            # Records that are valid side by side are valid one by one; only where something is wrong each is looked at.
            self._all_valid = self._schema is not None and self._schema.validate(root)

    def _judge_document(self, root: Element, is_whole: bool) -> None:
        self._all_valid = True
        if not is_whole:
            message = f"a document that is validated whole may hold {MAX_WHOLE_DOCUMENT_BYTES} bytes at most; use `scope: record`"
            raise MalformedXML("too_large", message)
        why = self.why_invalid(root)
        if why is not None:
            raise MalformedXML("xsd_invalid", why)

    def why_invalid(self, root: Element) -> str | None:
        """The first XSD error of a document in one line; None where it is valid or there is no XSD."""
        if not self.is_on:
            return None
        schema = self._schemas.for_root(root)
        if schema is None:
            return f"the feed has no XSD for {_spell(root.tag)}"
        if schema.validate(root):
            return None
        error = _errors(schema)[0]
        return f"line {error.line}: {_shorten(error.message)}"

    def reasons(self, element: Element) -> list[Reason]:
        """What the XSD has against this record."""
        if self._all_valid:
            return []
        if self._schema is None:
            return [Reason("xsd_invalid", f"the feed has no XSD for {_spell(element.getroottree().getroot().tag)}")]
        record = self._plan.isolate(element)
        tree = record.getroottree()
        if self._schema.validate(tree):
            return []
        place = tree.getpath(record)
        inside = [
            error
            for error in _errors(self._schema)
            if error.path == place or (error.path or "").startswith(place + "/")
        ]
        return [
            Reason("xsd_invalid", _shorten(error.message), path=_below(error.path, place))
            for error in inside[:MAX_XSD_REASONS]
        ]


def _errors(schema: etree.XMLSchema) -> list[etree._LogEntry]:
    """What the last validation found, in the order of the document."""
    return list(schema.error_log)  # type: ignore[call-overload]  # the stubs do not know that it can be iterated


def _below(path: str | None, place: str) -> str:
    return (path or "")[len(place) :].lstrip("/") or "."


def _shorten(message: str) -> str:
    """libxml2 repeats namespaces in braces before every name; without them the message is readable."""
    out, depth = [], 0
    for character in message:
        depth += character == "{"
        if not depth:
            out.append(character)
        depth -= character == "}"
    return "".join(out)
