"""The JSON Schema of feed.yaml, for editors that complete and check while one types. Made of the model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from sluice.feed.model import Feed

SCHEMA_FILE = "feed.schema.json"
"""Its name in the folder of the feeds, where feed files refer to it as `../feed.schema.json`."""


class _Untitled(GenerateJsonSchema):
    """Without the titles that Pydantic makes of the names of the fields."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema() -> dict[str, Any]:
    """The schema, in draft 2020-12. It knows each key by itself; the rules between keys are those of ``loading``."""
    schema = _without_empty_defaults(
        Feed.model_json_schema(by_alias=True, mode="validation", schema_generator=_Untitled)
    )
    for definition in (schema, *schema["$defs"].values()):
        definition["description"] = _unwrap(definition["description"])
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **schema,
        "title": "feed.yaml of Sluice",
    }


def schema_text(expectations: Mapping[str, dict[str, Any]]) -> str:
    """The schema as its file has it. It knows each of ``expectations`` by name, with the schema of its arguments."""
    schema = json_schema()
    expectation = schema["$defs"]["Expectation"]
    expectation["properties"] = {**expectations, **expectation["properties"]}
    del expectation["patternProperties"]
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _without_empty_defaults(schema: Any) -> Any:
    """Without defaults that say nothing: an editor would complete a key with `null` or an empty list."""
    if isinstance(schema, list):
        return [_without_empty_defaults(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    is_key = "description" in schema and schema.get("default", "") in (None, [], {}, "")
    return {key: _without_empty_defaults(value) for key, value in schema.items() if not (is_key and key == "default")}


def _unwrap(text: str) -> str:
    """A docstring without the ends of its lines, which editors would show as ends of paragraphs."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text)
