"""The model of a feed's tables: columns, expectations, and the tables that hold them. See ``model`` for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from sluice.feed.faults import Fault, Unsound, describe, nearest
from sluice.feed.fields import (
    ColumnPaths,
    Flag,
    Identifier,
    RecordPath,
    RowPath,
    Strict,
    Texts,
    TimeFormats,
    TypeName,
    Zone,
)
from sluice.feed.paths import Path, parse_path
from sluice.feed.types import ColumnType, parse_type
from sluice.feed.written import FILE_DATE


class Column(Strict):
    """One column: where its value is, and what it must be. A bare text is short for `{path: text}`."""

    path: ColumnPaths = Field(description="Path from the row's element; with several, the first that is present wins.")
    type: TypeName = Field(
        "text",
        description="`text`, `integer`, `bigint`, `numeric(p,s)`, `boolean`, `date`, `timestamp`, `timestamptz`,"
        " `json`, `xml` or `markup`; `[]` after it makes a list of all elements that match.",
    )
    required: Flag = Field(False, description="A row without a value is rejected, and its record with it.")
    default: str | None = Field(
        None, description="Value where the element or attribute is absent (never where it is empty)."
    )
    null: Texts = Field(
        (),
        description="Texts that mean NULL, compared after trimming; `''` for an empty element.",
        examples=[["", "n/a"]],
    )
    formats: TimeFormats = Field(
        (), description="strptime formats for dates and timestamps, tried in order; ISO 8601 if none."
    )
    timezone: Zone | None = Field(None, description="Zone of a timestamptz value that carries none.")
    trim: Flag = Field(False, description="Strip white space around a text (all other types do).")
    first: Flag = Field(
        False, description="Where several elements match, take the first; otherwise the record is rejected."
    )
    description: str | None = Field(None, description="What the column means; becomes its comment in PostgreSQL.")

    @model_validator(mode="before")
    @classmethod
    def _from_paths(cls, value: Any) -> Any:
        if isinstance(value, (str, list, tuple)):
            return {"path": value}
        if not isinstance(value, (dict, Column)):
            raise ValueError(f"a column is a path, a list of paths, or a mapping with a `path`, not {describe(value)}")
        return value

    @model_validator(mode="after")
    def _options_fit(self) -> Column:
        if faults := list(self._idle_options()):
            raise Unsound(faults)
        return self

    def _idle_options(self) -> Iterator[Fault]:
        """Options that would never do anything with the column's type."""
        kind = self.column_type.kind
        if self.formats and kind not in ("date", "timestamp", "timestamptz"):
            yield Fault(("formats",), f"`formats` are for dates and timestamps, not for {self.type}", at_key=True)
        if self.timezone and kind != "timestamptz":
            yield Fault(("timezone",), f"`timezone` is for timestamptz, not for {self.type}", at_key=True)
        if self.trim and kind != "text":
            yield Fault(("trim",), f"`trim` is for text; {self.type} is always trimmed", at_key=True)
        if self.first and self.column_type.is_list:
            yield Fault(("first",), f"{self.type} takes all elements, `first` only one", at_key=True)

    @cached_property
    def column_type(self) -> ColumnType:
        return parse_type(self.type)

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        return tuple(map(parse_path, self.path))

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A column is a mapping; or, for short, its path or a list of paths."""
        full = handler.resolve_ref_schema(handler(core_schema))
        path, paths = full["properties"]["path"]["anyOf"]
        description = full.pop("description", "")
        return {"description": description, "anyOf": [path, paths, full]}


class Expectation(Strict):
    """One expectation, as `{expect_…: {column: …}, severity: critical}`. Uniqueness is the table's key, and no
    expectation.
    """

    type: str
    arguments: dict[str, Any] = Field(
        default_factory=dict,
        description="The expectation by Great Expectations' own name, with its own arguments. Without `mostly`, one"
        " that judges rows rejects the records it names; all others hold back the batch, or its files that fail.",
    )
    severity: Literal["critical", "warning", "info"] = Field(
        "critical", description="Only `critical` rejects or holds; `warning` and `info` are reported."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "type" in value:
            return value
        names = [key for key in value if key.startswith("expect_")]
        if faults := list(cls._misplaced(value, names)):
            raise Unsound(faults)
        arguments = value[names[0]]
        rest = {key: item for key, item in value.items() if key != names[0]}
        return {"type": names[0], "arguments": {} if arguments is None else arguments, **rest}

    @staticmethod
    def _misplaced(value: dict[str, Any], names: list[str]) -> Iterator[Fault]:
        if not names:
            yield Fault((), "an expectation is `expect_…: {arguments}` and, if wished, `severity: warning`")
            return
        for name in names[1:]:
            yield Fault((name,), "one expectation each: begin this one with a dash of its own", at_key=True)
        for key in value.keys() - {*names, "severity"}:
            message = f"only `severity` may stand beside an expectation, not {key!r}"
            yield Fault((key,), message, nearest(key, ["severity"]), at_key=True)
        arguments = value[names[0]]
        if isinstance(arguments, dict) and "severity" in arguments:
            message = "`severity` stands beside the expectation, not among its arguments"
            yield Fault((names[0], "severity"), message, at_key=True)
        if not isinstance(arguments, (dict, type(None))):
            yield Fault((names[0],), "the arguments of an expectation are a mapping such as {column: amount}")

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """In YAML the name is the key of the arguments."""
        own = handler.resolve_ref_schema(handler(core_schema))
        return {
            "type": "object",
            "description": own["description"],
            "properties": {"severity": own["properties"]["severity"]},
            "patternProperties": {
                "^expect_": {"type": ["object", "null"], "description": own["properties"]["arguments"]["description"]}
            },
            "additionalProperties": False,
            "minProperties": 1,
        }


class Deletes(Strict):
    """Which records delete a key: those with a value in a column, records of their own, or both.

    Of a record that deletes, only the columns of the key and of the version are read.
    """

    column: str | None = Field(
        None, description="Column of the table, of one text, whose value says that the record deletes its key."
    )
    values: Texts = Field(
        (), description="The values that say so: as they are in the file, compared after trimming, with their case."
    )
    record: RecordPath | None = Field(
        None, description="Path of record elements that do nothing but delete, from the document's root."
    )
    columns: dict[Identifier, Annotated[ColumnPaths, Field(description="Path from the deleting element.")]] = Field(
        {},
        description="Where each column of the key and of the version (but for `file_date`) is in such an element; types"
        " and options are those of the table's columns.",
        json_schema_extra={"additionalProperties": False},
    )

    @cached_property
    def paths(self) -> dict[str, tuple[Path, ...]]:
        return {name: tuple(map(parse_path, paths)) for name, paths in self.columns.items()}


class Table(Strict):
    """One table. A root table (`record`) takes a row from each record, a child table (`parent`, `rows`) one from each
    element below a row of its parent.
    """

    record: RecordPath | None = Field(
        None, description="Root table: path of the record element from the document's root, without predicates."
    )
    parent: str | None = Field(None, description="Child table: the table whose rows it hangs on.")
    rows: RowPath | None = Field(None, description="Child table: path of its row elements, from the parent's row.")
    key: Texts = Field((), description="Root table: columns that identify a record; none for a keyless feed.")
    version: Texts = Field(
        (),
        description="Root table with a key: columns that order the versions of a key, the greatest wins;"
        " or `file_date`, the date in the file's URI.",
    )
    deletes: Deletes | None = Field(None, description="Root table with a key: which records delete their key.")
    columns: dict[Identifier, Column] = Field(
        description="The columns, in order, by their names.", json_schema_extra={"additionalProperties": False}
    )
    expectations: tuple[Expectation, ...] = Field((), description="The gate: what the table's rows must be.")
    indexes: tuple[Texts, ...] = Field((), description="Further indexes, each a list of columns.")
    description: str | None = Field(None, description="What a row means; becomes the table's comment in PostgreSQL.")

    @property
    def is_root(self) -> bool:
        return self.record is not None

    @property
    def version_columns(self) -> tuple[str, ...]:
        """The columns among ``version``; empty where the file's date decides."""
        return () if self.version == (FILE_DATE,) else self.version

    @property
    def order_columns(self) -> tuple[str, ...]:
        """The columns of the key and of the version, each once: all that a delete needs."""
        return tuple(dict.fromkeys((*self.key, *self.version_columns)))
