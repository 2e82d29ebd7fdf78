"""Whether documents and records are what the feed says: the right root element, and valid by the feed's XSD."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from lxml import etree

from sluice import xmlio
from sluice.errors import MalformedXML
from sluice.feed.model import Feed
from sluice.pieces import Piece
from sluice.plan import Plan
from sluice.records import VALUE_CAP, Reason

MAX_XSD_REASONS = 5
MAX_MENDS = 20
# Of one part. Each may have taken half a second: that is when libxml2 gives up on a pattern that explodes.
MAX_GIVEN_UP = 20
# For each fault libxml2 counts the siblings before it, to name its place. Beyond this it would take minutes.
MAX_STEPS = 50_000_000
_WIDE = 2_000
# Bytes that libxml2 keeps of a name with its prefix where it spells a path.
_CUT_OFF = 99
# A document that is validated as a whole must be held in memory as a whole.
MAX_WHOLE_DOCUMENT_BYTES = 64 << 20

# What libxml2 says of an element that its parent's content model has no place for.
_NOT_EXPECTED = "This element is not expected"
_TOO_MANY = "the XSD finds more faults than can be named, or has a pattern that takes too long on a value"
# The last name in a message: values stand before it, and may look like one.
_CONSTRAINT = re.compile(r".*(?:identity-constraint|keyref) '(?:\{[^}]*\})?([^']+)'", re.DOTALL)
_EXPECTED = re.compile(r"Expected is (?:one of )?\( (.*?) \)")


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
                f"the root element is {_spell(root.tag)}; this feed reads {self._spell_expected()}",
                line=1,
            )
        # Files of one sender begin alike.
        if len(self._passed) < MAX_REMEMBERED and len(document) <= MAX_REMEMBERED_BYTES:
            self._passed.add(document)

    def _spell_expected(self) -> str:
        spelled = sorted(map(_spell, self._expected))
        if len(spelled) <= 2:
            return " or ".join(spelled)
        return f"{spelled[0]} … {spelled[-1]} ({len(spelled)} versions)"


def _spell(tag: str) -> str:
    namespace, _, local = tag.rpartition("}")
    return f"<{local}> in namespace {namespace[1:]!r}" if namespace else f"<{local}> in no namespace"


@dataclass(slots=True)
class Unjudged:
    """How many records of a part the XSD could not judge, and whether there is no point in going on."""

    count: int = 0

    @property
    def is_too_many(self) -> bool:
        return self.count > MAX_GIVEN_UP

    @property
    def message(self) -> str:
        return f"more than {MAX_GIVEN_UP} records that cannot be judged: {_TOO_MANY}"


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
        self._findings: _Findings | None = None

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
            errors = _errors_in(root.getroottree(), self._schema)
            self._findings = _Findings(errors, self._plan.local_paths, _Places(root), self._schemas)

    def _judge_document(self, root: xmlio.Element, piece: Piece) -> None:
        if not piece.is_whole:
            limit = f"a document that is validated whole may hold {MAX_WHOLE_DOCUMENT_BYTES} bytes at most"
            message = f"{limit}; use `scope: record`"
            raise MalformedXML("too_large", message, offset=piece.offset, line=piece.first_line)
        if self._schema is None:
            offset, line = piece.place_of(1, 1)
            raise MalformedXML("xsd_invalid", _no_schema(root), offset=offset, line=line)
        errors = _errors_in(root.getroottree(), self._schema)
        if errors is None or errors:
            offset, line = piece.place_of(errors[0].line if errors else 1, 1)
            message = f"line {line}: {tell_error(errors[0].message)[0]}" if errors else _TOO_MANY
            raise MalformedXML("xsd_invalid", message, offset=offset, line=line)

    def why_invalid(self, root: xmlio.Element) -> str | None:
        """The first XSD error of a document in one line; None where it is valid or there is no XSD."""
        if not self.is_on:
            return None
        schema = self._schemas.for_root(root)
        if schema is None:
            return _no_schema(root)
        errors = _errors_in(root.getroottree(), schema)
        if errors is None:
            return _TOO_MANY
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
        reasons = _judge_alone(self._schemas, self._schema, self._plan.isolate(element))
        unjudged.count += any(reason.message == _TOO_MANY for reason in reasons)
        return reasons


class _Findings:
    """What libxml2 found wrong in a tree of many records.

    ``wrong`` holds elements at the depths of records; ``is_partial`` tells that it did not look at everything.
    """

    def __init__(
        self,
        errors: Iterable[Any] | None,
        record_paths: Sequence[Sequence[str]],
        places: _Places,
        schemas: xmlio.Schemas,
    ) -> None:
        depths = {len(path) for path in record_paths}
        self.is_partial = errors is None
        self.wrong: set[xmlio.Element] = set()
        for error in errors or ():
            if all(_reaches_beyond(error, path[:-1], schemas) for path in record_paths):
                continue
            steps = (error.path or "").split("/")[1:]
            # libxml2 does not say where a reference is that finds no key.
            if not steps or (not _is_of_constraint(error) and _hides_what_follows(error, len(steps), max(depths))):
                self.is_partial = True
            found = [places.find(steps[:depth]) for depth in depths if len(steps) >= depth]
            self.is_partial = self.is_partial or None in found
            self.wrong.update(element for element in found if element is not None)

    def makes_suspect(self, element: xmlio.Element) -> bool:
        """Whether a record must be judged alone; else it is valid side by side with the others."""
        return self.is_partial or element in self.wrong


class _Places:
    """Finds elements by libxml2's paths, in one look at the children of each parent: to ask each element for its path
    takes a look at all its siblings.
    """

    def __init__(self, root: xmlio.Element) -> None:
        self._root = root
        self._children: dict[xmlio.Element, dict[str, list[xmlio.Element]]] = {}

    def find(self, steps: Sequence[str]) -> xmlio.Element | None:
        """None for a step that names no element: an attribute, or a name that libxml2 has cut off."""
        element: xmlio.Element | None = self._root
        for step in steps[1:]:
            name, _, number = step.rstrip("]").partition("[")
            same = self._by_name(element).get(name, ()) if element is not None else ()
            index = int(number or 1) - 1
            element = same[index] if index < len(same) and len(name.encode()) < _CUT_OFF else None
        return element

    def _by_name(self, parent: xmlio.Element) -> dict[str, list[xmlio.Element]]:
        """The children as libxml2 counts them: by prefix and name, those of a default namespace among all."""
        if parent not in self._children:
            by_name = self._children[parent] = {"*": list(parent)}
            for child in parent:
                if child.prefix or child.tag[0] != "{":
                    name = f"{child.prefix}:{etree.QName(child).localname}" if child.prefix else child.tag
                    by_name.setdefault(name, []).append(child)
        return self._children[parent]


def _hides_what_follows(error: Any, depth: int, deepest: int) -> bool:
    """Whether libxml2 may have passed over records because of this error: one of an ancestor, or a child of it that has
    no place there.
    """
    if depth < deepest:
        return "Missing child element" not in error.message
    return depth == deepest and _NOT_EXPECTED in error.message


def _judge_alone(schemas: xmlio.Schemas, schema: etree.XMLSchema, record: xmlio.Element) -> list[Reason]:
    """What is wrong in a record that stands in a document of its own.

    What the schema wants to stand before the record may be in another piece: an empty element stands in for it, since
    libxml2 looks into no element after one that it did not expect.
    """
    tree = record.getroottree()
    errors = _errors_in(tree, schema)
    for _ in range(MAX_MENDS):
        if not errors or not _clear_the_way(errors, record):
            break
        errors = _errors_in(tree, schema)
    if errors is None:
        return [Reason("xsd_invalid", _TOO_MANY)]
    place = tree.getpath(record)
    above = [etree.QName(ancestor).localname for ancestor in record.iterancestors()]
    inside = [
        error
        for error in errors
        if _is_within(error.path, place) or (error.path is None and _is_of_constraint(error))
        if not _reaches_beyond(error, above, schemas)
    ]
    return [_reason(error, place) for error in inside[:MAX_XSD_REASONS]]


def _is_of_constraint(error: Any) -> bool:
    return bool(error.type_name == "SCHEMAV_CVC_IDC")


def _reaches_beyond(error: Any, above: Iterable[str], schemas: xmlio.Schemas) -> bool:
    """Whether this is of an identity constraint (a key, a reference to one) that is declared for an element ``above``
    the record: that is a matter of the whole document. What stands beside the record, or what of it a piece holds,
    decides nothing here.
    """
    if not _is_of_constraint(error):
        return False
    found = _CONSTRAINT.match(error.message)
    declaring = schemas.constraints.get(found.group(1)) if found else None
    return declaring is None or not declaring.isdisjoint(above)


def _errors_in(tree: etree._ElementTree, schema: etree.XMLSchema) -> list[Any] | None:
    """What libxml2 finds wrong, with places; None where there is too much of it, or it gives up."""
    width = max(map(len, tree.iter()))
    if width > _WIDE:
        most = MAX_STEPS // width
        if xmlio.count_faults(etree.tostring(tree), schema, most) > most:
            return None
    try:
        return [] if schema.validate(tree) else list(cast("Iterable[Any]", schema.error_log))
    except etree.XMLSchemaValidateError:
        return None


def _reason(error: Any, place: str) -> Reason:
    message, value = tell_error(error.message)
    return Reason("xsd_invalid", message, path=_below(error.path, place), value=value and value[:VALUE_CAP])


def _no_schema(root: xmlio.Element) -> str:
    return f"the feed has no XSD for {_spell(root.tag)}"


def _clear_the_way(errors: Iterable[Any], record: xmlio.Element) -> bool:
    """Mend what keeps libxml2 from looking at the record: put an element that is expected before it, or before its
    ancestor, that is not; take away another element that is not expected. False where nothing helps.
    """
    tree = record.getroottree()
    refused = {error.path: error.message for error in errors if _NOT_EXPECTED in error.message}
    chain = [record, *record.iterancestors()]
    for element in chain if refused else ():
        for other in element.itersiblings(preceding=True):
            if tree.getpath(other) in refused:
                cast("xmlio.Element", other.getparent()).remove(other)
                return True
        name = _missing_before(element, refused.get(tree.getpath(element), ""))
        if name is not None:
            element.addprevious(etree.Element(name))
            return True
    return False


def _missing_before(element: xmlio.Element, message: str) -> str | None:
    """The first element that libxml2 expects in the place of this one and that is not there yet."""
    found = _EXPECTED.search(message)
    present = {element.tag, *(sibling.tag for sibling in element.itersiblings(preceding=True))}
    names = found.group(1).split(", ") if found else ()
    return next((name for name in names if name not in present and _is_name(name)), None)


def _is_name(expected: str) -> bool:
    """Whether an expected particle is an element of one name; others are wildcards."""
    return "*" not in expected and "#" not in expected and "..." not in expected


def _is_within(path: str | None, place: str) -> bool:
    return path is not None and (path == place or path.startswith(place + "/"))


def _below(path: str | None, place: str) -> str:
    return (path or "")[len(place) :].lstrip("/") or "."


_QUALIFIED = re.compile(r"\{[^{}\s]*[:/][^{}\s]*\}(?=[\w*#])")
_VALUES = (
    (re.compile(r"(?:The (?:QName )?value) '(.*)' (?=is |has |does |exceeds )", re.DOTALL), "The value "),
    (re.compile(r": '(.*)' (?=is not a valid value)", re.DOTALL), ": the value "),
    (re.compile(r"key-sequence (\[.*\]) ", re.DOTALL), "key-sequence "),
)


def tell_error(message: str) -> tuple[str, str | None]:
    """libxml2's text without the namespaces that it repeats before every name, and without the value; and the value.

    Values stay in the quarantine's reasons: messages go into logs and alerts.
    """
    message = _QUALIFIED.sub("", message)
    for pattern, told in _VALUES:
        found = pattern.search(message)
        if found:
            return message[: found.start()] + told + message[found.end() :], found[1]
    return message, None
