"""The root elements of documents: whether they are those that the feed reads."""

from __future__ import annotations

from sluice import xmlio
from sluice.errors import MalformedXML
from sluice.plan import Plan

MAX_REMEMBERED, MAX_REMEMBERED_BYTES = 64, 4096


class RootCheck:
    """Refuses a document whose root element is not one that the feed reads, before the rest of it is read."""

    def __init__(self, plan: Plan) -> None:
        self._expected = plan.root_names
        self._local_names = {tag.rpartition("}")[2] for tag in self._expected}
        self._sightings = plan.sightings
        self._passed: set[bytes] = set()

    def __call__(self, document: bytes) -> None:
        if document in self._passed:
            return
        root = xmlio.parse_document(document)
        if root.tag not in self._expected:
            if root.tag.rpartition("}")[2] in self._local_names:
                self._sightings.note_namespace(root.tag)
            raise MalformedXML(
                "wrong_document",
                f"the root element is {spell_tag(root.tag)}; this feed reads {self._spell_expected()}",
                line=1,
            )
        # Files of one sender begin alike.
        if len(self._passed) < MAX_REMEMBERED and len(document) <= MAX_REMEMBERED_BYTES:
            self._passed.add(document)

    def _spell_expected(self) -> str:
        spelled = sorted(map(spell_tag, self._expected))
        if len(spelled) <= 2:
            return " or ".join(spelled)
        return f"{spelled[0]} … {spelled[-1]} ({len(spelled)} versions)"


def spell_tag(tag: str) -> str:
    namespace, _, local = tag.rpartition("}")
    return f"<{local}> in namespace {namespace[1:]!r}" if namespace else f"<{local}> in no namespace"
