"""Leaves out what an XSD allows and no sample has, where that is much: of a standard with a thousand elements a sender
fills a hundred. It is told.
"""

from __future__ import annotations

from sluice.draft.shape import Shape

# With fewer values, all that is declared makes tables that a person can read.
ENOUGH_VALUES = 200
MAX_TOLD = 60


def prune_unseen(root: Shape) -> list[str]:
    """Take what was never seen out of a joined tree, if it holds many values; answers what went, for the notes."""
    if not root.count or _values_of(root) <= ENOUGH_VALUES:
        return []
    gone: list[str] = []
    _prune(root, gone)
    return _tell(gone)


def _values_of(shape: Shape) -> int:
    """How many values in it were never seen."""
    own = sum(not attribute.count for attribute in shape.attributes.values()) + int(shape.is_leaf and not shape.count)
    return own + sum(map(_values_of, shape.children.values()))


def _prune(shape: Shape, gone: list[str]) -> None:
    for name, attribute in list(shape.attributes.items()):
        if not attribute.count:
            del shape.attributes[name]
            gone.append(f"{_spell(shape)}/@{name.rpartition('}')[2]}")
    for name, child in list(shape.children.items()):
        if child.count:
            _prune(child, gone)
        else:
            del shape.children[name]
            more = _values_of(child)
            gone.append(_spell(child) + (f" with {more:,} values" if more > 1 else ""))


def _tell(gone: list[str]) -> list[str]:
    if not gone:
        return []
    what = f"{len(gone):,} elements and attributes that the XSD declares are in no sample and have no columns"
    notes = [f"{what} (a draft from the XSD alone has them):", *gone[:MAX_TOLD]]
    if len(gone) > MAX_TOLD:
        notes.append(f"and {len(gone) - MAX_TOLD:,} more")
    return notes


def _spell(shape: Shape) -> str:
    return "/" + "/".join(name.rpartition("}")[2] for name in shape.path)
