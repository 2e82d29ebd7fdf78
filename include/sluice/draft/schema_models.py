"""How often elements may lie in a content model: an entry for each name, least and most over all ways through it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from sluice.draft.schema_index import Component

MAX_OCCURS = 1 << 31


@dataclass(frozen=True, slots=True)
class Particle:
    """An element in a content model. ``element`` declares it; ``using`` is where it is used (a ref or the same)."""

    name: str
    element: Component
    using: Component
    least: int
    most: int | None  # None: unbounded
    head: str = ""
    variant_of: str = ""  # the type that brings it, where it is not the element's own

    def times(self, least: int, most: int | None) -> Particle:
        return replace(self, least=min(self.least * least, MAX_OCCURS), most=_product(self.most, most))


@dataclass(frozen=True, slots=True)
class Model:
    """A content model, added up. ``has_any``: there is a wildcard in it."""

    particles: dict[str, Particle] = field(default_factory=dict)
    has_any: bool = False


def in_sequence(models: Iterable[Model]) -> Model:
    """All of them: what is in several of them adds up."""
    merged: dict[str, Particle] = {}
    has_any = False
    for model in models:
        has_any |= model.has_any
        for name, each in model.particles.items():
            before = merged.get(name)
            merged[name] = each if before is None else _added(before, each)
    return Model(merged, has_any)


def one_of(models: list[Model]) -> Model:
    """One of them: what is not in all of them may be absent."""
    merged: dict[str, Particle] = {}
    for name, each in _all_particles(models):
        before = merged.get(name)
        most = each.most if before is None else _wider(before.most, each.most)
        least = min(each.least, before.least) if before is not None else each.least
        merged[name] = replace(before or each, least=least, most=most)
    counts = Counter(name for name, _ in _all_particles(models))
    merged = {name: each if counts[name] == len(models) else replace(each, least=0) for name, each in merged.items()}
    return Model(merged, any(model.has_any for model in models))


def _all_particles(models: Iterable[Model]) -> Iterator[tuple[str, Particle]]:
    for model in models:
        yield from model.particles.items()


def _added(one: Particle, other: Particle) -> Particle:
    most = None if one.most is None or other.most is None else min(one.most + other.most, MAX_OCCURS)
    return replace(one, least=min(one.least + other.least, MAX_OCCURS), most=most)


def _product(one: int | None, other: int | None) -> int | None:
    if one == 0 or other == 0:
        return 0
    return None if one is None or other is None else min(one * other, MAX_OCCURS)


def _wider(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)


def occurs(part: Component) -> tuple[int, int | None]:
    least, most = part.node.get("minOccurs", "1").strip(), part.node.get("maxOccurs", "1").strip()
    return _number(least), None if most == "unbounded" else _number(most)


def _number(text: str) -> int:
    return min(int(text), MAX_OCCURS) if text.isascii() and text.isdigit() and len(text) < 19 else 1
