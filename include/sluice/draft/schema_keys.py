"""Identity constraints of a schema: which texts are unique among which elements."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.draft.schema_index import Component, Index
from sluice.draft.shape import KeyRule, Shape

ANYWHERE = "//"
"""The first step of a selector that finds elements at any depth."""


def read_key_rules(index: Index, element: Component) -> tuple[KeyRule, ...]:
    """The xs:key and xs:unique of an element; those with paths that are not told go into the notes."""
    rules = []
    for constraint in element.each("key", "unique"):
        selector, fields = constraint.only("selector"), list(constraint.each("field"))
        selectors = _paths(index, selector) if selector is not None else None
        read = [_paths(index, field) for field in fields]
        if not selectors or not fields or not all(paths and len(paths) == 1 for paths in read):
            index.note(constraint, f"the constraint {constraint.local!r} is not read")
            continue
        is_key = constraint.node.tag.endswith("}key")
        rules.append(KeyRule(constraint.local, selectors, tuple(paths[0] for paths in read if paths), is_key))
    return tuple(rules)


def _paths(index: Index, part: Component) -> tuple[tuple[str, ...], ...] | None:
    paths = [_steps(index, part, text.strip()) for text in part.node.get("xpath", "").split("|")]
    return None if any(path is None for path in paths) else tuple(path for path in paths if path is not None)


def _steps(index: Index, part: Component, text: str) -> tuple[str, ...] | None:
    steps: list[str] = []
    if text.startswith(".//"):
        steps, text = [ANYWHERE], text[3:]
    for step in text.replace("child::", "").replace("attribute::", "@").split("/"):
        step = step.strip()
        if step in ("", "*") or step.endswith(":*"):
            return None
        if step != ".":
            steps.append(f"@{_name(index, part, step[1:])}" if step.startswith("@") else _name(index, part, step))
    return tuple(steps)


def _name(index: Index, part: Component, text: str) -> str:
    """Without a prefix, a name in an XPath is in no namespace."""
    return index.clark(text, part) if ":" in text else text


def declared_keys(shape: Shape) -> Iterator[tuple[tuple[str, ...], ...]]:
    """The fields that the schema says are unique among all elements of this shape in its document, as paths below it.

    A rule counts only where it holds for the whole document: where no element down to its declaring one may repeat.
    """
    line = [*shape.ancestors]
    for above in (shape, *line):
        if above.declared is not None and not any(each.may_repeat for each in (above, *above.ancestors)):
            for rule in above.declared.key_rules:
                if any(_selects(selector, above, shape) for selector in rule.selectors):
                    yield rule.fields


def _selects(selector: tuple[str, ...], above: Shape, shape: Shape) -> bool:
    way = shape.path[len(above.path) :]
    if selector[:1] == (ANYWHERE,):
        return len(way) >= len(selector) - 1 and way[len(way) - len(selector) + 1 :] == selector[1:]
    return way == selector
