"""Writes a draft as a feed file: YAML that a person likes to read, with what was seen beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from sluice.draft.declarations import description_of
from sluice.draft.drafted import ColumnDraft, TableDraft
from sluice.draft.drafting import Draft
from sluice.draft.samples import MAX_NESTING

WIDTH = 120
_TOLD_RECORDS = 3
_PLAIN = re.compile(r"[A-Za-z_/$.][A-Za-z0-9_/.:{}$%@+-]*(?: [A-Za-z0-9_/.(+-][A-Za-z0-9_/.:()+-]*)*")
_SPECIAL = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n", "~", ".inf", ".nan"})
_FRACTION = re.compile(r"\.[0-9]")  # a number, to YAML


def scalar(text: str, *, in_flow: bool = False) -> str:
    """A text as YAML has it, in quotes only where it must be."""
    is_text = text.lower() not in _SPECIAL and not _FRACTION.match(text)
    is_plain = _PLAIN.fullmatch(text) and ": " not in text and not text.endswith(":")
    if is_text and is_plain and not (in_flow and re.search(r"[,\[\]{}]", text)):
        return text
    return _printable(json.dumps(text, ensure_ascii=False))


_NOT_PRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def _printable(text: str) -> str:
    """The text without characters that no YAML may hold, not even in a comment."""
    return _NOT_PRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def flow(value: object) -> str:
    """A value in YAML's flow style."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        return scalar(value, in_flow=True)
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{scalar(key) if key != 'null' else 'null'}: {flow(item)}" for key, item in value.items())
            + "}"
        )
    if isinstance(value, Iterable):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return "null"


def write_feed(draft: Draft) -> str:
    """The text of feed.yaml."""
    lines = [
        "# yaml-language-server: $schema=../feed.schema.json",
        f"feed: {scalar(draft.name)}",
        *_description(draft),
        "",
        "source:",
        f"  uri: ${{SLUICE_LANDING:-s3://sluice-landing}}/{draft.name}/{{date:%Y-%m-%d}}/*",
        "  connection: aws_default",
        '  arrivals: {queue: "${SLUICE_QUEUE:-}"}',
        "",
        "# Files are taken when they arrive, where a queue announces them (docs/arrivals.md); and in the morning those",
        "# of the day before. See docs/feeds.md for other rhythms.",
        "schedule:",
        "  cron: 0 6 * * *",
        "  timezone: UTC",
        *_quotas(draft),
        *_namespaces(draft),
        *_xsd(draft),
        "",
        "tables:",
    ]
    for number, table in enumerate(draft.tables):
        lines += [""] if number else []
        lines += _table(draft, table)
    return "\n".join(lines) + "\n"


def _description(draft: Draft) -> Iterator[str]:
    roots = [f"`{table.rows}`" for table in draft.tables if table.is_root]
    told = " or ".join(roots[:_TOLD_RECORDS]) + (" or another" if len(roots) > _TOLD_RECORDS else "")
    yield "description: |"
    text = f"A record is {told}. Say here what the files are, and who sends them."
    yield from (f"  {line}" for line in _wrapped(text, WIDTH - 4))


def _quotas(draft: Draft) -> Iterator[str]:
    if draft.has_inner_archives:
        yield ""
        yield "# Samples are archives in archives."
        yield f"quotas: {{max_nesting: {MAX_NESTING}}}"


def _namespaces(draft: Draft) -> Iterator[str]:
    if not draft.namespaces:
        return
    yield ""
    yield "namespaces:"
    for prefix, uris in draft.namespaces.items():
        if len(uris) == 1:
            yield f"  {prefix}: {scalar(uris[0])}"
        else:
            yield f"  {prefix}:"
            yield from (f"    - {scalar(uri)}" for uri in uris)


def _xsd(draft: Draft) -> Iterator[str]:
    if draft.xsd_files:
        yield ""
        yield "xsd:"
        yield f"  files: [{', '.join(scalar(name, in_flow=True) for name in draft.xsd_files)}]"


def _table(draft: Draft, table: TableDraft) -> Iterator[str]:
    yield f"  {table.name}:"
    if table.is_root:
        yield f"    record: {scalar(table.rows)}"
        yield from _key(table)
    else:
        yield f"    parent: {table.parent}"
        yield f"    rows: {scalar(table.rows)}"
    if described := description_of(table.shape):
        yield "    description: >-"
        yield from (f"      {line}" for line in _wrapped(described, WIDTH - 6))
    yield "    columns:" if table.columns else "    columns: {}"
    for column in table.columns:
        yield from _column(column)
    yield from _expectations(draft, table)


