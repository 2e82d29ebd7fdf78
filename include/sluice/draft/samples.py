"""Reads samples: every element, attribute and text of all documents, added up into shapes.

Memory depends on how many different elements there are, not on how large the samples are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluice import xmlio
from sluice.charsets import Utf8Stream
from sluice.containers import Quotas, iter_members
from sluice.draft.counted import Node, line_of, rename, shape_of
from sluice.draft.folding import fold_recursion, mark_alike, mark_items
from sluice.draft.profile import Profile
from sluice.draft.shape import Attribute, Shape
from sluice.draft.versions import Namespaces
from sluice.errors import MalformedXML, PermanentError
from sluice.sources.files import path_of
from sluice.sources.pattern import scheme_of
from sluice.spots import short_name
from sluice.tryout.samples import list_samples

MAX_SHAPES = 50_000
MAX_DEPTH = 2048
MAX_NESTING = 2  # archives in archives
# So often an element may lie in others of its name before it counts as endless recursion.
MAX_NESTED = 4
MAX_LEAF_CHARACTERS = 1 << 20
XSI = "http://www.w3.org/2001/XMLSchema-instance"
_XSI_PREFIX = f"{XSI}}}"
_XML = "http://www.w3.org/XML/1998/namespace"
_HELD_TEXTS = 1024
_MAX_HELD_TEXT = 1024  # a longer one is looked at when it comes


@dataclass(frozen=True, slots=True)
class Fault:
    """A sample, or a member of one, that could not be read to its end."""

    name: str
    why: str


@dataclass(slots=True)
class Samples:
    """What all samples hold. ``roots`` are the kinds of documents, the most frequent first."""

    roots: list[Shape] = field(default_factory=list)
    namespaces: Namespaces = field(default_factory=Namespaces)
    files: int = 0
    documents: int = 0
    bytes: int = 0
    has_inner_archives: bool = False
    sound: int = 0  # files, or members of such, that could be read to their end
    faults: list[Fault] = field(default_factory=list)
    largest: dict[str, int] = field(default_factory=dict)  # bytes of the largest document, by the root's Clark name
    paths: list[Path] = field(default_factory=list)


def local_samples(given: Sequence[str]) -> list[Path]:
    """The files that are meant, as ``list_samples`` finds them; only on this machine, for a draft reads them often."""
    for path in given:
        if scheme_of(path) != "file":
            raise PermanentError(f"{path}: a draft reads files of this machine: download the samples first")
    return [Path(path_of(file.uri)) for file in list_samples(given)]


def read_samples(paths: Iterable[Path], tell: Callable[[str], None] = lambda _: None) -> Samples:
    """Read all of them. What cannot be read is told and passed over; what stood before a fault counts."""
    paths = list(paths)
    samples = _read_all(paths, tell, frozenset())
    apart = samples.namespaces.together
    return _read_all(paths, lambda _: None, frozenset(apart)) if apart else samples


def _read_all(paths: Sequence[Path], tell: Callable[[str], None], apart: frozenset[str]) -> Samples:
    samples = Samples(namespaces=Namespaces(apart))
    counting = _Counting(samples.namespaces)
    for path in paths:
        samples.paths.append(path)
        samples.files += 1
        _read_file(path, samples, counting, tell)
    samples.roots = counting.finish()
    samples.documents = sum(root.count for root in samples.roots)
    samples.largest = counting.largest
    return samples


def _read_file(path: Path, samples: Samples, counting: _Counting, tell: Callable[[str], None]) -> None:
    shown = name = short_name(str(path))
    try:
        with path.open("rb") as raw:
            for member in iter_members(raw, Quotas(max_nesting=MAX_NESTING)):
                name = f"{shown}!{member.name}" if member.name else shown
                samples.has_inner_archives |= member.outermost not in ("", member.name)
                try:
                    counting.read(Utf8Stream(member.stream), name)
                    samples.sound += 1
                except MalformedXML as fault:
                    _tell_fault(samples, tell, name, fault)
                finally:
                    samples.bytes += counting.bytes_read
    except MalformedXML as fault:
        _tell_fault(samples, tell, name, fault)
    except OSError as error:
        raise PermanentError(f"{path} cannot be read: {error.strerror or error}") from error


def _tell_fault(samples: Samples, tell: Callable[[str], None], name: str, fault: MalformedXML) -> None:
    samples.faults.append(Fault(name, fault.message))
    tell(f"{name} cannot be read to its end: {fault.message}")


class _Counting:
    """The listener that counts; one for all documents."""

    def __init__(self, namespaces: Namespaces) -> None:
        self.bytes_read = 0
        self.largest: dict[str, int] = {}
        self._namespaces = namespaces
        self._top = Node("", None, "")
        self._shapes = 0
        self._serial = self._document = self._begun = 0
        self._skipped = 0
        self._name = ""
        self._prefixes: dict[str, str] = {}
        # A frame: the node, its serial, its text, whether it has children, whether it has text beside them, and which
        # children it had so far.
        self._frame: list[Any] = []
        self._stack: list[list[Any]] = []
        self._parser: Any = None

    def read(self, stream: Utf8Stream, name: str) -> None:
        self._name, self.bytes_read, self._begun = name, 0, 0
        try:
            xmlio.listen(_Metered(stream, self), self)
        finally:
            self._note_size()

    # -- the listener -------------------------------------------------------------------------------------------------

    def begin_document(self, parser: Any) -> None:
        self._note_size()
        self._begun = self.bytes_read
        self._parser = parser
        self._namespaces.begin_document()
        self._stack, self._skipped = [], 0
        self._serial += 1
        self._document = self._serial
        self._frame = [self._top, self._document, "", False, False, 0]

    def declare(self, prefix: str | None, uri: str | None) -> None:
        if uri:
            self._namespaces.declare(prefix, uri)
            self._prefixes[prefix or ""] = uri

    def start(self, name: str, attributes: dict[str, str]) -> None:
        frame = self._frame
        if self._skipped:
            self._skipped += 1
            return
        parent = frame[0]
        node = parent.by_name.get(name)
        if node is None:
            node = self._new_node(parent, name)
        node.count += 1
        frame[3] = True
        serial = frame[1]
        if node.serial == serial:
            node.run += 1
            if node.run > node.most:
                node.most = node.run
        else:
            node.serial = serial
            node.run = 1
            node.holders += 1
        node.after |= frame[5]
        frame[5] |= node.bit
        if node.is_fold:
            self._skipped = 1
            return
        self._stack.append(frame)
        self._serial += 1
        self._frame = [node, self._serial, "", False, False, 0]
        for key, value in attributes.items():
            found = node.attributes.get(key)
            if found is None:
                found = self._new_attribute(node, key, value)
                if found is None:
                    continue
            attribute, texts = found
            attribute.count += 1
            _take(value, texts, attribute.values)

    def data(self, text: str) -> None:
        if self._skipped:
            return
        frame = self._frame
        if frame[3]:
            if not frame[4] and not text.isspace():
                frame[4] = True
        elif len(frame[2]) < MAX_LEAF_CHARACTERS:
            frame[2] += text

    def end(self, name: str) -> None:
        if self._skipped:
            self._skipped -= 1
            return
        node, _, text, has_children, has_text, _ = self._frame
        self._frame = self._stack.pop()
        if has_children:
            node.with_children += 1
            if has_text or (text and not text.isspace()):
                node.with_text += 1
                node.with_both += 1
            return
        if text and not text.isspace():
            node.with_text += 1
        _take(text, node.texts, node.values)

    # -- what is rare -------------------------------------------------------------------------------------------------

    def _new_node(self, parent: Node, name: str) -> Node:
        clark = self._namespaces.clark(name)
        node = parent.children.get(clark)
        if node is None:
            self._shapes += 1
            if self._shapes > MAX_SHAPES:
                raise PermanentError(
                    f"{self._name}: more than {MAX_SHAPES:,} different elements; names seem to be data"
                )
            node = parent.children[clark] = Node(clark, parent, f"{self._name}:{self._parser.CurrentLineNumber}")
            if sum(1 for above in line_of(parent) if above.name == clark) >= MAX_NESTED or len(self._stack) > MAX_DEPTH:
                node.is_fold = True
        parent.by_name[name] = node
        return node

    def _new_attribute(self, node: Node, key: str, value: str) -> tuple[Attribute, list[str]] | None:
        """None for what XML Schema's own attributes say; these are no data."""
        if key.startswith(_XSI_PREFIX):
            local = key[len(_XSI_PREFIX) :]
            if local == "nil" and value.strip() in ("true", "1"):
                node.nils += 1
            elif local == "type":
                prefix, _, name = value.strip().rpartition(":")
                uri = self._prefixes.get(prefix)
                node.types[self._namespaces.clark(f"{uri}}}{name}") if uri else name] += 1
            return None
        uri, _, local = key.rpartition("}")
        clark = f"{{{uri}}}{local}" if uri == _XML else self._namespaces.clark(key)
        known = next((pair for pair in node.attributes.values() if pair[0].name == clark), None)
        found = node.attributes[key] = known or (Attribute(clark), [])
        return found

    def _name_by_least(self) -> None:
        new = {first: least for first, least in self._namespaces.settle().items() if first != least}
        if new:
            before = list(self._top.children)
            rename(self._top, new)
            names = dict(zip(before, self._top.children, strict=True))
            self.largest = {names[name]: size for name, size in self.largest.items()}

    def _note_size(self) -> None:
        """How large the document is that ends here, at least as far as was read."""
        size = self.bytes_read - self._begun
        for root in self._top.children.values():
            if root.serial == self._document:
                self.largest[root.name] = max(self.largest.get(root.name, 0), size)

    def finish(self) -> list[Shape]:
        self._name_by_least()
        roots = [shape_of(node, None) for node in self._top.children.values()]
        for root in roots:
            fold_recursion(root)
            mark_items(root)
        mark_alike(roots)
        return sorted(roots, key=lambda root: -root.count)


def _take(text: str, held: list[str], values: Profile) -> None:
    """Hold a text until there are many: equal ones are then looked at once."""
    if len(text) > _MAX_HELD_TEXT:
        values.add(text)
        return
    held.append(text)
    if len(held) >= _HELD_TEXTS:
        values.add_all(held)
        held.clear()


class _Metered:
    """Counts the bytes that are read."""

    def __init__(self, stream: Utf8Stream, counting: _Counting) -> None:
        self._stream, self._counting = stream, counting

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._counting.bytes_read += len(data)
        return data
