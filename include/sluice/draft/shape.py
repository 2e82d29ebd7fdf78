"""The shape of a kind of document: which elements lie in which, how often, with which texts.

One tree for both sources of knowledge. What samples showed are counts and profiles of texts; what an XSD declares are
``Declared`` and ``SimpleType``. Either may be missing. Names are Clark names (``{uri}local``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from sluice.draft.profile import Profile

_WHOLE_NUMBERS = frozenset(
    [
        "integer",
        "long",
        "int",
        "short",
        "byte",
        "nonNegativeInteger",
        "positiveInteger",
        "nonPositiveInteger",
        "negativeInteger",
        "unsignedLong",
        "unsignedInt",
        "unsignedShort",
        "unsignedByte",
    ]
)
# The most digits that the built-in types have; those without bounds are not here.
_DIGITS = {
    "long": 19, "int": 10, "short": 5, "byte": 3, "unsignedLong": 20, "unsignedInt": 10, "unsignedShort": 5,
    "unsignedByte": 3,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SimpleType:
    """What an XSD says of a text. ``base`` is the built-in type that it derives from (``decimal``, ``date``, …)."""

    base: str
    name: str = ""  # Clark name of the type where it has one
    enumeration: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    min_length: int | None = None
    max_length: int | None = None
    total_digits: int | None = None
    fraction_digits: int | None = None
    minimum: str | None = None  # as it is written; inclusive or not
    maximum: str | None = None
    is_list: bool = False
    members: tuple[SimpleType, ...] = ()  # of a union

    @property
    def is_whole_number(self) -> bool:
        return self.base in _WHOLE_NUMBERS

    @property
    def whole_digits(self) -> int | None:
        """The most digits before the point; None where the XSD does not say."""
        bounds = [bound for bound in (self.minimum, self.maximum) if bound is not None]
        found = [self.total_digits, _DIGITS.get(self.base)]
        is_positive = self.base in ("positiveInteger", "nonNegativeInteger") and self.maximum is not None
        if len(bounds) == 2 or is_positive:
            found.append(max(len(bound.strip().lstrip("+-").partition(".")[0].lstrip("0")) for bound in bounds) or 1)
        return min((digits for digits in found if digits is not None), default=None)


@dataclass(frozen=True, slots=True)
class KeyRule:
    """An xs:key or xs:unique: what is unique among the elements below the one that declares it.

    ``selectors`` lead from there to the elements, ``fields`` from these to the texts, both as Clark names; an attribute
    begins with ``@``. A rule with ``//``, ``*`` or alternatives in a field is not told here.
    """

    name: str
    selectors: tuple[tuple[str, ...], ...]
    fields: tuple[tuple[str, ...], ...]
    is_key: bool = True  # each of the fields is always there


@dataclass(frozen=True, slots=True)
class Declared:
    """What an XSD says of an element or attribute in its place."""

    min_occurs: int = 1  # in its parent, 0 where it is an alternative of a choice
    max_occurs: int | None = 1  # None: unbounded
    simple: SimpleType | None = None  # of its text; None where it holds elements only
    type_name: str = ""  # Clark name of its type
    is_mixed: bool = False
    is_nillable: bool = False
    is_wildcard_parent: bool = False  # xs:any: anything may stand in it
    head: str = ""  # the substitution group's head that it stands for, a Clark name
    variant_of: str = ""  # the base type whose extension (xsi:type) brought it, a Clark name
    variants: tuple[str, ...] = ()  # types that xsi:type may name instead, Clark names
    is_abstract: bool = False  # one of the variants must stand for its type
    key_rules: tuple[KeyRule, ...] = ()
    has_any_attribute: bool = False  # xs:anyAttribute
    is_cut_off: bool = False  # what lies in it is not told, as the tree would be too large
    default: str | None = None
    documentation: str = ""


@dataclass(slots=True)
class Attribute:
    """An attribute of an element. ``count`` is in how many of the elements it was."""

    name: str
    count: int = 0
    values: Profile = field(default_factory=Profile)
    declared: Declared | None = None


@dataclass(slots=True)
class Shape:
    """An element at its place in the tree.

    ``count`` is how often it was seen, ``holders`` in how many parents, ``most`` how often in one parent at most.
    ``values`` are its texts where it holds no elements, else all text below it where it is mixed. ``folds_into`` is the
    ancestor that it repeats (recursion): its own children are then those of that ancestor and not told again.
    """

    name: str
    parent: Shape | None = None
    attributes: dict[str, Attribute] = field(default_factory=dict)
    children: dict[str, Shape] = field(default_factory=dict)  # as the document orders them
    count: int = 0
    holders: int = 0
    most: int = 0
    with_text: int = 0  # occurrences with text of their own that is not white space
    with_children: int = 0
    with_both: int = 0  # occurrences with text beside elements
    nils: int = 0
    xsi_types: Counter[str] = field(default_factory=Counter)  # Clark names
    values: Profile = field(default_factory=Profile)
    place: str = ""  # `file:line` where it was first seen
    follows: frozenset[str] = frozenset()  # siblings that were seen before it in one parent
    is_item: bool = False  # seen once at most, but the name of what it lies in says that there may be many
    is_alike: bool = False  # seen once at most, but several times in an element of the same name elsewhere
    folds_into: Shape | None = None
    declared: Declared | None = None

    @property
    def is_mixed(self) -> bool:
        """Text of its own beside elements; samples that never show both leave it to the XSD."""
        declared = self.declared is not None and self.declared.is_mixed
        return bool(self.children) and (self.with_text > 0 or declared)

    @property
    def local(self) -> str:
        return self.name.rpartition("}")[2]

    @property
    def is_leaf(self) -> bool:
        return not self.children and self.folds_into is None

    @property
    def may_repeat(self) -> bool:
        """Seen several times in one parent, declared so, or the only kind of thing in a list of such things."""
        declared = self.declared is not None and (self.declared.max_occurs is None or self.declared.max_occurs > 1)
        return self.most > 1 or declared or ((self.is_item or self.is_alike) and self.declared is None)

    @property
    def ancestors(self) -> Iterator[Shape]:
        """From the parent up to the root."""
        above = self.parent
        while above is not None:
            yield above
            above = above.parent

    @property
    def path(self) -> tuple[str, ...]:
        """The Clark names from the document's root down to this element."""
        return (*(above.name for above in reversed(list(self.ancestors))), self.name)

    def child(self, name: str) -> Shape:
        """The child of this name, made where there is none."""
        found = self.children.get(name)
        if found is None:
            found = self.children[name] = Shape(name, self)
        return found

    def attribute(self, name: str) -> Attribute:
        found = self.attributes.get(name)
        if found is None:
            found = self.attributes[name] = Attribute(name)
        return found

    def walk(self) -> Iterator[Shape]:
        """This shape and all below it, in document order."""
        yield self
        for child in self.children.values():
            yield from child.walk()
