"""XSDs as shapes: what a kind of document may hold.

A schema can describe trees without end, so that the tree is made level by level, and only as far as it is asked for:
``expand`` gives one element its children, ``grow`` goes down breadth first until the tree is as large as a person could
read, and tells what it left out. A type within itself folds into the ancestor that it repeats.

It is a reader of its own, on lxml: the libraries that validate read all of a schema at once, and of some schemas that
are legal never come back (groups in groups) or run out of their stack (hundreds of files that import each other).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sluice.draft.schema_content import ANY_CONTENT, AttributeUse, Content, Contents
from sluice.draft.schema_files import SchemaFile, SchemaFiles, read_schema_files
from sluice.draft.schema_index import Component, Index, build_index, root_candidates
from sluice.draft.schema_keys import read_key_rules
from sluice.draft.schema_models import Particle
from sluice.draft.schema_types import SimpleTypes
from sluice.draft.shape import Attribute, Declared, KeyRule, Shape, SimpleType
from sluice.errors import PermanentError
from sluice.wording import counted
from sluice.xmlio import XS

# Of a draft: more than anybody would read, and enough for the largest messages of ISO 20022.
MAX_SHAPES = 5_000
MAX_DEPTH = 64
MAX_VARIANTS = 100
MAX_TOLD = 20


@dataclass(frozen=True, slots=True)
class _Kind:
    """What an element is: its content, and the complex type that gives it (None: a simple type or any content)."""

    content: Content
    complex_type: Component | None
    type_name: str
    variants: tuple[str, ...] = ()

    @property
    def identity(self) -> object:
        return (self.complex_type.node, self.complex_type.scope.namespace) if self.complex_type else None


class Schema:
    """A schema that was read. ``roots`` are the elements that may begin a document, as Clark names."""

    def __init__(self, files: SchemaFiles) -> None:
        self.files = files
        self._index: Index = build_index(files)
        self._types = SimpleTypes(self._index)
        self._contents = Contents(self._index, self._types)
        self.roots = root_candidates(self._index, files)
        self._kinds: dict[int, tuple[Shape, _Kind]] = {}
        self._known: dict[tuple[object, str], _Kind] = {}
        self._expanded: set[int] = set()

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read as it stands, so far."""
        return tuple(self._index.notes)

    def root(self, name: str) -> Shape:
        """The shape of a document with this root element, not expanded; raises where the schema has no such element."""
        element = self._index.components.get(("element", name))
        if element is None:
            raise PermanentError(f"the XSD declares no element {name!r}")
        return self._shape(Particle(name, element, element, 1, 1), None)

    @property
    def element_names(self) -> tuple[str, ...]:
        """The global elements."""
        return tuple(name for kind, name in self._index.components if kind == "element")

    def file_of(self, name: str) -> SchemaFile | None:
        """The file that declares a global element."""
        element = self._index.components.get(("element", name))
        return element.scope.file if element is not None else None

    def namespaces_of(self, name: str) -> Iterator[tuple[str, str]]:
        """The namespaces that documents with this root may have, each with the prefix that its XSD has for it."""
        first = self.file_of(name)
        waiting = [first] if first is not None else []
        seen = {id(file) for file in waiting}
        told: set[str] = set()
        while waiting:
            file = waiting.pop(0)
            if file.namespace and file.namespace not in told:
                told.add(file.namespace)
                yield next((p for p, uri in file.root.nsmap.items() if p and uri == file.namespace), ""), file.namespace
            following = [each.target for each in file.references if each.target and id(each.target) not in seen]
            seen |= {id(target) for target in following}
            waiting += following

    def elements_called(self, local: str) -> tuple[str, ...]:
        """The global elements of this name, in all namespaces."""
        return tuple(name for name in self.element_names if name.rpartition("}")[2] == local)

    def expand(self, shape: Shape) -> None:
        """Give a shape of this schema its children, once. One that folds gets those of the ancestor that it repeats."""
        if id(shape) in self._expanded:
            return
        self._expanded.add(id(shape))
        kind = self._kinds[id(shape)][1]
        for particle in kind.content.particles.values():
            shape.children[particle.name] = self._shape(particle, shape)

    def is_expanded(self, shape: Shape) -> bool:
        return id(shape) in self._expanded

    def children_of(self, shape: Shape) -> int:
        """How many children ``expand`` would give it."""
        return len(self._kinds[id(shape)][1].content.particles)

    def _shape(self, particle: Particle, parent: Shape | None) -> Shape:
        kind = self._kind(particle.element)
        declared = _declare(particle, kind, read_key_rules(self._index, particle.element))
        shape = Shape(particle.name, parent, declared=declared)
        shape.attributes = {name: _attribute(use) for name, use in kind.content.attributes.items()}
        self._kinds[id(shape)] = (shape, kind)
        if kind.content.particles:
            shape.folds_into = self._repeated(shape, kind)
        return shape

    def _repeated(self, shape: Shape, kind: _Kind) -> Shape | None:
        return next((above for above in shape.ancestors if self._kinds[id(above)][1].identity == kind.identity), None)

    def _kind(self, element: Component) -> _Kind:
        key = (element.node, element.scope.namespace)
        if (known := self._known.get(key)) is None:
            known = self._known[key] = self._read_kind(element)
        return known

    def _read_kind(self, element: Component) -> _Kind:
        if (inner := element.only("complexType")) is not None:
            return self._complex(inner)
        if (simple := element.only("simpleType")) is not None:
            return _Kind(Content(simple=self._types.read(simple)), None, "")
        if (text := element.node.get("type")) is not None:
            return self._named(text, element)
        head = self._index.typed_head(element)
        return self._read_kind(head) if head is not None else _Kind(ANY_CONTENT, None, f"{XS}anyType")

    def _named(self, text: str, element: Component) -> _Kind:
        name = self._index.clark(text, element)
        found = None if name.startswith(XS) else self._index.find("type", text, element)
        if found is not None and found.node.tag == f"{XS}complexType":
            return self._complex(found)
        if found is None and (name == f"{XS}anyType" or not name.startswith(XS)):
            return _Kind(ANY_CONTENT, None, name)
        return _Kind(Content(simple=self._types.read(found if found is not None else name)), None, name)

    def _complex(self, complex_type: Component) -> _Kind:
        content = self._contents.read(complex_type)
        variants = self._index.all_derived(complex_type.name) if complex_type.name else []
        if not variants:
            return _Kind(content, complex_type, complex_type.name)
        if len(variants) > MAX_VARIANTS:
            told = f"more than {MAX_VARIANTS} types may stand for {complex_type.local!r}; what they add is not told"
            self._index.note(complex_type, told)
            return _Kind(replace(content, has_any=True), complex_type, complex_type.name)
        merged = self._with_variants(content, variants)
        return _Kind(merged, complex_type, complex_type.name, tuple(variant.name for variant in variants))

    def _with_variants(self, content: Content, variants: Sequence[Component]) -> Content:
        """What the type or one of those that may stand for it holds: what they add may be absent."""
        merged = replace(content, particles=dict(content.particles), attributes=dict(content.attributes))
        for variant in variants:
            added = self._contents.read(variant)
            for name, particle in added.particles.items():
                if name not in merged.particles:
                    merged.particles[name] = replace(particle, least=0, variant_of=variant.name)
            for name, use in added.attributes.items():
                merged.attributes.setdefault(name, replace(use, is_required=False, variant_of=variant.name))
            merged.has_any |= added.has_any
            merged.is_mixed |= added.is_mixed
        return merged


