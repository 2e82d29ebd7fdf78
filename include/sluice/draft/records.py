"""Which element is the record: the whole document, or one that repeats in it; and which other kinds stand beside it.

Of the elements that repeat, those nearest to the root count. Whether a document is one record (an invoice with its
lines) or a batch of them is told by signs, each of which speaks for or against a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sluice.draft.declarations import is_optional
from sluice.draft.naming import plural, snake, word_set, words_of
from sluice.draft.shape import Shape
from sluice.wording import counted

# So many values above the records become columns of each; more are a record of their own.
MAX_HEADER_VALUES = 20
_LARGE_BYTES = 4 << 20
_TOO_LARGE_BYTES = 12 << 20  # max_record_bytes is 16 MiB
_LISTS = word_set("all array batch bulk collection dump export feed group import list results rows set")
_COVERS = word_set("container content data delivery document download envelope file message response root xml")
_PARTS = word_set("allowance charge detail details line item part position row segment step subtotal tax")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An element that may be the record; ``share`` is the part of all values of its document that lies in it."""

    shape: Shape
    share: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The records of one kind of document, and how sure that is: above 0 a batch, below 0 a document of its own."""

    records: tuple[Shape, ...]
    candidates: tuple[Candidate, ...]
    score: int
    signs: tuple[str, ...] = ()
    is_given: bool = False
    is_settled: bool = False  # though as much spoke for one as for the other

    @property
    def is_open(self) -> bool:
        """Whether as much speaks for one as for the other."""
        return self.score == 0 and len(self.candidates) > 1 and not (self.is_given or self.is_settled)


def choose_records(root: Shape, largest_bytes: int = 0) -> Choice:
    """The record elements of documents with this root."""
    front = _front(root)
    candidates = _candidates(root, front)
    if not front:
        return Choice((_innermost(root),), candidates, -1)
    heaviest = max(front, key=weight_of)
    score, signs = _signs(root, front, heaviest, largest_bytes)
    if score < 0:
        return Choice((_innermost(root),), candidates, score, signs)
    records = [heaviest]
    records += [other for hanging in _hanging(root, heaviest) for other in _others(hanging, heaviest)]
    return Choice(tuple(records), candidates, score, signs)


def choose_entities(seen: Shape, root: Shape, largest_bytes: int = 0) -> Choice | None:
    """The records of documents that hold several kinds of things, each with an identifier of its own, as samples show
    them; in ``root``, the same joined with an XSD, after which also the cover around all of them may repeat.

    None where ``seen`` are no such documents.
    """
    front = _front(seen)
    if len(front) < 3 or not all(map(_has_identity, front)):
        return None
    choice = choose_records(seen, largest_bytes)
    records = tuple(_same_place(root, record) for record in choice.records)
    return replace(choice, records=records) if choice.score > 0 else None


def _same_place(root: Shape, shape: Shape) -> Shape:
    found = root
    for name in shape.path[1:]:
        found = found.children[name]
    return found


def given_records(roots: Sequence[Shape], paths: Sequence[str]) -> dict[str, list[Shape]]:
    """The shapes at paths that a person gave, by root; names are compared without namespaces."""
    found: dict[str, list[Shape]] = {}
    for path in paths:
        steps = [step.rpartition(":")[2] for step in path.strip("/").split("/")]
        matches = [s for root in roots for s in root.walk() if [*map(_local, s.path)] == steps]
        if not matches:
            known = sorted({spell(c.shape) for root in roots for c in choose_records(root).candidates})
            raise LookupError(f"no element {path} in the samples; candidates for records are {', '.join(known)}")
        for match in matches:
            found.setdefault(match.path[0], []).append(match)
    return found


def spell(shape: Shape) -> str:
    """The path of a shape in local names."""
    return "/" + "/".join(map(_local, shape.path))


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def weight_of(shape: Shape) -> int:
    """How many values were seen in it; of what was never seen, how many it may hold."""
    return sum(
        (below.count if below.is_leaf else 0) + sum(attribute.count for attribute in below.attributes.values())
        for below in shape.walk()
    ) or paths_in(shape)


def paths_in(shape: Shape, without: Sequence[Shape] = ()) -> int:
    """How many different values it may hold, ``without`` what lies in some elements."""
    left_out = {id(other) for other in without}

    def count(below: Shape) -> int:
        if id(below) in left_out:
            return 0
        own = len(below.attributes) + (1 if below.is_leaf or below.folds_into else 0)
        return own + sum(map(count, below.children.values()))

    return count(shape)


def required_in(shape: Shape, without: Sequence[Shape]) -> int:
    """How many values the XSD says must be in it: what it only allows, documents seldom have."""
    left_out = {id(other) for other in without}
    own = sum(not is_optional(attribute) for attribute in shape.attributes.values())
    below = [child for child in shape.children.values() if id(child) not in left_out and not is_optional(child)]
    return own + int(shape.is_leaf) + sum(required_in(child, without) for child in below)


def _front(shape: Shape) -> list[Shape]:
    """The elements below it that repeat and that lie in none that does."""
    found = []
    for child in shape.children.values():
        if child.may_repeat and not child.is_alike:
            found.append(child)
        elif child.folds_into is None:
            found += _front(child)
    return found


def _candidates(root: Shape, front: list[Shape]) -> tuple[Candidate, ...]:
    total = weight_of(root) or 1
    whole = [] if root.count and root.count < max((shape.count for shape in front), default=0) / 1000 else [root]
    found = [
        Candidate(shape, weight_of(shape) / total) for shape in [*whole, *front, *(s for f in front for s in _front(f))]
    ]
    found = [candidate for candidate in found if candidate.share >= 0.02]
    return tuple(sorted(found, key=lambda candidate: -candidate.share)[:8])


def _innermost(root: Shape) -> Shape:
    """The root, or what alone lies in it."""
    shape = root
    while len(shape.children) == 1 and not shape.attributes and not shape.with_text:
        (child,) = shape.children.values()
        if (
            child.may_repeat
            or child.is_leaf
            or child.folds_into
            or (child.count, child.holders) != (shape.count, shape.count)
        ):
            break
        shape = child
    return shape


def _signs(root: Shape, front: list[Shape], heaviest: Shape, largest_bytes: int) -> tuple[int, tuple[str, ...]]:
    signs = dict(_all_signs(root, front, heaviest, largest_bytes))
    return sum(signs.values()), tuple(f"{sign} ({points:+d})" for sign, points in signs.items())


def _all_signs(root: Shape, front: list[Shape], heaviest: Shape, largest_bytes: int) -> Iterator[tuple[str, int]]:
    own = paths_in(root, front) if root.count else required_in(root, front)
    per_document = heaviest.count / (root.count or 1)
    words, part = words_of(root.name), words_of(heaviest.name)
    if largest_bytes > _TOO_LARGE_BYTES:
        yield "documents are larger than a record may be", 20
    elif largest_bytes > _LARGE_BYTES:
        yield "documents are large", 4
    if per_document >= 10 or heaviest.most >= 30:
        yield f"{heaviest.local} repeats often", 2
    elif 0 < per_document < 3:
        yield f"{heaviest.local} repeats rarely", -1
    is_list = bool(words) and (
        words[-1] in _LISTS or snake(root.name) in (plural(snake(heaviest.name)), snake(heaviest.name) + "s")
    )
    if is_list:
        yield f"{root.local} names a list", 3
    elif words and (words[-1] in _COVERS or words[-1].endswith("s")):
        yield f"{root.local} names a cover", 1
    elif part[: len(words)] == words or (part and part[-1] in _PARTS):
        yield f"{heaviest.local} names a part of {root.local}", -3
    if heaviest.is_leaf and not heaviest.attributes:
        yield f"{heaviest.local} is a single value", -3
    if own > MAX_HEADER_VALUES:
        yield f"{counted(own, 'different value')} outside of what repeats", -3
    elif own <= 5:
        yield f"{counted(own, 'different value')} outside of what repeats", 1
    share = sum(map(weight_of, front)) / (weight_of(root) or 1)
    if share >= 0.9:
        yield "nearly all values lie in what repeats", 1
    elif share < 0.5:
        yield "most values lie outside of what repeats", -1
    if share >= 0.9 and all(map(_has_identity, front)):
        yield "all that repeats has an identifier of its own", 3
    if len(front) >= 3 and weight_of(heaviest) < 0.8 * sum(map(weight_of, front)):
        yield f"{len(front)} different elements repeat", -1


def _hanging(root: Shape, record: Shape) -> list[Shape]:
    """What hangs on the way from the root to a record, without being on it."""
    way = {id(shape) for shape in (record, *record.ancestors)}
    found: list[Shape] = []
    for above in reversed(list(record.ancestors)):
        if id(above) in way and (above is root or root in list(above.ancestors)):
            found += [child for child in above.children.values() if id(child) not in way]
    return found


def _others(hanging: Shape, record: Shape) -> list[Shape]:
    """The records in what hangs beside the main one: what repeats, and what is no header that records can read."""
    if hanging.may_repeat:
        return [hanging]
    if is_header(hanging, record):
        return []
    front = _front(hanging)
    if not front or paths_in(hanging, front) > MAX_HEADER_VALUES:
        return [hanging]
    heaviest = max(front, key=weight_of)
    return [heaviest, *(other for below in _hanging(hanging, heaviest) for other in _others(below, heaviest))]


def _has_identity(shape: Shape) -> bool:
    return any(snake(name) in ("id", "identifier", "uuid") for name in (*shape.attributes, *shape.children))


def is_header(hanging: Shape, record: Shape) -> bool:
    """Whether columns of the record can read it: single values, before the first record, and not too many."""
    if any(below.folds_into or below.with_both for below in hanging.walk()):
        return False
    if any(below.may_repeat for below in hanging.walk() if below is not hanging):
        return False
    on_the_way = {shape.name for shape in (record, *record.ancestors)}
    if hanging.follows & on_the_way:
        return False
    return paths_in(hanging) <= MAX_HEADER_VALUES


def header_values(records: Sequence[Shape], record: Shape) -> list[tuple[int, Shape]]:
    """The elements above ``record`` that columns read: how many levels up their parent is, and the element itself."""
    taken = {id(shape) for one in records for shape in (one, *one.ancestors)}
    found = []
    for up, above in enumerate(record.ancestors, start=1):
        stops = {shape.name for shape in above.children.values() if id(shape) in taken}
        free = (child for child in above.children.values() if id(child) not in taken and not child.follows & stops)
        found += [(up, child) for child in free if is_header(child, record)]
    room = MAX_HEADER_VALUES * 2
    kept = []
    for up, child in found:
        room -= paths_in(child)
        if room >= 0:
            kept.append((up, child))
    return kept


def describe(candidates: Sequence[Candidate], totals: Mapping[str, int] | None = None) -> list[str]:
    """A line for each candidate."""
    return [f"{spell(c.shape)}: {c.shape.count:,} seen, {c.share:.0%} of all values" for c in candidates]
