"""The XSDs of a draft in its feed: copies in the folder ``xsd``, where the feed finds all that they refer to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sluice.draft.drafting import Draft
from sluice.draft.joining import join
from sluice.draft.pruning import prune_unseen
from sluice.draft.samples import Samples
from sluice.draft.schema import Schema, read_schema
from sluice.draft.schema_files import BUILT_IN, SchemaFile, list_schemas
from sluice.draft.shape import Shape
from sluice.errors import PermanentError
from sluice.xmlio import spell_document

FOLDER = "xsd"


@dataclass(frozen=True, slots=True)
class DeclaredShapes:
    """The shapes that an XSD gave or filled. ``copies`` are the files of ``xsd/`` by name, ``main`` the feed's own."""

    roots: list[Shape]
    notes: tuple[str, ...]
    copies: dict[str, bytes]
    main: tuple[str, ...]


def read_declared(given: tuple[str, ...], samples: Samples, root: str | None) -> DeclaredShapes:
    """Read XSDs and join them with the samples. Raises ``PermanentError`` where they cannot be read."""
    schema = read_schema(list_schemas(map(Path, given)))
    joining = join(schema, samples.roots, samples.namespaces, root)
    left_out = [note for shape in joining.roots for note in prune_unseen(shape)]
    copies = make_copies(schema)
    main = tuple(dict.fromkeys(copies.names[id(file)] for file in _main_files(schema, joining.names)))
    notes = (*joining.notes, *copies.notes, *left_out)
    return DeclaredShapes(joining.roots, notes, copies.texts, main if copies.are_whole else ())


def with_schema(draft: Draft, declared: DeclaredShapes) -> Draft:
    """The draft with the XSD that its records are checked against, and what was to say of it."""
    files = tuple(f"{FOLDER}/{name}" for name in declared.main)
    return replace(draft, xsd_files=files, notes=(*draft.notes, *declared.notes))


def write_copies(folder: Path, declared: DeclaredShapes) -> None:
    """Write ``xsd/``; what is there stays as it is, and raises where it is another."""
    (folder / FOLDER).mkdir(exist_ok=True)
    for name, text in declared.copies.items():
        path = folder / FOLDER / name
        if path.exists() and path.read_bytes() != text:
            raise PermanentError(f"{path} is there already, and is another than the XSD of the draft")
        path.write_bytes(text)


@dataclass(frozen=True, slots=True)
class Copies:
    """``names`` by the identity of the file."""

    texts: dict[str, bytes]
    names: dict[int, str]
    notes: tuple[str, ...]
    are_whole: bool


def make_copies(schema: Schema) -> Copies:
    """Copies of all files of a schema for one folder: as they are, but where two have one name.

    There a reference by its file name would be in doubt, so that it is written with the new name.
    """
    files = schema.files.files
    names = _unique_names(files)
    is_renamed = any(names[id(file)] != file.name for file in files)
    texts = {names[id(file)]: _localised(file, names) if is_renamed else _text_of(file) for file in files}
    notes = []
    if is_renamed:
        notes.append(
            "several XSD files have one name; in xsd/ their copies have others, also where they are referred to"
        )
    if schema.files.missing:
        notes.append("the feed does not check records against the XSD, as files that it refers to are missing")
    return Copies(texts, names, tuple(notes), not schema.files.missing)


def _unique_names(files: tuple[SchemaFile, ...]) -> dict[int, str]:
    names: dict[int, str] = {}
    taken: set[str] = set()
    for file in files:
        name, number = file.name, 1
        while name.lower() in taken:
            number += 1
            name = f"{Path(file.name).stem}-{number}.xsd"
        taken.add(name.lower())
        names[id(file)] = name
    return names


def _text_of(file: SchemaFile) -> bytes:
    return file.path.read_bytes() if file.path is not None else BUILT_IN[file.namespace][1]


def _localised(file: SchemaFile, names: dict[int, str]) -> bytes:
    targets = [(each.node, each.target) for each in file.references]
    before = [node.get("schemaLocation") for node, _ in targets]
    for node, target in targets:
        if target is not None:
            node.set("schemaLocation", names[id(target)])
    text = spell_document(file.root)
    for (node, _), location in zip(targets, before, strict=True):
        if location is not None:
            node.set("schemaLocation", location)
    return text


def _main_files(schema: Schema, names: list[str]) -> list[SchemaFile]:
    """The files that declare the roots: those by which documents are judged."""
    return [file for name in names if (file := schema.file_of(name)) is not None]