def read_schema(given: Sequence[Path]) -> Schema:
    """Read XSD files and what they refer to; raises ``PermanentError`` where one cannot be read or is refused."""
    return Schema(read_schema_files(given))


def choose_root(schema: Schema, wanted: str | None) -> tuple[str, ...]:
    """The root elements to draft from: those of this name (plain or Clark), else the one candidate; raises with the
    list where it cannot be told. One name in several namespaces is one root: versions of a standard.
    """
    by_local: dict[str, list[str]] = {}
    for name in schema.roots:
        by_local.setdefault(name.rpartition("}")[2], []).append(name)
    if wanted is not None and wanted.startswith("{"):
        return (wanted,)
    if wanted is None and len(by_local) == 1:
        return tuple(next(iter(by_local.values())))
    if wanted in by_local:
        return tuple(by_local[wanted])
    if wanted is not None and (others := schema.elements_called(wanted)):
        return others
    names = ", ".join(sorted(by_local)[:MAX_TOLD]) + (" …" if len(by_local) > MAX_TOLD else "")
    if not schema.element_names:
        raise PermanentError("the XSD declares no element, so that nothing says what a document holds")
    what = f"the XSD declares no element {wanted!r}; " if wanted else "several elements may begin a document; "
    raise PermanentError(f"{what}choose one with --root: {names}")


