"""What may lie in an element of a complex type: its elements with how often, its attributes, its text.

A content model is added up to one entry for each name: least and most over all the ways through it. Each group is read
once, so that groups of groups of groups take no longer than their definitions are long.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sluice.draft.schema_index import Component, Index
from sluice.draft.schema_models import Model, Particle, in_sequence, occurs, one_of
from sluice.draft.schema_types import SimpleTypes
from sluice.draft.shape import SimpleType
from sluice.errors import PermanentError
from sluice.xmlio import XS

MAX_NESTED = 100
_PARTICLES = ("element", "group", "sequence", "choice", "all", "any")


@dataclass(frozen=True, slots=True)
class AttributeUse:
    """An attribute of a type. ``simple`` is the type of its text."""

    name: str
    attribute: Component
    is_required: bool
    default: str | None
    simple: SimpleType
    variant_of: str = ""  # the type that brings it, where it is not the element's own


@dataclass(slots=True)
class Content:
    """The content of one complex type."""

    particles: dict[str, Particle] = field(default_factory=dict)
    attributes: dict[str, AttributeUse] = field(default_factory=dict)
    simple: SimpleType | None = None
    is_mixed: bool = False
    has_any: bool = False
    has_any_attribute: bool = False


ANY_CONTENT = Content(is_mixed=True, has_any=True, has_any_attribute=True)


class Contents:
    """Reads complex types and groups, each once."""

    def __init__(self, index: Index, types: SimpleTypes) -> None:
        self._index, self._types = index, types
        self._contents: dict[tuple[object, str], Content] = {}
        self._models: dict[tuple[object, str], Model] = {}
        self._open: set[tuple[object, str]] = set()

    def read(self, complex_type: Component, depth: int = 0) -> Content:
        """The content; raises ``PermanentError`` where definitions are nested deeper than anybody would write."""
        key = (complex_type.node, complex_type.scope.namespace)
        if (known := self._contents.get(key)) is not None:
            return known
        if not self._enter(complex_type, key, depth):
            return Content()
        content = self._read_type(complex_type, depth + 1)
        self._open.discard(key)
        self._contents[key] = content
        return content

    def _enter(self, component: Component, key: tuple[object, str], depth: int) -> bool:
        """False where the component is defined by itself."""
        if depth > MAX_NESTED:
            raise PermanentError(f"XSD {component.place}: definitions are nested deeper than {MAX_NESTED} levels")
        if key in self._open:
            self._index.note(component, "this is defined by itself")
            return False
        self._open.add(key)
        return True

    # -- types --------------------------------------------------------------------------------------------------------

    def _read_type(self, complex_type: Component, depth: int) -> Content:
        wrapper = complex_type.only("complexContent", "simpleContent")
        if wrapper is None:
            content = self._own(complex_type, depth)
            content.is_mixed = _is_true(complex_type, "mixed")
            return content
        derivation = wrapper.only("extension", "restriction")
        if derivation is None:
            return Content()
        content = self._derive(derivation, depth)
        if wrapper.node.tag == f"{XS}complexContent":
            content.is_mixed |= _is_true(wrapper, "mixed") or _is_true(complex_type, "mixed")
        return content

    def _derive(self, derivation: Component, depth: int) -> Content:
        is_extension = derivation.node.tag == f"{XS}extension"
        base = self._base(derivation, depth)
        own = self._own(derivation, depth)
        kept = {
            name: use
            for name, use in base.attributes.items()
            if is_extension or name not in self._prohibited(derivation)
        }
        own.attributes = kept | own.attributes
        own.has_any_attribute |= base.has_any_attribute and is_extension
        if is_extension:
            model = in_sequence([Model(base.particles, base.has_any), Model(own.particles, own.has_any)])
            own.particles, own.has_any, own.is_mixed = model.particles, model.has_any, base.is_mixed
        own.simple = base.simple
        if base.simple is not None and not is_extension:
            inner = derivation.only("simpleType")
            start = self._types.read(inner, depth) if inner is not None else base.simple
            own.simple = self._types.restrict(derivation, start, depth)
        return own

    def _base(self, derivation: Component, depth: int) -> Content:
        text = derivation.node.get("base", "")
        name = self._index.clark(text, derivation)
        if name == f"{XS}anyType":
            return Content()
        if name.startswith(XS):
            return Content(simple=self._types.read(name))
        found = self._index.find("type", text, derivation)
        if found is None:
            return Content(has_any=True, has_any_attribute=True)
        if found.node.tag == f"{XS}simpleType":
            return Content(simple=self._types.read(found, depth))
        return self.read(found, depth)

    def _own(self, holder: Component, depth: int) -> Content:
        model = in_sequence([self._model(part, depth) for part in holder.each(*_PARTICLES, "openContent")])
        content = Content(dict(model.particles), has_any=model.has_any)
        self._add_attributes(content, holder, depth)
        return content

    # -- attributes ---------------------------------------------------------------------------------------------------

    def _add_attributes(self, content: Content, holder: Component, depth: int) -> None:
        content.has_any_attribute |= holder.only("anyAttribute") is not None
        for group in holder.each("attributeGroup"):
            found = self._index.find("attributeGroup", group.node.get("ref", ""), group)
            if found is not None and self._enter(found, key := (found.node, found.scope.namespace), depth):
                self._add_attributes(content, found, depth + 1)
                self._open.discard(key)
        for using in holder.each("attribute"):
            if using.node.get("use") != "prohibited" and (use := self._attribute_use(using, depth)) is not None:
                content.attributes[use.name] = use

    def _attribute_use(self, using: Component, depth: int) -> AttributeUse | None:
        attribute, name = using, self._attribute_name(using)
        if (ref := using.node.get("ref")) is not None:
            found = self._index.find("attribute", ref, using)
            attribute = found or using
        simple: SimpleType | None = None
        if (inner := attribute.only("simpleType")) is not None:
            simple = self._types.read(inner, depth)
        elif attribute.node.get("type"):
            simple = self._types.refer(attribute, "type", depth)
        default = using.node.get("default") or using.node.get("fixed") or attribute.node.get("default")
        return AttributeUse(
            name,
            attribute,
            using.node.get("use") == "required",
            default or attribute.node.get("fixed"),
            simple or SimpleType("anySimpleType"),
        )

    def _attribute_name(self, using: Component) -> str:
        if (ref := using.node.get("ref")) is not None:
            return self._index.clark(ref, using)
        namespace = using.scope.namespace if using.scope.qualifies(using.node, "attribute") else ""
        return _clark(using.node.get("targetNamespace", namespace), using.local)

    def _prohibited(self, derivation: Component) -> set[str]:
        return {
            self._attribute_name(using)
            for using in derivation.each("attribute")
            if using.node.get("use") == "prohibited"
        }

    # -- content models -----------------------------------------------------------------------------------------------

    def _model(self, part: Component, depth: int) -> Model:
        kind = part.node.tag.removeprefix(XS)
        if kind in ("any", "openContent"):
            return Model(has_any=part.node.get("maxOccurs") != "0" and part.node.get("mode") != "none")
        least, most = occurs(part)
        if most == 0:
            return Model()
        if kind == "element":
            return self._element(part, least, most)
        model = self._group(part, depth) if kind == "group" else self._compositor(part, depth)
        if (least, most) == (1, 1):
            return model
        return Model({name: each.times(least, most) for name, each in model.particles.items()}, model.has_any)

    def _group(self, reference: Component, depth: int) -> Model:
        found = self._index.find("group", reference.node.get("ref", ""), reference)
        if found is None:
            return Model(has_any=True)
        key = (found.node, found.scope.namespace)
        if (known := self._models.get(key)) is not None:
            return known
        if not self._enter(found, key, depth):
            return Model()
        inner = found.only("sequence", "choice", "all")
        model = self._model(inner, depth + 1) if inner is not None else Model()
        self._open.discard(key)
        self._models[key] = model
        return model

    def _compositor(self, part: Component, depth: int) -> Model:
        if depth > MAX_NESTED:
            raise PermanentError(f"XSD {part.place}: groups are nested deeper than {MAX_NESTED} levels")
        models = [self._model(inner, depth + 1) for inner in part.each(*_PARTICLES)]
        return one_of(models) if part.node.tag == f"{XS}choice" else in_sequence(models)

    def _element(self, using: Component, least: int, most: int | None) -> Model:
        ref = using.node.get("ref")
        if ref is None:
            namespace = using.scope.namespace if using.scope.qualifies(using.node, "element") else ""
            name = _clark(using.node.get("targetNamespace", namespace), using.local)
            return Model({name: Particle(name, using, using, least, most)})
        name = self._index.clark(ref, using)
        found = self._index.find("element", ref, using)
        if found is None:
            return Model({name: Particle(name, using, using, least, most)})
        substitutes = self._index.all_substitutes(name)
        if not substitutes and not found.is_abstract:
            return Model({name: Particle(name, found, using, least, most)})
        own = [] if found.is_abstract else [Particle(name, found, using, least, most)]
        others = [Particle(each.name, each, each, least, most, name) for each in substitutes]
        particles = [*own, *others]
        if not particles:
            self._index.note(using, f"the element {found.local!r} is abstract, and nothing stands for it")
        if len(particles) > 1:
            particles = [replace(each, least=0) for each in particles]
        return Model({each.name: each for each in particles})


def _is_true(component: Component, name: str) -> bool:
    return component.node.get(name, "").strip() in ("true", "1")


def _clark(namespace: str, local: str) -> str:
    return f"{{{namespace}}}{local}" if namespace else local
