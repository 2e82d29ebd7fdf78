"""The errors of libxml2's XSD validation: how many it may find, what they are about, and how they are told."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, cast

from lxml import etree

from sluice import xmlio

# For each fault libxml2 counts the siblings before it, to name its place. Beyond this it would take minutes.
MAX_STEPS = 50_000_000
_WIDE = 2_000
# What libxml2 says of an element that its parent's content model has no place for.
NOT_EXPECTED = "This element is not expected"
TOO_MANY = "the XSD finds more faults than can be named, or has a pattern that takes too long on a value"
# The last name in a message: values stand before it, and may look like one.
_CONSTRAINT = re.compile(r".*(?:identity-constraint|keyref) '(?:\{[^}]*\})?([^']+)'", re.DOTALL)
_QUALIFIED = re.compile(r"\{[^{}\s]*[:/][^{}\s]*\}(?=[\w*#])")
_VALUES = (
    (re.compile(r"(?:The (?:QName )?value) '(.*)' (?=is |has |does |exceeds )", re.DOTALL), "The value "),
    (re.compile(r": '(.*)' (?=is not a valid value)", re.DOTALL), ": the value "),
    (re.compile(r"key-sequence (\[.*\]) ", re.DOTALL), "key-sequence "),
)


def errors_in(tree: etree._ElementTree, schema: etree.XMLSchema) -> list[Any] | None:
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


def is_of_constraint(error: Any) -> bool:
    return bool(error.type_name == "SCHEMAV_CVC_IDC")


def reaches_beyond(error: Any, above: Iterable[str], schemas: xmlio.Schemas) -> bool:
    """Whether this is of an identity constraint (a key, a reference to one) that is declared for an element ``above``
    the record: that is a matter of the whole document. What stands beside the record, or what of it a piece holds,
    decides nothing here.
    """
    if not is_of_constraint(error):
        return False
    found = _CONSTRAINT.match(error.message)
    declaring = schemas.constraints.get(found.group(1)) if found else None
    return declaring is None or not declaring.isdisjoint(above)


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
