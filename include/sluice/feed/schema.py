"""The JSON Schema of feed.yaml, for editors that complete and check while one types. Made of the model."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from sluice.feed.model import Feed


class _Untitled(GenerateJsonSchema):
    """Without the titles that Pydantic makes of the names of the fields."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema() -> dict[str, Any]:
    """The schema, in draft 2020-12. It knows each key by itself; the rules between keys are those of ``loading``."""
    schema = Feed.model_json_schema(by_alias=True, mode="validation", schema_generator=_Untitled)
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **schema,
        "title": "feed.yaml of Sluice",
    }
