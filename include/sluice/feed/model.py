"""The model of a feed file: every key that ``feed.yaml`` may hold, with its meaning and default.

The models are strict and frozen. ``loading.load_feed`` builds them from YAML and answers mistakes with their place;
the JSON Schema for editors and the reference in the docs are generated from the field descriptions here.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import cached_property
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from sluice.feed.paths import Namespaces, Path, PathError, parse_path
from sluice.feed.types import ColumnType, parse_type

IDENTIFIER = r"^[a-z][a-z0-9_]{0,62}$"
ACROSS_RUN = "run"


def _as_tuple(value: Any) -> Any:
    """One or many: a single text stands for a list of one."""
    return (value,) if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Source(Strict):
    """Where the files come from."""

    uri: str = Field(
        description="Pattern of the files' URIs: a folder path, file://, s3:// or http(s)://. `*` and `?` match within one"
        " path segment, `**` across; `{date:%Y-%m-%d}` is the run's date; `${NAME:-default}` an environment variable."
    )
    connection: str | None = Field(None, description="Airflow connection for the source, e.g. `aws_default`.")
    settle_seconds: int = Field(0, ge=0, description="Leave files alone that changed less than this many seconds ago.")


class Schedule(Strict):
    """When the feed runs. Each run covers one interval of the cron expression; its date is the interval's start."""

    cron: str | None = Field("0 6 * * *", description="Cron expression; null for runs by hand only.")
    timezone: str = Field("UTC", description="IANA time zone of the cron expression and of the run's date.")
    start: dt.date = Field(dt.date(2020, 1, 1), description="First date that may be backfilled.")
    lookback_days: int = Field(0, ge=0, le=366, description="Scheduled runs also list this many earlier dates.")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except Exception as error:
            raise ValueError(f"unknown time zone {value!r}") from error
        return value


class Target(Strict):
    """Where the rows go."""

    connection: str = Field("sluice_warehouse", description="Airflow connection of the PostgreSQL warehouse.")
    db_schema: str | None = Field(
        None, alias="schema", pattern=IDENTIFIER, description="PostgreSQL schema of the tables; the feed's name by default."
    )


class Xsd(Strict):
    """The schemas that records must fit; which one applies is decided by the namespace of the document's root."""

    files: Texts = Field(description="XSD files, relative to the feed's folder; imports are resolved inside it only.")
    scope: Literal["record", "file"] = Field(
        "record",
        description="`record` checks each record as a document of its own (its ancestors and this one record);"
        " `file` checks the whole document, ID references included, and rejects it whole.",
    )


class Column(Strict):
    """One column: where its value is, and what it must be. A bare text is short for `{path: text}`."""

    path: Texts = Field(description="Path from the row's element; with several, the first that is present wins.")
    type: str = Field("text", description="text, integer, bigint, numeric(p,s), boolean, date, timestamp, timestamptz, json, xml; `[]` for lists.")
    required: bool = Field(False, description="A row without a value is rejected, and its record with it.")
    default: str | None = Field(None, description="Value where the element or attribute is absent (never where it is empty).")
    null: Texts = Field((), description="Texts that mean NULL, compared after trimming.")
    formats: Texts = Field((), description="strptime formats for dates and timestamps, tried in order; ISO 8601 if none.")
    timezone: str | None = Field(None, description="Zone of a timestamptz value that carries none.")
    trim: bool = Field(False, description="Strip white space around a text value (other types always do).")
    first: bool = Field(False, description="Where several elements match, take the first instead of rejecting the record.")
    description: str | None = Field(None, description="What the column means; becomes its comment in PostgreSQL.")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, (str, list)) else value

    @field_validator("type")
    @classmethod
    def _known_type(cls, value: str) -> str:
        return str(parse_type(value))

    @field_validator("path")
    @classmethod
    def _parsable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("a column needs at least one path")
        for text in value:
            if parse_path(text).is_absolute:
                raise ValueError(f"{text!r} starts at the root; a column's path starts at its row (use ../ for ancestors)")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return Schedule._known_zone(value) if value else value

    @cached_property
    def column_type(self) -> ColumnType:
        return parse_type(self.type)

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        return tuple(map(parse_path, self.path))


