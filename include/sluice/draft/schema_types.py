"""Simple types of a schema, with all that their derivation says, as ``SimpleType``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sluice.draft.schema_index import Component, Index
from sluice.draft.shape import SimpleType
from sluice.errors import PermanentError
from sluice.xmlio import XS

MAX_DERIVATIONS = 100
_LISTS = {"NMTOKENS": "NMTOKEN", "IDREFS": "IDREF", "ENTITIES": "ENTITY"}
ANY = SimpleType("anySimpleType")

TypeName = str
"""The Clark name of a built-in type."""


class SimpleTypes:
    """Reads simple types, each once."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._known: dict[object, SimpleType] = {}

    def read(self, found: Component | TypeName, depth: int = 0) -> SimpleType:
        """A simple type; raises ``PermanentError`` where it is derived over more steps than anybody would write."""
        if isinstance(found, str):
            return built_in(found)
        if depth > MAX_DERIVATIONS:
            raise PermanentError(f"XSD {found.place}: a type that is derived over more than {MAX_DERIVATIONS} steps")
        known = self._known.get(found.node)
        if known is None:
            known = replace(self._derive(found, depth + 1), name=found.name)
            self._known[found.node] = known
        return known

    def refer(self, user: Component, attribute: str, depth: int = 0) -> SimpleType | None:
        """The simple type that an attribute of ``user`` names; None where it is none."""
        name = self._index.clark(user.node.get(attribute, ""), user)
        if name.startswith(XS):
            return built_in(name)
        found = self._index.find("type", user.node.get(attribute, ""), user)
        return self.read(found, depth) if found is not None and found.node.tag == f"{XS}simpleType" else None

    def _derive(self, found: Component, depth: int) -> SimpleType:
        if (restriction := found.only("restriction")) is not None:
            return self.restrict(restriction, self._base(restriction, "base", depth), depth)
        if (listed := found.only("list")) is not None:
            return replace(self._base(listed, "itemType", depth), is_list=True)
        if (union := found.only("union")) is not None:
            return self._unite(union, depth)
        return ANY

    def _base(self, user: Component, attribute: str, depth: int) -> SimpleType:
        inner = user.only("simpleType")
        if inner is not None:
            return self.read(inner, depth)
        return (self.refer(user, attribute, depth) or ANY) if user.node.get(attribute) else ANY

    def _unite(self, union: Component, depth: int) -> SimpleType:
        members = []
        for name in union.node.get("memberTypes", "").split():
            clark = self._index.clark(name, union)
            found = clark if clark.startswith(XS) else self._index.find("type", name, union)
            if found is not None:
                members.append(self.read(found, depth))
        return unite([*members, *(self.read(inner, depth) for inner in union.each("simpleType"))])

    def restrict(self, restriction: Component, base: SimpleType, depth: int = 0) -> SimpleType:
        """``base`` with the facets of a restriction. Patterns of one step are alternatives, those of all must match."""
        facets: dict[str, list[str]] = {}
        for node in restriction.node.iterchildren(f"{XS}*"):
            if (value := node.get("value")) is not None:
                facets.setdefault(node.tag.removeprefix(XS), []).append(value)
        changes: dict[str, object] = {}
        for facet, names in _WHOLE_FACETS.items():
            if (number := _whole(facets.get(facet))) is not None:
                changes |= dict.fromkeys(names, number)
        for facet in ("minInclusive", "minExclusive"):
            changes |= {"minimum": facets[facet][-1]} if facet in facets else {}
        for facet in ("maxInclusive", "maxExclusive"):
            changes |= {"maximum": facets[facet][-1]} if facet in facets else {}
        if "enumeration" in facets:
            changes["enumeration"] = tuple(dict.fromkeys(facets["enumeration"]))
        if "pattern" in facets:
            own = dict.fromkeys(facets["pattern"])
            alternatives = next(iter(own)) if len(own) == 1 else "|".join(f"({pattern})" for pattern in own)
            changes["patterns"] = (*base.patterns, alternatives)
        if base.is_list:  # lengths and patterns of a list say nothing of its items
            changes = {key: value for key, value in changes.items() if key == "enumeration"}
        return replace(base, **changes)  # type: ignore[arg-type]


_WHOLE_FACETS = {
    "length": ("min_length", "max_length"),
    "minLength": ("min_length",),
    "maxLength": ("max_length",),
    "totalDigits": ("total_digits",),
    "fractionDigits": ("fraction_digits",),
}


def _whole(texts: list[str] | None) -> int | None:
    text = texts[-1].strip() if texts else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def built_in(name: TypeName) -> SimpleType:
    local = name.removeprefix(XS)
    return SimpleType(_LISTS[local], name, is_list=True) if local in _LISTS else SimpleType(local, name)


def unite(members: list[SimpleType]) -> SimpleType:
    """A union: what all members have in common is said of it; its values are listed where those of all are."""
    if not members:
        return ANY
    if len(set(members)) == 1:
        return members[0]
    bases = {member.base for member in members}
    values = [value for member in members for value in member.enumeration]
    is_listed = all(member.enumeration for member in members)
    lengths = [member.max_length for member in members]
    return SimpleType(
        base=bases.pop() if len(bases) == 1 else "string",
        enumeration=tuple(dict.fromkeys(values)) if is_listed else (),
        max_length=max(length for length in lengths if length) if all(lengths) else None,
        is_list=any(member.is_list for member in members),
        members=tuple(members),
    )


def wider_type(one: SimpleType, other: SimpleType) -> SimpleType:
    """What two versions of a type allow together."""
    if replace(one, name="") == replace(other, name=""):
        return one
    if one.base != other.base or one.is_list != other.is_list or one.members or other.members:
        return unite([one, other])
    enumeration = dict.fromkeys((*one.enumeration, *other.enumeration)) if one.enumeration and other.enumeration else ()
    return replace(
        one,
        enumeration=tuple(enumeration),
        patterns=one.patterns if one.patterns == other.patterns else (),
        min_length=_both(min, one.min_length, other.min_length),
        max_length=_both(max, one.max_length, other.max_length),
        total_digits=_both(max, one.total_digits, other.total_digits),
        fraction_digits=_both(max, one.fraction_digits, other.fraction_digits),
        minimum=one.minimum if one.minimum == other.minimum else None,
        maximum=one.maximum if one.maximum == other.maximum else None,
    )


def _both(choose: Callable[[int, int], int], one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else choose(one, other)
