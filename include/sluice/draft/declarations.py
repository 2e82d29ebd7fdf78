"""What the declarations of an XSD mean for the columns of a draft. Without an XSD, they say nothing."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.draft.schema_keys import declared_keys
from sluice.draft.shape import Attribute, Shape

MAX_DESCRIPTION = 200


def is_optional(part: Shape | Attribute) -> bool:
    """Whether the XSD lets it be absent."""
    return part.declared is not None and part.declared.min_occurs == 0


def has_declared_text(shape: Shape) -> bool:
    """Whether the XSD says that text is in it."""
    return shape.declared is not None and (shape.declared.simple is not None or shape.declared.is_mixed)


def holds_anything(shape: Shape) -> bool:
    """Whether it has elements that nobody knows: a wildcard, or more than could be told. Samples may show otherwise."""
    declared = shape.declared
    if declared is None or shape.children or (shape.count and not shape.with_children):
        return False
    return declared.is_cut_off or (declared.is_wildcard_parent and declared.simple is None)


def is_only_possible(part: Shape | Attribute, parent: Shape) -> bool:
    """Whether only a type that may stand for that of the parent brings it, and no sample has it."""
    is_brought = part.declared is not None and bool(part.declared.variant_of)
    return is_brought and part.count == 0 and not (parent.declared is not None and parent.declared.is_abstract)


def description_of(part: Shape | Attribute) -> str:
    """The first sentence of its documentation in the XSD."""
    is_common = part.name.startswith("{http://www.w3.org/")  # everybody knows what xml:lang means
    text = part.declared.documentation if part.declared is not None and not is_common else ""
    end = text.find(". ")
    if 0 < end <= MAX_DESCRIPTION:
        return text[: end + 1]
    if len(text) <= MAX_DESCRIPTION:
        return text
    return text[:MAX_DESCRIPTION].rpartition(" ")[0] + " …"


def key_hints(record: Shape) -> Iterator[str]:
    """What the XSD says is unique among the records of a document: candidates for a key, no more."""
    for fields in declared_keys(record):
        told = " and ".join("/".join(map(_spell, path)) or "." for path in fields)
        yield f"The XSD says that {told} is different in all records of a document."
    for name, attribute in record.attributes.items():
        if attribute.declared is not None and attribute.declared.simple and attribute.declared.simple.base == "ID":
            yield f"The XSD says that @{_spell(name)} is an ID, different in all of a document."


def _spell(name: str) -> str:
    return f"@{name[1:].rpartition('}')[2]}" if name.startswith("@") else name.rpartition("}")[2]