class Expectation(Strict):
    """One expectation by Great Expectations' own name and arguments: `{expect_…: {column: …}, severity: critical}`."""

    type: str
    arguments: dict[str, Any] = {}
    severity: Literal["critical", "warning", "info"] = "critical"

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "type" in value:
            return value
        names = [key for key in value if key.startswith("expect_")]
        unknown = [key for key in value if not key.startswith("expect_") and key != "severity"]
        if len(names) != 1 or unknown:
            raise ValueError("an expectation is one `expect_…: {arguments}` and, if wished, `severity: critical | warning | info`")
        rest = {key: item for key, item in value.items() if key != names[0]}
        return {"type": names[0], "arguments": value[names[0]] or {}, **rest}


class Table(Strict):
    """One table: a root table takes a row from each record, a child table one from each element below it."""

    record: str | None = Field(None, description="Root table: path of the record element from the document's root, without predicates.")
    parent: str | None = Field(None, description="Child table: the table whose rows it hangs on.")
    rows: str | None = Field(None, description="Child table: path of its row elements, from the parent's row.")
    key: Texts = Field((), description="Root table: columns that identify a record; none for a keyless feed.")
    version: Texts = Field(
        (), description="Root table with a key: columns that order the versions of a key, the greatest wins; or `file_date`."
    )
    columns: dict[Annotated[str, Field(pattern=IDENTIFIER)], Column] = Field(description="Column name to path, in order.")
    expectations: tuple[Expectation, ...] = Field((), description="The gate of this table.")
    indexes: tuple[Texts, ...] = Field((), description="Further indexes, each a list of columns.")
    description: str | None = Field(None, description="What a row means; becomes the table's comment in PostgreSQL.")

    @model_validator(mode="after")
    def _root_or_child(self) -> Table:
        if (self.record is None) == (self.parent is None):
            raise ValueError("a table is either a root (`record: /path`) or a child (`parent: table` and `rows: path`)")
        if (self.parent is None) != (self.rows is None):
            raise ValueError("`parent` and `rows` go together")
        if self.parent is not None and (self.key or self.version):
            raise ValueError("a child table has no key or version of its own: it follows its root")
        if self.version and not self.key:
            raise ValueError("`version` orders the versions of a key; this table has no `key`")
        if self.key and not self.version:
            raise ValueError("a key needs `version`: columns that say which record of a key is newer, or `file_date`")
        known = self.columns.keys()
        for name in (*self.key, *(self.version if self.version != ("file_date",) else ()), *(c for i in self.indexes for c in i)):
            if name not in known:
                raise ValueError(f"no column {name!r} in this table")
        return self

    @field_validator("record")
    @classmethod
    def _plain_absolute(cls, value: str | None) -> str | None:
        if value is not None:
            path = parse_path(value)
            if not path.is_absolute or path.attribute or any(step.predicates for step in path.steps):
                raise ValueError("the record path starts with / and names elements only")
        return value

    @field_validator("rows")
    @classmethod
    def _downwards(cls, value: str | None) -> str | None:
        if value is not None:
            path = parse_path(value)
            if path.is_absolute or path.up or path.attribute or not path.steps:
                raise ValueError("`rows` names elements below the parent's row")
        return value

    @property
    def is_root(self) -> bool:
        return self.record is not None

    @property
    def version_columns(self) -> tuple[str, ...]:
        """The columns among ``version``; empty where the file's date decides."""
        return () if self.version == ("file_date",) else self.version


class RejectLimits(Strict):
    """How many rejects a run may have before it fails; what was good is loaded all the same."""

    max_records: int | None = Field(None, ge=0, description="Rejected records; no limit by default.")
    max_share: float | None = Field(None, ge=0, le=1, description="Rejected records as a share of those found.")
    max_files: int | None = Field(0, ge=0, description="Files quarantined whole; null for no limit.")


