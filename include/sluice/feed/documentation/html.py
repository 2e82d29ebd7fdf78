"""A feed's documentation as one page of HTML: no scripts, nothing from elsewhere, for light and dark."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from importlib import resources

from sluice.feed.documentation import sections
from sluice.feed.documentation.blocks import Block, Bullets, Facts, Grid, Heading, Listing, Prose
from sluice.feed.documentation.diagram import boxes
from sluice.feed.documentation.drawing import draw
from sluice.feed.documentation.source_tree import Node, Use, source_tree
from sluice.feed.model import Feed

_SPAN = re.compile(r"(?P<fence>`+)(?P<code>.+?)(?P=fence)(?!`)|\*\*(?P<bold>.+?)\*\*", re.DOTALL)

_SIDES = "At the left each element and attribute that the mapping reads; behind it the column that it goes to."


def html_page(feed: Feed) -> str:
    tables = "\n".join(map(_write, sections.table_sections(feed)))
    tree = "".join(map(_write_node, source_tree(feed).children))
    body = [
        *map(_write, sections.head(feed)),
        f'<h2>Tables</h2>\n<div class="drawing">{draw(boxes(feed))}</div>',
        f"<h2>Source and tables</h2>\n<p>{_SIDES}</p>",
        f'<div class="sides"><nav class="tree" aria-label="Source"><ul>{tree}</ul></nav>\n<div>{tables}</div></div>',
        *map(_write, sections.totals(feed)),
        *map(_write, sections.run_rules(feed)),
        *map(_write, sections.lineage(feed)),
    ]
    return write_page(feed.feed, body)


def index_page(feeds: Iterable[Feed]) -> str:
    """A page that leads to those of ``feeds``."""
    items = []
    for feed in feeds:
        first = _inline(feed.description.strip().split("\n\n")[0])
        items.append(f'<dt><a href="{escape(feed.feed)}.html">{escape(feed.feed)}</a></dt><dd>{first}</dd>')
    return write_page("Feeds", ["<h1>Feeds</h1>", f"<dl>{''.join(items)}</dl>"])


def write_page(title: str, body: Iterable[str]) -> str:
    style = resources.files("sluice.feed.documentation").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _write(block: Block) -> str:
    match block:
        case Heading(text, level, anchor):
            name = f' id="{escape(anchor)}"' if anchor else ""
            return f"<h{level}{name}>{escape(text)}</h{level}>"
        case Prose(text):
            return "\n".join(f"<p>{_inline(paragraph)}</p>" for paragraph in text.split("\n\n"))
        case Facts(items):
            return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{_inline(text)}</dd>' for name, text in items)}</dl>"
        case Bullets(items):
            return f"<ul>{''.join(f'<li>{_inline(item)}</li>' for item in items)}</ul>"
        case Grid():
            return _write_grid(block)
        case Listing(text):
            return f"<pre>{escape(text)}</pre>"


def _write_grid(grid: Grid) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in grid.header)
    rows = []
    for number, row in enumerate(grid.rows):
        name = f' id="{escape(grid.anchors[number])}"' if grid.anchors else ""
        rows.append(f"<tr{name}>{''.join(f'<td>{_inline(cell)}</td>' for cell in row)}</tr>")
    return f'<div class="grid"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _inline(text: str) -> str:
    """Markdown's code and bold, all else as it stands."""
    parts, end = [], 0
    for match in _SPAN.finditer(text):
        parts.append(escape(text[end : match.start()]))
        if match["code"] is not None:
            told = match["code"]
            is_padded = len(match["fence"]) > 1 and told.startswith(" ") and told.endswith(" ")
            parts.append(f"<code>{_breakable(told[1:-1] if is_padded else told)}</code>")
        else:
            parts.append(f"<b>{_inline(match['bold'])}</b>")
        end = match.end()
    return "".join([*parts, escape(text[end:])])


def _breakable(text: str) -> str:
    """A path may go on in the next line behind each of its steps."""
    return escape(text).replace("/", "/<wbr>")


def _write_node(node: Node) -> str:
    uses = "".join(map(_write_use, node.uses))
    css = "attribute" if node.label.startswith("@") else "element"
    below = f"<ul>{''.join(map(_write_node, node.children))}</ul>" if node.below else ""
    return f'<li><code class="{css}">{escape(node.label)}</code>{uses}{below}</li>'


def _write_use(use: Use) -> str:
    anchor = sections.column_anchor(use.table, use.column) if use.column else sections.table_anchor(use.table)
    return f' <a class="{use.kind}" href="#{escape(anchor)}">{escape(str(use))}</a>'