def grow(schema: Schema, shape: Shape, max_shapes: int = MAX_SHAPES) -> tuple[str, ...]:
    """Expand all below ``shape``, breadth first, until there are ``max_shapes``; answers what was left out.

    What lies in ``shape`` itself is always told, as is what samples had expanded before.

    What is not expanded says so in ``Declared.is_cut_off``.
    """
    count, cut = 1, Counter[str]()
    waiting = deque([(shape, 0)])
    while waiting:
        each, depth = waiting.popleft()
        if each.folds_into is not None or not (more := schema.children_of(each)):
            continue
        is_open = schema.is_expanded(each)  # as samples went there
        if depth and not is_open and (depth >= MAX_DEPTH or count + more > max_shapes):
            _cut_off(each)
            cut[each.declared.type_name if each.declared and each.declared.type_name else each.local] += 1
            continue
        schema.expand(each)
        count += more
        waiting.extend((child, depth + 1) for child in each.children.values())
    return tuple(_tell_cut(cut, max_shapes))


def _cut_off(shape: Shape) -> None:
    if shape.declared is not None:
        shape.declared = replace(shape.declared, is_cut_off=True)


def _tell_cut(cut: Counter[str], max_shapes: int) -> Iterator[str]:
    if not cut:
        return
    places = sum(cut.values())
    yield (
        f"the XSD describes more than {max_shapes:,} elements; what lies in {places:,} of them, of {len(cut):,} types,"
        " is not told"
    )
    for name, times in cut.most_common(MAX_TOLD):
        yield f"not told: what lies in {name.rpartition('}')[2]} ({counted(times, 'place')})"
    if len(cut) > MAX_TOLD:
        yield f"not told: what lies in {len(cut) - MAX_TOLD:,} more types"


def _declare(particle: Particle, kind: _Kind, rules: tuple[KeyRule, ...]) -> Declared:
    element, content = particle.element, kind.content
    documentation = particle.using.documentation or element.documentation
    if not documentation and kind.complex_type is not None:
        documentation = kind.complex_type.documentation
    return Declared(
        min_occurs=particle.least,
        max_occurs=particle.most,
        simple=_text_of(content),
        type_name=kind.type_name,
        is_mixed=content.is_mixed,
        is_nillable=element.node.get("nillable", "").strip() in ("true", "1"),
        is_wildcard_parent=content.has_any,
        head=particle.head,
        variant_of=particle.variant_of,
        variants=kind.variants,
        is_abstract=kind.complex_type is not None and kind.complex_type.is_abstract,
        key_rules=rules,
        has_any_attribute=content.has_any_attribute,
        default=element.node.get("default") or element.node.get("fixed"),
        documentation=documentation,
    )


def _text_of(content: Content) -> SimpleType | None:
    if content.simple is not None:
        return content.simple
    return SimpleType("string") if content.is_mixed and not content.particles else None


def _attribute(use: AttributeUse) -> Attribute:
    declared = Declared(
        min_occurs=int(use.is_required),
        simple=use.simple,
        type_name=use.simple.name,
        variant_of=use.variant_of,
        default=use.default,
        documentation=use.attribute.documentation,
    )
    return Attribute(use.name, declared=declared)
