"""What a page is made of. Texts are Markdown's, of which only `code` and **bold** are used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    """``anchor`` is what links to it name; ``level`` counts from 1."""

    text: str
    level: int
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Prose:
    """Paragraphs, as a person has written them."""

    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with what is to be said of each."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Bullets:
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; ``anchors`` has one for each row, or none at all."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    anchors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """Lines as they stand, in ``language``."""

    text: str
    language: str = ""


Block = Heading | Prose | Facts | Bullets | Grid | Listing


def code(text: str) -> str:
    """``text`` as it stands, whatever it holds; '' where it is empty."""
    if "`" not in text:
        return f"`{text}`" if text else "`''`"
    fence = "``" if "``" not in text else "```"
    return f"{fence} {text} {fence}"


def codes(texts: Iterable[str]) -> str:
    return ", ".join(map(code, texts))


def alternatives(texts: Iterable[str]) -> str:
    """Of which the first that is there counts."""
    return ", else ".join(map(code, texts))


def joined(*texts: str) -> str:
    """Those of ``texts`` that say something, one after the other."""
    return ", ".join(filter(None, texts))
