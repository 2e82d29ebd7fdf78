"""A feed's documentation as Markdown: in full, and as Airflow's UI shows it for a DAG."""

from __future__ import annotations

from collections.abc import Iterable

from sluice.feed.documentation import sections
from sluice.feed.documentation.blocks import Block, Bullets, Facts, Grid, Heading, Listing, Prose
from sluice.feed.documentation.diagram import mermaid
from sluice.feed.documentation.source_tree import source_tree, spell_tree
from sluice.feed.model import Feed


def feed_page(feed: Feed) -> str:
    """The documentation of the feed's DAG. Airflow's UI draws no diagrams, and leaves out all that is HTML."""
    return write_markdown(
        [
            *sections.head(feed),
            *sections.table_sections(feed),
            *_source(feed),
            *sections.totals(feed),
            *sections.run_rules(feed),
        ]
    )


def full_page(feed: Feed) -> str:
    """All of it, with the diagram in Mermaid."""
    return write_markdown(
        [
            *sections.head(feed),
            Heading("Tables", 2),
            Listing(mermaid(feed), "mermaid"),
            *_source(feed),
            *sections.table_sections(feed),
            *sections.totals(feed),
            *sections.run_rules(feed),
            *sections.lineage(feed),
        ]
    )


def _source(feed: Feed) -> list[Block]:
    return [
        Heading("What is read of a file", 2),
        Prose("Each element and attribute that the mapping reads, and the column that it goes to."),
        Listing(spell_tree(source_tree(feed)), "text"),
    ]


def write_markdown(blocks: Iterable[Block]) -> str:
    return "\n\n".join(map(_write, blocks)) + "\n"


def _write(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Prose(text):
            return text
        case Facts(items):
            return "\n".join(f"- **{name}:** {text}" for name, text in items)
        case Bullets(items):
            return "\n".join(f"- {item}" for item in items)
        case Grid(header, rows):
            return "\n".join([_row(header), "|" + "---|" * len(header), *map(_row, rows)])
        case Listing(text, language):
            return _fenced(text, language)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _fenced(text: str, language: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"
