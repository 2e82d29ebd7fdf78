"""The JSON Schema accepts what the loader accepts, and refuses what is wrong with a single key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import TypeAdapter
from tests.feed_language.conftest import ORDERS

from sluice import gate
from sluice.cli import main
from sluice.errors import PermanentError
from sluice.feed import fields
from sluice.feed.checking import check_expectations
from sluice.feed.document import read_document
from sluice.feed.loading import feed_names, feeds_root, load_feed
from sluice.feed.schema import SCHEMA_FILE, json_schema
from sluice.gate import catalog


def file_validator() -> jsonschema.protocols.Validator:
    """By the file that editors read."""
    schema = json.loads((feeds_root() / SCHEMA_FILE).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(scope="module")
def validator() -> jsonschema.protocols.Validator:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    return jsonschema.Draft202012Validator(json_schema())


def test_sound_feed(validator: jsonschema.protocols.Validator, write_feed: Callable[..., Path]) -> None:
    """A feed with all short forms fits."""
    validator.validate(read_document(write_feed() / "feed.yaml").data)


def test_file(capsys: pytest.CaptureFixture[str]) -> None:
    """The file that feed files refer to is what `make reference` makes of the model."""
    assert main(["schema"]) == 0
    is_same = capsys.readouterr().out == (feeds_root() / SCHEMA_FILE).read_text()
    assert is_same, "the feed language has changed: `make reference` writes its schema anew"


UNEXPECTED = {
    "unknown expectation": ("expect_table_row_count_to_be_between", "expect_tabel_row_count_to_be_between"),
    "unknown argument": ("{column: total, min_value: 0}", "{column: total, minimum: 0}"),
    "missing argument": ("{column: ordered_on}", "{}"),
    "uniqueness": ("expect_column_values_to_not_be_null", "expect_column_values_to_be_unique"),
    "types": (
        "{column: total, min_value: 0}",
        "{column: total, min_value: 0}\n      - expect_column_to_exist: {column: id}",
    ),
}


@pytest.mark.parametrize(("old", "new"), UNEXPECTED.values(), ids=UNEXPECTED)
def test_expectations(write_feed: Callable[..., Path], old: str, new: str) -> None:
    """The file knows the expectations by name, and their arguments, as `sluice check` does."""
    for text, is_sound in ((ORDERS, True), (ORDERS.replace(old, new), False)):
        document = read_document(write_feed(text) / "feed.yaml").data
        assert file_validator().is_valid(document) == is_sound
        assert bool(_problems(write_feed(text))) != is_sound


def _problems(folder: Path) -> list[str]:
    """What `sluice check` finds."""
    try:
        feed = load_feed(folder)
        if problems := check_expectations(feed):
            return [str(problem) for problem in problems]
        gate.check_feed(feed)
    except PermanentError as error:
        return [str(error)]
    return []


def test_every_argument_is_described() -> None:
    """Of each expectation, in words of this project; and nothing else is."""
    taken = {name for offer in catalog.offers() for name in offer.arguments}
    assert taken - catalog.ARGUMENTS.keys() == {"description", "notes", "meta"}
    assert catalog.ARGUMENTS.keys() - taken == set()


@pytest.mark.parametrize("name", feed_names(feeds_root()))
def test_own_feeds_refer_to_it(name: str) -> None:
    """The first line of a feed file leads editors to the schema."""
    folder = feeds_root() / name
    reference = (folder / "feed.yaml").read_text().splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (folder / reference).resolve() == (feeds_root() / SCHEMA_FILE).resolve()


@pytest.mark.parametrize("name", feed_names(feeds_root()))
def test_own_feeds(validator: jsonschema.protocols.Validator, name: str) -> None:
    """The feeds that come with Sluice fit, and what they expect, too."""
    document = read_document(feeds_root() / name / "feed.yaml").data
    validator.validate(document)
    file_validator().validate(document)


BAD = {
    "unknown key": ("description: The", "descriptoin: The"),
    "unknown key of a column": ("required: true", "requird: true"),
    "name of a field for its alias": ("schema: sales", "db_schema: sales"),
    "missing source": ("source:\n  uri: s3://bucket/orders/{date:%Y/%m/%d}/*.xml\n  settle_seconds: 60\n", ""),
    "column without path": ("text: .", "text: {type: text}"),
    "no path": ("sku: Sku", "sku: []"),
    "number for a path": ("sku: Sku", "sku: 3"),
    "text for a number": ("settle_seconds: 60", "settle_seconds: soon"),
    "number below its limit": ("settle_seconds: 60", "settle_seconds: -1"),
    "record too small": ("run:", "max_record_bytes: 10\nrun:"),
    "share above one": ("max_share: 0.1", "max_share: 10"),
    "unknown type": ("type: integer", "type: int"),
    "unknown severity": ("severity: warning", "severity: bad"),
    "key beside an expectation": ("severity: warning", "severty: warning"),
    "no expectation": ("- expect_table_row_count_to_be_between: {min_value: 1}", "- {}"),
    "arguments in a list": ("not_be_null: {column: ordered_on}", "not_be_null: [ordered_on]"),
    "bad name of a column": ("sku: Sku", "Sku-No: Sku"),
    "bad name of a table": ("  notes:\n", "  Notes:\n"),
    "total of nothing": ("run:", "totals: [{path: /Orders/@n}]\nrun:"),
    "total of two things": ("run:", "totals: [{path: /Orders/@n, counts: lines, sums: orders.total}]\nrun:"),
    "list of tables": ("tables:\n", "tables: []\nother:\n"),
}


@pytest.mark.parametrize(("old", "new"), BAD.values(), ids=BAD)
def test_bad_feed(
    validator: jsonschema.protocols.Validator, write_feed: Callable[..., Path], old: str, new: str
) -> None:
    """A mistake in a single key is refused, as the loader refuses it."""
    assert ORDERS.count(old) == 1
    document = read_document(write_feed(ORDERS.replace(old, new)) / "feed.yaml").data
    assert not validator.is_valid(document)


def test_descriptions() -> None:
    """Every key has a description that an editor can show."""
    missing = [place for place, schema in _properties(json_schema()) if not _described(schema)]
    assert missing == []


def test_every_value_of_a_map_is_described() -> None:
    """So that names that the feed chooses, and those of Great Expectations, say something, too."""
    maps = [inner for inner in _schemas(json_schema()) if "patternProperties" in inner]
    assert len(maps) == 4
    assert [values for inner in maps for values in inner["patternProperties"].values() if not _described(values)] == []


def test_no_empty_defaults() -> None:
    """An editor completes a key with its default: null would be a line to delete."""
    defaults = [inner["default"] for inner in _schemas(json_schema()) if "default" in inner and "description" in inner]
    assert defaults
    assert [default for default in defaults if default in (None, [], {}, "")] == []


def test_examples() -> None:
    """What a description gives as an example is one: the loader takes it."""
    shown = [(inner, example) for inner in _schemas(json_schema()) for example in inner.get("examples", ())]
    assert len(shown) > 20
    for schema, example in shown:
        assert jsonschema.Draft202012Validator({**schema, "$defs": json_schema()["$defs"]}).is_valid(example)
    for example_of, kind in EXAMPLES.items():
        examples = [example for inner, example in shown if inner.get("title") == example_of]
        assert examples, example_of
        for example in examples:
            TypeAdapter(kind).validate_python(example)


EXAMPLES = {
    "URI pattern": fields.Uri,
    "cron expression": fields.Cron,
    "time zone": fields.Zone,
    "encoding": fields.Encoding,
    "path": fields.ColumnPath,
    "path from the root": fields.RecordPath,
    "path from the parent's row": fields.RowPath,
    "path of a number": fields.TotalPath,
    "format": fields.TimeFormat,
}


def _schemas(schema: Any) -> Iterator[dict[str, Any]]:
    """All schemas in one another."""
    if isinstance(schema, dict):
        yield schema
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _schemas(inner)


def _properties(schema: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        for name, inner in schema.get("properties", {}).items() if isinstance(schema.get("properties"), dict) else ():
            yield f"{place}/{name}", inner
        for key, inner in schema.items():
            yield from _properties(inner, f"{place}/{key}")
    elif isinstance(schema, list):
        for item in schema:
            yield from _properties(item, place)


def _described(schema: dict[str, Any]) -> bool:
    """By itself, or by the model that it refers to."""
    references = [schema, *schema.get("anyOf", ())]
    return any("description" in item for item in references) or any(
        "description" in json_schema()["$defs"][item["$ref"].rpartition("/")[2]]
        for item in references
        if "$ref" in item
    )