def _key(table: TableDraft) -> Iterator[str]:
    yield from (f"    # {line}" for line in _wrapped(table.key_note, WIDTH - 6))
    if table.key:
        yield f"    key: {_names(table.key)}"
        yield f"    version: {_names(table.version)}"
    if table.deletes is not None:
        yield "    # Taken for deletes, by their name."
        yield "    deletes:"
        yield f"      record: {scalar(table.deletes.record)}"
        yield f"      columns: {flow(dict(table.deletes.columns))}"


def _names(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def _column(column: ColumnDraft) -> Iterator[str]:
    options: dict[str, object] = {"path": column.path}
    if column.type != "text":
        options["type"] = column.type
    if column.required:
        options["required"] = True
    if column.kind.formats:
        options["formats"] = _one_or_all(column.kind.formats)
    if column.kind.timezone:
        options["timezone"] = column.kind.timezone
    if column.kind.null:
        options["null"] = _one_or_all(column.kind.null)
    if column.kind.trim and column.kind.type == "text":
        options["trim"] = True
    if described := description_of(column.value.attribute or column.value.shape):
        options["description"] = described
    name = scalar(column.name)
    line = f"      {name}: {scalar(column.path) if len(options) == 1 else _options(options)}"
    comment = "; ".join(filter(None, (column.kind.why, column.kind.doubt)))
    if len(line) > WIDTH:
        yield from _comment(comment, 6)
        yield f"      {name}:"
        for key, value in options.items():
            yield from _long_option(key, value)
    elif comment and len(line) + len(comment) + 4 <= WIDTH:
        yield f"{line}  # {_one_line(comment)}"
    else:
        yield from _comment(comment, 6)
        yield line


def _long_option(key: str, value: object) -> Iterator[str]:
    line = f"        {_option(key, value)}"
    if key == "description" and len(line) > WIDTH:
        yield "        description: >-"
        yield from (f"          {part}" for part in _wrapped(str(value), WIDTH - 10))
    else:
        yield line


def _one_or_all(texts: tuple[str, ...]) -> object:
    return texts[0] if len(texts) == 1 else list(texts)


def _options(options: dict[str, object]) -> str:
    return "{" + ", ".join(_option(key, value) for key, value in options.items()) + "}"


def _option(key: str, value: object) -> str:
    return f"{json.dumps(key) if key == 'null' else key}: {flow(value)}"


def _expectations(draft: Draft, table: TableDraft) -> Iterator[str]:
    found = draft.expectations.get(table.name, ())
    if not found:
        return
    yield "    expectations:"
    for expectation in found:
        yield from _comment(expectation.why, 6)
        line = f"      - {expectation.name}: {flow(expectation.arguments)}"
        if len(line) <= WIDTH:
            yield line
        else:
            yield f"      - {expectation.name}:"
            for key, value in expectation.arguments.items():
                yield from _wrapped_flow(f"{key}: {flow(value)}", 10)
        if expectation.severity != "critical":
            yield f"        severity: {expectation.severity}"


def _wrapped_flow(text: str, indent: int) -> Iterator[str]:
    """A key with its value, on several lines where one is not enough; only a list can be."""
    if len(text) + indent <= WIDTH or not text.endswith("]"):
        yield " " * indent + text
        return
    key, _, items = text.partition(": [")
    lines, line = [], ""
    for item in re.findall(r'"(?:[^"\\]|\\.)*"|[^, "][^,]*', items[:-1]):
        if line and len(line) + len(item) + indent + 4 > WIDTH:
            lines.append(line.rstrip())
            line = ""
        line += f"{item}, "
    lines.append(line.rstrip(", "))
    yield f"{' ' * indent}{key}:"
    yield f"{' ' * (indent + 2)}[{lines[0]}" + ("]" if len(lines) == 1 else "")
    if len(lines) == 1:
        return
    yield from (f"{' ' * (indent + 3)}{more}" for more in lines[1:-1])
    yield f"{' ' * (indent + 3)}{lines[-1]}]"


def _comment(text: str, indent: int) -> Iterator[str]:
    yield from (f"{' ' * indent}# {line}" for line in _wrapped(text, WIDTH - indent - 2))


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(_one_line(text), width, break_long_words=False, break_on_hyphens=False) if text else []


def _one_line(text: str) -> str:
    return _printable(re.sub(r"\s+", " ", text))
