"""The reference of the feed language as a page of Markdown: every key, what it takes, its default, its meaning.

Made of the JSON Schema, and so of the model: what an editor shows and what the page says is one text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sluice.feed.schema import json_schema
from sluice.feed.types import KINDS, MAX_PRECISION, ColumnType

Schema = dict[str, Any]

_HEAD = """\
<!-- Made of the model by `make reference`; a change here is lost. -->

# The feed file, key by key

Every key that a `feed.yaml` may hold, what it takes, its default and its meaning. How they work together, with
examples: [The feed file](feeds.md); shapes of XML, each declared, ready to copy: [Cookbook](cookbook.md).
`sluice schema` prints the same for editors, `sluice schema --reference` this page.

Keys in **bold** must be there. Wherever a list of texts is taken, one text stands for a list of one.
"""
_NAMES = {"string": "text", "boolean": "`true` or `false`", "integer": "whole number", "number": "number"}


@dataclass(frozen=True, slots=True)
class _Section:
    """A mapping of the feed file: ``name`` is that of its definition in the schema, ``place`` where it stands."""

    name: str
    place: str
    schema: Schema

    @property
    def title(self) -> str:
        """Its key; where that is a name that the feed chooses, or there is none, what it is."""
        last = self.place.rpartition(".")[2]
        return self.name if last.endswith((">", "]")) or not last else f"`{last}`"

    @property
    def anchor(self) -> str:
        """As GitHub makes it of the title."""
        return re.sub(r"[^\w -]", "", self.title.lower()).replace(" ", "-")


def reference_page(expectations: str) -> str:
    """The page: a section for each mapping of the feed file, in the order of the keys that lead to it; the types; and
    a section on ``expectations``.
    """
    sections = {section.name: section for section in _sections(json_schema())}
    parts = [_HEAD, *(_spell_section(section, sections) for section in sections.values()), _types(), expectations]
    return "\n".join(parts)


def _sections(schema: Schema) -> Iterator[_Section]:
    definitions = dict(schema["$defs"])
    yield (whole := _Section("Feed", "", schema))
    yield from _sections_below(whole, definitions)


def _sections_below(section: _Section, definitions: dict[str, Schema]) -> Iterator[_Section]:
    """Takes out of ``definitions`` what it yields, so that each stands once, at its first place."""
    for key, value in _full(section.schema)["properties"].items():
        for name in _references(value):
            if name in definitions:
                place = f"{section.place}.{key}{_inner_place(value, name)}".lstrip(".")
                yield (below := _Section(name, place, definitions.pop(name)))
                yield from _sections_below(below, definitions)


def _inner_place(schema: Schema, name: str) -> str:
    return {"object": f".<{name.lower()}>", "array": "[]"}.get(schema.get("type", ""), "")


def _references(schema: Any) -> Iterator[str]:
    """The definitions that a key's value may be made of."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2]
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)


def _full(schema: Schema) -> Schema:
    """The mapping itself, where a definition has short forms beside it."""
    return next((form for form in schema.get("anyOf", ()) if "properties" in form), schema)


def _spell_section(section: _Section, sections: dict[str, _Section]) -> str:
    full = _full(section.schema)
    required = full.get("required", ())
    rows = ["| key | takes | default | meaning |", "|---|---|---|---|"]
    for pattern, value in full.get("patternProperties", {}).items():
        rows.append(_row(f"**`{pattern.strip('^')}…`**", value, sections))
    for key, value in full.get("properties", {}).items():
        rows.append(_row(f"**`{key}`**" if key in required else f"`{key}`", value, sections))
    table = "\n".join(rows)
    place = f"At `{section.place}`. " if section.place not in ("", section.title.strip("`")) else ""
    return f"## {section.title}\n\n{place}{section.schema['description']}\n\n{table}\n"


