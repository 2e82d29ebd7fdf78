"""What is counted of an element, in its place, while samples are read; and the shape that comes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from sluice.draft.profile import Profile
from sluice.draft.shape import Attribute, Shape


class Node:
    """An element at its place, while it is counted."""

    __slots__ = (
        "after", "attributes", "bit", "by_name", "children", "count", "holders", "is_fold", "most", "name", "nils",
        "parent", "place", "run", "serial", "texts", "types", "values", "with_both", "with_children", "with_text",
    )  # fmt: skip

    def __init__(self, name: str, parent: Node | None, place: str) -> None:
        self.name, self.parent, self.place = name, parent, place
        self.by_name: dict[str, Node] = {}  # by the names that expat writes, of which several may be one
        self.children: dict[str, Node] = {}
        self.attributes: dict[str, tuple[Attribute, list[str]]] = {}
        self.count = self.holders = self.most = self.run = self.nils = 0
        self.with_text = self.with_children = self.with_both = 0
        self.serial = -1
        self.types: Counter[str] = Counter()
        self.texts: list[str] = []
        self.values = Profile()
        self.bit = 1 << len(parent.children) if parent is not None else 0
        self.after = 0
        self.is_fold = False


def line_of(node: Node | None) -> Iterator[Node]:
    while node is not None:
        yield node
        node = node.parent


def rename(top: Node, new: Mapping[str, str]) -> None:
    """Give all nodes their names by other URIs, where ``new`` has such for theirs."""
    nodes = [top]
    while nodes:
        node = nodes.pop()
        node.name = _renamed(node.name, new)
        for attribute, _ in node.attributes.values():
            attribute.name = _renamed(attribute.name, new)
        node.types = Counter({_renamed(name, new): count for name, count in node.types.items()})
        node.children = {_renamed(name, new): child for name, child in node.children.items()}
        nodes += node.children.values()


def _renamed(clark: str, new: Mapping[str, str]) -> str:
    uri, brace, local = clark[1:].rpartition("}")
    return f"{{{new.get(uri, uri)}}}{local}" if brace else clark


def shape_of(node: Node, parent: Shape | None) -> Shape:
    node.values.add_all(node.texts)
    for attribute, texts in node.attributes.values():
        attribute.values.add_all(texts)
        texts.clear()
    shape = Shape(
        node.name,
        parent,
        {attribute.name: attribute for attribute, _ in node.attributes.values()},
        count=node.count,
        holders=node.holders,
        most=max(node.most, 1),
        with_text=node.with_text,
        with_children=node.with_children,
        with_both=node.with_both,
        nils=node.nils,
        xsi_types=node.types,
        values=node.values,
        place=node.place,
        follows=frozenset(other.name for other in node.parent.children.values() if node.after & other.bit)
        if node.parent is not None
        else frozenset(),
    )
    if node.is_fold:
        shape.folds_into = next(above for above in shape.ancestors if above.name == shape.name)
    shape.children = {child.name: shape_of(child, shape) for child in node.children.values()}
    return shape
