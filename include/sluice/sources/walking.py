"""Walks a tree of folders along a glob: of each folder that may hold a match, and of no other, the names are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from sluice.errors import SourceMissing
from sluice.sources.pattern import glob_regex, has_wildcard


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in a folder, or a path that was spelled out. ``name`` is the text that globs are matched with.

    ``leads_to_folder`` is true for links to folders, too; ``is_link`` for any link. ``status`` is what the tree knows
    of it already, for whoever walks.
    """

    path: str
    name: str = ""
    leads_to_folder: bool = False
    is_link: bool = False
    status: Any = None


class Tree(Protocol):
    """Folders and what they hold, by absolute paths."""

    def entries(self, folder: str) -> Iterable[Entry]:
        """What is in ``folder``; nothing where there is no such folder. Raises ``SourceUnavailable``."""
        ...

    def is_folder(self, path: str) -> bool: ...


def walk(tree: Tree, glob: str) -> Iterator[Entry]:
    """Everything but folders that may match an absolute glob of paths; folders that are not there give nothing.

    Raises ``SourceMissing`` where the glob names a folder instead of files.
    """
    yield from _walk_segments(tree, "/", glob.lstrip("/").split("/"))


def _walk_segments(tree: Tree, folder: str, segments: list[str]) -> Iterator[Entry]:
    head, *rest = segments
    if "**" in head:
        yield from walk_below(tree, folder)
    elif not has_wildcard(head):
        yield from _walk_literal(tree, f"{folder.rstrip('/')}/{head}", rest)
    else:
        yield from _walk_wildcard(tree, folder, head, rest)


def _walk_wildcard(tree: Tree, folder: str, head: str, rest: list[str]) -> Iterator[Entry]:
    # The slash keeps the rule for half-uploaded files away from folders.
    slash = "/" if rest else ""
    regex = glob_regex(head + slash)
    for entry in tree.entries(folder):
        if entry.leads_to_folder != bool(rest) or not regex.fullmatch(entry.name + slash):
            continue
        if rest:
            yield from _walk_segments(tree, entry.path, rest)
        else:
            yield entry


def _walk_literal(tree: Tree, path: str, rest: list[str]) -> Iterator[Entry]:
    if rest:
        yield from _walk_segments(tree, path, rest)
    elif tree.is_folder(path):
        raise SourceMissing(f"{path} is a folder: write {path}/* for the files in it")
    else:
        yield Entry(path)


def walk_below(tree: Tree, folder: str) -> Iterator[Entry]:
    """Everything below ``folder`` at any depth. Links to folders are not followed, since they may lead in circles."""
    for entry in tree.entries(folder):
        if entry.leads_to_folder and not entry.is_link:
            yield from walk_below(tree, entry.path)
        elif not entry.leads_to_folder:
            yield entry
