"""The named parts of a schema (elements, types, groups, attributes), and how references between them are read."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from sluice.draft.schema_files import XML, SchemaFile, SchemaFiles
from sluice.xmlio import XS, Element, spell_text

_KINDS = {
    f"{XS}element": "element",
    f"{XS}complexType": "type",
    f"{XS}simpleType": "type",
    f"{XS}group": "group",
    f"{XS}attributeGroup": "attributeGroup",
    f"{XS}attribute": "attribute",
}
MAX_DOCUMENTATION = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """A schema file as it is read in one namespace: a file without one is read in that of whoever includes it."""

    file: SchemaFile
    namespace: str

    @property
    def is_chameleon(self) -> bool:
        return self.namespace != self.file.namespace

    def qualifies(self, node: Element, kind: str) -> bool:
        """Whether the local element or attribute (``kind``) that ``node`` declares is in the namespace."""
        form = node.get("form") or self.file.root.get(f"{kind}FormDefault")
        return bool(form == "qualified")


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """A declaration or definition. ``name`` is the Clark name of a global one, ``original`` what it redefines."""

    node: Element
    scope: Scope
    name: str = ""
    original: Component | None = None
    top: Component | None = None  # the global one in which it lies

    @property
    def local(self) -> str:
        return str(self.node.get("name", ""))

    @property
    def is_abstract(self) -> bool:
        return self.node.get("abstract", "").strip() in ("true", "1")

    @property
    def place(self) -> str:
        return f"{self.scope.file.name}:{self.node.sourceline}"

    def only(self, *kinds: str) -> Component | None:
        """The first child of these kinds (local names in XML Schema's namespace)."""
        return next(self.each(*kinds), None)

    def each(self, *kinds: str) -> Iterator[Component]:
        for node in self.node.iterchildren(*(f"{XS}{kind}" for kind in kinds)):
            yield self.within(node)

    def within(self, node: Element) -> Component:
        return Component(node, self.scope, top=self.top or self)

    @property
    def documentation(self) -> str:
        """The texts of its annotation, without their layout."""
        texts = [" ".join(spell_text(text).split()) for text in self.node.iterfind(f"{XS}annotation/{XS}documentation")]
        whole = " ".join(filter(None, texts))
        return whole if len(whole) <= MAX_DOCUMENTATION else f"{whole[:MAX_DOCUMENTATION]}…"


@dataclass(slots=True, eq=False)
class Index:
    """All global components by kind and Clark name. ``notes`` are what could not be read as it stands."""

    components: dict[tuple[str, str], Component] = field(default_factory=dict)
    substitutes: defaultdict[str, list[Component]] = field(default_factory=lambda: defaultdict(list))
    derived: defaultdict[str, list[Component]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[str, None] = field(default_factory=dict)

    def find(self, kind: str, text: str, user: Component) -> Component | None:
        """The global component that ``user`` refers to; within what redefines it, it means the original."""
        name = self.clark(text, user)
        top = user.top or user
        if top.original is not None and top.name == name and _KINDS.get(top.node.tag) == kind:
            return top.original
        found = self.components.get((kind, name))
        if found is None and name != f"{XS}anyType":
            self.note(user, f"there is no {kind} {_spell(name)}")
        return found

    def clark(self, text: str, user: Component) -> str:
        """A QName as it is meant where it stands."""
        prefix, _, local = text.strip().rpartition(":")
        uri = XML if prefix == "xml" else user.node.nsmap.get(prefix or None)
        if uri is None and not prefix:
            uri = user.scope.namespace if user.scope.is_chameleon else ""
        if uri is None:
            self.note(user, f"the prefix {prefix!r} is not declared")
        return f"{{{uri}}}{local}" if uri else local

    def note(self, user: Component, text: str) -> None:
        self.notes[f"{user.place}: {text}"] = None

    def typed_head(self, element: Component) -> Component | None:
        """The nearest of the elements for which it stands that has a type: that is its own, where it declares none."""
        seen: set[str] = set()
        found: Component | None = element
        while found is not None and (heads := found.node.get("substitutionGroup", "").split()):
            found = self.find("element", heads[0], found)
            if found is None or found.name in seen:
                return None
            if found.node.get("type") is not None or found.only("complexType", "simpleType") is not None:
                return found
            seen.add(found.name)
        return None

    def all_substitutes(self, head: str) -> list[Component]:
        """The elements that may stand for the head, those that stand for them too; abstract ones left out."""
        return [member for member in _closure(self.substitutes, head) if not member.is_abstract]

    def all_derived(self, base: str) -> list[Component]:
        """The types that may stand for the base by xsi:type; abstract ones left out."""
        return [member for member in _closure(self.derived, base) if not member.is_abstract]


def build_index(files: SchemaFiles) -> Index:
    """Read the global components of all files, each in the namespaces in which it is read."""
    index = Index(notes=dict.fromkeys(files.missing))
    redefining: list[Component] = []
    for scope in _scopes(files):
        for node in scope.file.root.iterchildren(*_KINDS):
            _register(index, node, scope)
        for reference in scope.file.references:
            if reference.kind in ("redefine", "override"):
                redefining += [Component(node, scope) for node in reference.node.iterchildren(*_KINDS)]
    # what is redefined twice: the outer redefinition, which is met first, means the inner one
    for component in reversed(redefining):
        _redefine(index, component)
    for (kind, _), component in index.components.items():
        _relate(index, kind, component)
    return index


def _scopes(files: SchemaFiles) -> Iterator[Scope]:
    seen: set[tuple[int, str]] = set()
    waiting = deque((file, file.namespace) for file in files.given)
    while waiting:
        file, namespace = waiting.popleft()
        if (id(file), namespace) in seen:
            continue
        seen.add((id(file), namespace))
        yield Scope(file, namespace)
        for reference in file.references:
            if (target := reference.target) is not None:
                own = target.namespace
                waiting.append((target, own if reference.kind == "import" else own or namespace))


def _register(index: Index, node: Element, scope: Scope) -> None:
    name = _name(node, scope)
    index.components.setdefault((_KINDS[node.tag], name), Component(node, scope, name))


def _redefine(index: Index, component: Component) -> None:
    node, scope = component.node, component.scope
    key = (_KINDS[node.tag], _name(node, scope))
    parent = node.getparent()
    is_redefinition = parent is not None and parent.tag == f"{XS}redefine"
    original = index.components.get(key) if is_redefinition else None
    index.components[key] = Component(node, scope, key[1], original)


def _name(node: Element, scope: Scope) -> str:
    local = node.get("name", "").strip()
    return f"{{{scope.namespace}}}{local}" if scope.namespace else local


def _relate(index: Index, kind: str, component: Component) -> None:
    if kind == "element":
        for head in component.node.get("substitutionGroup", "").split():
            index.substitutes[index.clark(head, component)].append(component)
    if kind == "type":
        for content in component.each("complexContent", "simpleContent"):
            for derivation in content.each("extension", "restriction"):
                base = index.clark(derivation.node.get("base", ""), derivation)
                if base != component.name:
                    index.derived[base].append(component)


def root_candidates(index: Index, files: SchemaFiles) -> tuple[str, ...]:
    """The global elements that may begin a document, as nothing refers to them: those of the given files if any."""
    elements = ((name, each) for (kind, name), each in index.components.items() if kind == "element")
    free = {name: each for name, each in elements if not each.is_abstract}
    referred = set(_referred(index))
    free = {name: each for name, each in free.items() if name not in referred} or free
    own = {name: each for name, each in free.items() if each.scope.file in files.given} or free
    with_children = [name for name, each in own.items() if _may_hold_elements(index, each)]
    return tuple(with_children or own)


def _referred(index: Index) -> Iterator[str]:
    """Names of elements that others refer to, or that stand for such."""
    seen: set[int] = set()
    for scope in {id(each.scope): each.scope for each in index.components.values()}.values():
        if id(scope.file) in seen and not scope.is_chameleon:
            continue
        seen.add(id(scope.file))
        for node in scope.file.root.iter(f"{XS}element"):
            if (text := node.get("ref")) is not None:
                name = index.clark(text, Component(node, scope))
                yield name
                yield from (member.name for member in _closure(index.substitutes, name))


def _may_hold_elements(index: Index, element: Component) -> bool:
    if element.only("complexType") is not None:
        return True
    name = element.node.get("type")
    found = index.components.get(("type", index.clark(name, element))) if name else None
    return found is not None and found.node.tag == f"{XS}complexType"


def _closure(relation: dict[str, list[Component]], start: str) -> Iterator[Component]:
    seen, waiting = {start}, deque(relation.get(start, ()))
    while waiting:
        member = waiting.popleft()
        if member.name not in seen:
            seen.add(member.name)
            yield member
            waiting.extend(relation.get(member.name, ()))


def _spell(name: str) -> str:
    uri, _, local = name.rpartition("}")
    return f"{local!r} in {uri[1:]!r}" if uri else repr(local)
