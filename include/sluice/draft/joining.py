"""One tree of two: what samples showed, and what an XSD declares.

The XSD gives the elements their order, types and bounds, the samples their counts and texts. What only one of them has
is kept and knows so: without ``declared`` it was never declared, without a ``count`` it was never seen. Where samples
contradict the XSD, that is told, and the wider of the two counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from sluice.draft.fitting import find_misfits, widened
from sluice.draft.schema import Schema, choose_root, grow
from sluice.draft.schema_types import wider_type
from sluice.draft.shape import Declared, Shape
from sluice.draft.versions import Namespaces
from sluice.wording import counted

Canonical = Callable[[str], str]
"""A Clark name with the namespace that stands for all versions of it."""


@dataclass(slots=True)
class Joining:
    """The joined trees, and what is worth a note."""

    roots: list[Shape] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # the root elements as the XSD calls them, of all versions
    notes: list[str] = field(default_factory=list)


def join(schema: Schema, seen: Sequence[Shape], namespaces: Namespaces, root: str | None = None) -> Joining:
    """The shapes of all documents: of the roots that samples have; without samples of the one that the schema has, or
    that ``root`` says. What the schema's namespaces are versions of goes into ``namespaces``.

    Raises ``PermanentError`` where the schema has several roots and nobody says which.
    """

    def canonical(clark: str) -> str:
        return namespaces.clark(clark[1:]) if clark.startswith("{") else clark

    joining = Joining()
    by_name: dict[str, list[str]] = {}
    chosen = schema.element_names if seen else choose_root(schema, root)
    if not seen:
        _declare(namespaces, [list(schema.namespaces_of(name)) for name in chosen])
    for name in chosen:
        by_name.setdefault(canonical(name), []).append(name)
    for shape in seen:
        names = by_name.get(shape.name)
        if names is None:
            joining.notes.append(f"the XSD declares no root element {shape.local} in {_uri(shape.name)!r}")
            joining.roots.append(shape)
            continue
        tree = _declared_tree(schema, names, shape, canonical, joining)
        joining.roots.append(_fill(tree, shape, joining.notes))
    if not seen:
        joining.roots = [_declared_tree(schema, names, None, canonical, joining) for names in by_name.values()]
    joining.notes[:0] = schema.notes
    return joining


def _declare(namespaces: Namespaces, documents: Sequence[Sequence[tuple[str, str]]]) -> None:
    """Take what the schema has for one root for the namespaces of a document."""
    tried = Namespaces()
    for known in (tried, namespaces):
        for declared in documents:
            known.begin_document()
            for prefix, uri in declared:
                known.declare(prefix, uri)
        namespaces.apart |= tried.together


def _uri(clark: str) -> str:
    return clark.rpartition("}")[0][1:]


def _declared_tree(
    schema: Schema, names: list[str], seen: Shape | None, canonical: Canonical, joining: Joining
) -> Shape:
    """What the schema declares for a root, all versions of it in one tree; whole where samples went."""
    merged: Shape | None = None
    for name in names:
        tree = schema.root(name)
        if seen is not None:
            _follow(schema, tree, seen, canonical)
        joining.notes += grow(schema, tree)
        tree = _renamed(tree, canonical, None)
        merged = tree if merged is None else _merged(merged, tree)
    assert merged is not None
    joining.names += names
    return merged


def _follow(schema: Schema, shape: Shape, seen: Shape, canonical: Canonical) -> None:
    """Expand what the samples have, however deep it lies; also what repeats an ancestor, unless the samples fold it."""
    if seen.folds_into is not None or not seen.children:
        return
    shape.folds_into = None
    schema.expand(shape)
    for child in shape.children.values():
        if (own := seen.children.get(canonical(child.name))) is not None:
            _follow(schema, child, own, canonical)


# -- versions ---------------------------------------------------------------------------------------------------------


def _renamed(shape: Shape, canonical: Canonical, parent: Shape | None, known: dict[int, Shape] | None = None) -> Shape:
    """The tree under the names that stand for all versions."""
    known = {} if known is None else known
    renamed = Shape(canonical(shape.name), parent, declared=shape.declared)
    known[id(shape)] = renamed
    renamed.attributes = {
        name: replace(attribute, name=name)
        for name, attribute in ((_attribute_name(name, canonical), each) for name, each in shape.attributes.items())
    }
    if shape.folds_into is not None:
        renamed.folds_into = known.get(id(shape.folds_into))
    for child in shape.children.values():
        below = _renamed(child, canonical, renamed, known)
        renamed.children[below.name] = below
    return renamed


def _attribute_name(name: str, canonical: Canonical) -> str:
    return canonical(name) if name.startswith("{") else name


def _merged(one: Shape, other: Shape) -> Shape:
    """Two versions in one tree; what only one of them has may be absent."""
    one.declared = _wider(one.declared, other.declared)
    for name, attribute in one.attributes.items():
        if name not in other.attributes:
            attribute.declared = _optional(attribute.declared)
    for name, attribute in other.attributes.items():
        known = one.attributes.get(name)
        declared = _optional(attribute.declared) if known is None else _wider(known.declared, attribute.declared)
        one.attributes[name] = replace(attribute, declared=declared)
    if one.folds_into is not None or other.folds_into is not None:
        if one.folds_into is None:
            return one
        if other.folds_into is not None:
            return one
        one.folds_into = None
    _merge_children(one, other)
    return one


def _merge_children(one: Shape, other: Shape) -> None:
    was_leaf = not one.children
    for child in one.children.values():
        if child.name not in other.children:
            child.declared = _optional(child.declared)
    for name, child in other.children.items():
        if (known := one.children.get(name)) is not None:
            _merged(known, child)
            continue
        child.parent = one
        child.declared = child.declared if was_leaf and not one.attributes else _optional(child.declared)
        one.children[name] = child


def _optional(declared: Declared | None) -> Declared | None:
    return declared and replace(declared, min_occurs=0)


def _wider(one: Declared | None, other: Declared | None) -> Declared | None:
    """What both declarations allow together."""
    if one is None or other is None or one == other:
        return one or other
    is_unbounded = one.max_occurs is None or other.max_occurs is None
    return replace(
        other,
        min_occurs=min(one.min_occurs, other.min_occurs),
        max_occurs=None if is_unbounded else max(one.max_occurs or 0, other.max_occurs or 0),
        simple=wider_type(one.simple, other.simple) if one.simple and other.simple else one.simple or other.simple,
        is_mixed=one.is_mixed or other.is_mixed,
        is_nillable=one.is_nillable or other.is_nillable,
        is_wildcard_parent=one.is_wildcard_parent or other.is_wildcard_parent,
        is_cut_off=one.is_cut_off or other.is_cut_off,
        key_rules=one.key_rules if one.key_rules == other.key_rules else (),
        documentation=other.documentation or one.documentation,
    )


# -- samples ----------------------------------------------------------------------------------------------------------

_SEEN = (
    "count",
    "holders",
    "most",
    "with_text",
    "with_children",
    "with_both",
    "nils",
    "xsi_types",
    "values",
    "place",
    "follows",
)


def _fill(shape: Shape, seen: Shape, notes: list[str]) -> Shape:
    """Add what samples showed to what is declared; answers the declared shape."""
    for name in _SEEN:
        setattr(shape, name, getattr(seen, name))
    notes.extend(_misfits_of(shape))
    shape.declared = shape.declared and widened(shape.declared, shape)
    _fill_attributes(shape, seen, notes)
    if seen.folds_into is not None:
        up = len(seen.path) - len(seen.folds_into.path)
        shape.folds_into, shape.children = list(shape.ancestors)[up - 1], {}
        return shape
    if seen.children:
        shape.folds_into = None
    _fill_children(shape, seen, notes)
    return shape


def _fill_attributes(shape: Shape, seen: Shape, notes: list[str]) -> None:
    is_open = shape.declared is not None and shape.declared.has_any_attribute
    for name, attribute in seen.attributes.items():
        known = shape.attributes.get(name)
        if known is None:
            shape.attributes[name] = attribute
            if not is_open:
                times = counted(attribute.count, "time")
                notes.append(f"{_spell(shape)}/@{_local(name)}: {times}, and the XSD does not declare it")
            continue
        known.count, known.values = attribute.count, attribute.values
        misfits = find_misfits(known.declared.simple, known.values) if known.declared and known.declared.simple else ()
        notes.extend(f"{_spell(shape)}/@{_local(name)}: {misfit}" for misfit in misfits)
    for name, attribute in shape.attributes.items():
        if attribute.declared is not None and attribute.declared.min_occurs and attribute.count < seen.count:
            notes.append(f"{_spell(shape)}/@{_local(name)}: {_absent(seen.count - attribute.count, seen.count)}")
            attribute.declared = _optional(attribute.declared)


def _fill_children(shape: Shape, seen: Shape, notes: list[str]) -> None:
    is_open = shape.declared is not None and shape.declared.is_wildcard_parent
    for name, child in seen.children.items():
        known = shape.children.get(name)
        if known is not None:
            _fill(known, child, notes)
            continue
        child.parent = shape
        shape.children[name] = child
        if not is_open:
            times = counted(child.count, "time")
            notes.append(f"{_spell(child)}: {times}, and the XSD does not declare it ({child.place})")
    for child in shape.children.values():
        if child.declared is not None and child.declared.min_occurs and child.holders < seen.count:
            notes.append(f"{_spell(child)}: {_absent(seen.count - child.holders, seen.count)}")
            child.declared = _optional(child.declared)


def _absent(missing: int, of: int) -> str:
    return f"the XSD requires it, and it is absent in {missing:,} of {of:,}"


def _misfits_of(shape: Shape) -> Iterator[str]:
    declared = shape.declared
    if declared is None:
        return
    if declared.max_occurs is not None and shape.most > declared.max_occurs:
        yield f"{_spell(shape)}: up to {shape.most:,} in one parent, and the XSD allows {declared.max_occurs:,}"
    if declared.simple is not None:
        yield from (f"{_spell(shape)}: {misfit}" for misfit in find_misfits(declared.simple, shape.values))


def _spell(shape: Shape) -> str:
    return "/" + "/".join(map(_local, shape.path))


def _local(name: str) -> str:
    return name.rpartition("}")[2]