def _row(key: str, schema: Schema, sections: dict[str, _Section]) -> str:
    meaning = schema.get("description") or _lead(sections[next(_references(schema))])
    if examples := _examples(schema):
        meaning += f" For example {_or([_code(example) for example in examples], 'or')}."
    cells = (key, _takes(schema, sections), _default(schema), meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _examples(schema: Schema) -> list[Any]:
    """Of the key itself, or of its first form that has some. Those of types say no more than the meaning does."""
    if schema.get("title") == "type":
        return []
    return next((form["examples"] for form in (schema, *schema.get("anyOf", ())) if "examples" in form), [])


def _lead(section: _Section) -> str:
    """The first sentence about a mapping."""
    return re.split(r"(?<=\.) ", section.schema["description"].partition("\n")[0])[0]


def _default(schema: Schema) -> str:
    value = schema.get("default", "")
    if value == "":
        return ""
    size = _size(value) if isinstance(value, int) else ""
    return f"`{value}` ({size})" if size.endswith("iB") else _code(value)


def _code(value: Any) -> str:
    if isinstance(value, dict):
        pairs = ", ".join(f"{key}: {_plain(item)}" for key, item in value.items())
        return f"`{{{pairs}}}`"
    return f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    """``value`` in YAML's flow style, as one would write it."""
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, str):
        return value or "''"
    return json.dumps(value)


def _takes(schema: Schema, sections: dict[str, _Section]) -> str:
    if "enum" in schema:
        return _or([f"`{value}`" for value in schema["enum"]], "or")
    if "anyOf" in schema:
        # Null is worth a word only where something else is the default.
        forms = [form for form in schema["anyOf"] if form.get("type") != "null" or "default" in schema]
        return _or([_takes(form, sections) for form in forms], "or")
    if "$ref" in schema:
        section = sections[schema["$ref"].rpartition("/")[2]]
        return f"[{section.name.lower() if section.title == section.name else 'mapping'}](#{section.anchor})"
    if isinstance(schema["type"], list):
        return "mapping of arguments"
    if schema["type"] == "array":
        return f"list of {_many(_takes(schema['items'], sections))}"
    if schema["type"] == "object":
        return _mapping(schema, sections)
    if schema["type"] == "null":
        return "`null`"
    return (schema.get("title") or _NAMES[schema["type"]]) + _bounds(schema)


def _mapping(schema: Schema, sections: dict[str, _Section]) -> str:
    values = [*schema.get("patternProperties", {}).values()] or [schema.get("additionalProperties")]
    if not isinstance(values[0], dict):
        return "mapping"
    taken = _takes(values[0], sections)
    return f"names, each with its {taken}" if taken.startswith("[") else f"names, each with {_article(taken)}"


def _article(text: str) -> str:
    return f"a {text}"


def _many(text: str) -> str:
    """The plural of what ``_takes`` says."""
    if " or " in text:
        return f"items, each {_article(text)}"
    return re.sub(r"^\[(\w+)\]", r"[\1s]", text) if text.startswith("[") else f"{text}s"


def _bounds(schema: Schema) -> str:
    low, above, high = (schema.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    start = _size(low) if low is not None else f"above {above}" if above is not None else ""
    if not start:
        return ""
    return f", {start} to {_size(high)}" if high is not None else f", from {start}"


def _size(number: float) -> str:
    """A round number of bytes in the unit that makes it short."""
    for unit, bits in (("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20)):
        if isinstance(number, int) and number >= 1 << bits and number % (1 << bits) == 0:
            return f"{number >> bits} {unit}"
    return f"{number:,}"


def _or(texts: list[str], word: str) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {word} {texts[-1]}"


def _types() -> str:
    kinds = [kind for kind in KINDS if kind != "numeric"]
    rows = [f"| `{kind}` | `{ColumnType(kind).sql}` | `{ColumnType(kind, is_list=True).sql}` |" for kind in kinds]
    rows.insert(3, "| `numeric(p,s)` | `numeric(p,s)` | `numeric(p,s)[]` |")
    lines = "\n".join(["| type | in PostgreSQL | as a list, with `[]` |", "|---|---|---|", *rows])
    return (
        "## Types\n\nWhat each takes and what it rejects: [Types](feeds.md#types). A numeric has up to"
        f" {MAX_PRECISION} digits.\n\n{lines}\n"
    )