class RunRules(Strict):
    """Rules on a whole run, judged by reconcile."""

    expectations: tuple[tuple[str, Expectation], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _by_table(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("expectations"), dict):
            pairs = [(table, item) for table, items in value["expectations"].items() for item in items]
            return {**value, "expectations": pairs}
        return value


class Feed(Strict):
    """Files of one kind from one sender: a whole feed file."""

    feed: str = Field(pattern=IDENTIFIER, description="The feed's name; that of its folder.")
    description: str = Field("", description="What it is; shown in the Airflow UI and as the schema's comment.")
    owner: str = Field("sluice", description="Who answers for it; the owner of the DAG.")
    tags: Texts = Field((), description="Tags of the DAG.")
    source: Source
    schedule: Schedule = Schedule()
    target: Target = Target()
    namespaces: dict[str, Texts] = Field(
        {}, description="Prefix to one or several namespace URIs; `default` is that of names without a prefix."
    )
    xsd: Xsd | None = None
    tables: dict[Annotated[str, Field(pattern=IDENTIFIER)], Table]
    rejects: RejectLimits = RejectLimits()
    run: RunRules = RunRules()
    malformed: Literal["reject", "keep_records"] = Field(
        "reject", description="A file that turns out malformed: reject it whole, or keep the records before the fault."
    )
    allow_empty: bool = Field(False, description="Accept well-formed files that hold no record.")
    max_record_bytes: int = Field(16 << 20, ge=1024, le=1 << 30, description="A larger record is rejected as `record_too_large`.")

    _folder: FilePath | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _tables_fit(self) -> Feed:
        if not any(table.is_root for table in self.tables.values()):
            raise ValueError("tables: at least one table needs `record`")
        for name, table in self.tables.items():
            if table.parent is not None and (table.parent == name or table.parent not in self.tables):
                raise ValueError(f"tables.{name}.parent: no table {table.parent!r}")
            self._check_table(name, table)
        for table_name, _ in self.run.expectations:
            if table_name not in self.tables:
                raise ValueError(f"run.expectations: no table {table_name!r}")
        return self

    def _check_table(self, name: str, table: Table) -> None:
        root_key = self.tables[self.root_of(name)].key if not table.is_root else ()
        for clash in sorted(set(root_key) & table.columns.keys()):
            raise ValueError(f"tables.{name}.columns.{clash}: the root's key column of that name is added to every child table")
        texts = [path for column in table.columns.values() for path in column.path]
        for text in [*texts, *filter(None, [table.record, table.rows])]:
            try:
                self._check_prefixes(parse_path(text))
            except PathError as error:
                raise ValueError(f"tables.{name}: {text!r}: {error}") from error

    def _check_prefixes(self, path: Path) -> None:
        for step in path.steps:
            self.names.element_names(step.name)
            for predicate in step.predicates:
                for inner in predicate.steps:
                    self.names.element_names(inner)
                if predicate.attribute:
                    self.names.attribute_names(predicate.attribute)
        if path.attribute:
            self.names.attribute_names(path.attribute)

    @property
    def names(self) -> Namespaces:
        return Namespaces(self.namespaces)

    @property
    def folder(self) -> FilePath:
        """The folder that the feed was loaded from (its XSDs live there)."""
        if self._folder is None:
            raise ValueError(f"feed {self.feed!r} was not loaded from a folder")
        return self._folder

    @property
    def schema_name(self) -> str:
        return self.target.db_schema or self.feed

    @property
    def roots(self) -> dict[str, Table]:
        return {name: table for name, table in self.tables.items() if table.is_root}

    def root_of(self, name: str) -> str:
        """The name of the root table that ``name`` hangs on; raises ValueError where parents form a circle."""
        seen = {name}
        while (parent := self.tables[name].parent) is not None:
            if parent in seen or parent not in self.tables:
                raise ValueError(f"tables.{name}.parent: no way up to a root table")
            seen.add(parent)
            name = parent
        return name

    def depth_of(self, name: str) -> int:
        """How many tables lie above: 0 for a root, 1 for its children, …"""
        depth = 0
        while (parent := self.tables[name].parent) is not None:
            name, depth = parent, depth + 1
        return depth

    def family_of(self, root: str) -> list[str]:
        """The root and all tables below it, parents before children, as declared."""
        return sorted((name for name in self.tables if self.root_of(name) == root), key=self.depth_of)


def slug(text: str) -> str:
    """``text`` as a name that is safe in paths and identifiers."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("_") or "_"
