"""What the tree tells beyond counts: recursion, and lists of which every sample has one item at most.

Recursion is of elements that lie within their own kind, to any depth. An element within another of its name need not be
recursion (the rates of a day are a ``Cube`` in a ``Cube``): it is, if the two have attributes or children in common.
"""

from __future__ import annotations

from collections.abc import Sequence

from sluice.draft.naming import plural, snake
from sluice.draft.shape import Shape


def fold_recursion(root: Shape) -> None:
    """Let each element that repeats an ancestor fold into it, and forget what was seen below."""
    for shape in list(root.walk()):
        if any(above.folds_into is not None for above in shape.ancestors):
            continue
        ancestor = next((above for above in shape.ancestors if above.name == shape.name), None)
        if ancestor is not None and (shape.folds_into is not None or _is_alike(shape, ancestor)):
            shape.folds_into = ancestor
            shape.children = {}


def _is_alike(shape: Shape, ancestor: Shape) -> bool:
    own, known = _names(shape), _names(ancestor)
    return len(own & known) * 2 >= len(own) > 0


def _names(shape: Shape) -> set[str]:
    """The attributes and children, without the name itself."""
    return {f"@{name}" for name in shape.attributes} | (shape.children.keys() - {shape.name})


def mark_items(root: Shape) -> None:
    """Mark what lies alone in an element that is named after many of it: ``Lines`` holds lines, though all have one."""
    for shape in root.walk():
        if shape.attributes or shape.with_text or shape.folds_into is not None:
            continue
        names = {name: snake(name) for name in shape.children}
        one = next((name for name in names.values() if _is_list_of(snake(shape.name), name)), None)
        for child in shape.children.values():
            # Beside it, what ends like it: where Line is one of many lines, FlexibleLine is too.
            child.is_item = one is not None and (names[child.name] == one or names[child.name].endswith(f"_{one}"))


def mark_alike(roots: Sequence[Shape]) -> None:
    """Mark what was seen once at most in its place and several times in an element of the same name elsewhere, such as
    the address lines of one party among many: their type is the same. Roots count as alike.
    """
    shapes = [shape for root in roots for shape in root.walk() if shape.parent is not None]
    repeating = {_kind_of(shape) for shape in shapes if shape.most > 1}
    for shape in shapes:
        shape.is_alike = not shape.may_repeat and _kind_of(shape) in repeating


def _kind_of(shape: Shape) -> tuple[str, str]:
    parent = shape.parent
    return "" if parent is None or parent.parent is None else parent.name, shape.name


def _is_list_of(many: str, one: str) -> bool:
    return many != one and many in (plural(one), f"{one}s", f"{one}es", f"{one}_list", f"list_of_{one}s")
