"""One record in a document of its own: what the XSD has against it, and against nothing that stands around it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, cast

from lxml import etree

from sluice import xmlio
from sluice.records import VALUE_CAP, Reason
from sluice.validity.errors import NOT_EXPECTED, TOO_MANY, errors_in, is_of_constraint, reaches_beyond, tell_error

MAX_XSD_REASONS = 5
MAX_MENDS = 20
_EXPECTED = re.compile(r"Expected is (?:one of )?\( (.*?) \)")


def judge_alone(schemas: xmlio.Schemas, schema: etree.XMLSchema, record: xmlio.Element) -> list[Reason]:
    """What is wrong in a record that stands in a document of its own.

    What the schema wants to stand before the record may be in another piece: an empty element stands in for it, since
    libxml2 looks into no element after one that it did not expect.
    """
    tree = record.getroottree()
    errors = errors_in(tree, schema)
    for _ in range(MAX_MENDS):
        if not errors or not _clear_the_way(errors, record):
            break
        errors = errors_in(tree, schema)
    if errors is None:
        return [Reason("xsd_invalid", TOO_MANY)]
    place = tree.getpath(record)
    above = [etree.QName(ancestor).localname for ancestor in record.iterancestors()]
    inside = [
        error
        for error in errors
        if _is_within(error.path, place) or (error.path is None and is_of_constraint(error))
        if not reaches_beyond(error, above, schemas)
    ]
    return [_reason(error, place) for error in inside[:MAX_XSD_REASONS]]


def _reason(error: Any, place: str) -> Reason:
    message, value = tell_error(error.message)
    return Reason("xsd_invalid", message, path=_below(error.path, place), value=value and value[:VALUE_CAP])


def _clear_the_way(errors: Iterable[Any], record: xmlio.Element) -> bool:
    """Mend what keeps libxml2 from looking at the record: put an element that is expected before it, or before its
    ancestor, that is not; take away another element that is not expected. False where nothing helps.
    """
    tree = record.getroottree()
    refused = {error.path: error.message for error in errors if NOT_EXPECTED in error.message}
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
