"""The model of a feed file: every key that ``feed.yaml`` may hold, with its meaning and default.

The models are strict and frozen. ``loading.load_feed`` builds them from YAML and answers mistakes with their place;
the JSON Schema for editors and the reference in the docs are generated from the field descriptions here.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from sluice.feed.alerts import Alerts
from sluice.feed.faults import Unsound, faults_of
from sluice.feed.fields import (
    IDENTIFIER,
    Cron,
    Day,
    Encoding,
    Flag,
    Identifier,
    QueueUrl,
    Strict,
    Texts,
    TextsNotEmpty,
    Uri,
    Whole,
    Zone,
)
from sluice.feed.paths import Namespaces
from sluice.feed.rules import RUN_EXPECTATIONS, broken_rules
from sluice.feed.tables import Column, Deletes, Expectation, Table

__all__ = [
    "ACROSS_RUN",
    "IDENTIFIER",
    "Alerts",
    "Arrivals",
    "Column",
    "Deletes",
    "Drift",
    "Expectation",
    "Feed",
    "Quotas",
    "RejectLimits",
    "Retention",
    "RunRules",
    "Schedule",
    "Source",
    "Strict",
    "Table",
    "Target",
    "Texts",
    "Xsd",
    "slug",
]

ACROSS_RUN = "run"


class Arrivals(Strict):
    """Files announce themselves: S3 tells a queue of SQS what was written, and a run takes it."""

    queue: QueueUrl = Field(
        description="URL of the SQS queue that gets S3's event notifications, plain, through SNS or through"
        " EventBridge; several feeds may share it. `${NAME:-}` is an environment variable; where it turns out empty,"
        " the feed has no arrivals."
    )
    connection: str | None = Field(None, description="Airflow connection for the queue; that of the source by default.")
    window_seconds: Whole = Field(
        5, ge=0, le=60, description="Announcements are gathered for this long, then one run takes them all."
    )
    max_files: Whole = Field(5000, ge=1, description="So many announcements make a run before the window has passed.")


class Source(Strict):
    """Where the files come from."""

    uri: Uri = Field(
        description="Pattern of the files' URIs: a folder path, file://, s3://, sftp:// or http(s)://. `*` and `?`"
        " match within one path segment, `**` across; `{date:%Y-%m-%d}` is the run's date;"
        " `${NAME:-default}` an environment variable."
    )
    connection: str | None = Field(
        None,
        description="Airflow connection for the source: `aws_default` for S3 if none is named; sftp:// needs one,"
        " http(s):// may have one. `sluice run`, which uses the AWS settings of its environment, ignores it.",
        examples=["aws_default"],
    )
    settle_seconds: Whole = Field(
        0, ge=0, description="Leave files alone that changed less than this many seconds ago (not announced ones)."
    )
    arrivals: Arrivals | None = Field(
        None, description="Start runs when files arrive, besides the schedule, or instead of it where `cron` is null."
    )


class Schedule(Strict):
    """When the feed runs. Each run covers one interval of the cron expression; its date is the interval's start."""

    cron: Cron | None = Field(
        "0 6 * * *", description="Cron expression, or a preset such as `@daily`; null for runs by hand only."
    )
    timezone: Zone = Field("UTC", description="IANA time zone of the cron expression and of the run's date.")
    start: Day = Field(dt.date(2020, 1, 1), description="First date that may be backfilled.")
    lookback_days: Whole = Field(
        0, ge=0, le=366, description="Scheduled runs also list this many earlier dates, for files that come late."
    )


class Target(Strict):
    """Where the rows go."""

    connection: str = Field("sluice_warehouse", description="Airflow connection of the PostgreSQL warehouse.")
    db_schema: Identifier | None = Field(
        None, alias="schema", description="PostgreSQL schema of the tables; the feed's name by default."
    )


class Xsd(Strict):
    """The schemas that records must fit; which one applies is decided by the namespace of the document's root."""

    files: TextsNotEmpty = Field(
        description="XSD files, relative to the feed's folder; imports are resolved inside it only."
    )
    scope: Literal["record", "file"] = Field(
        "record",
        description="`record` checks each record as a document of its own (its ancestors and this one record);"
        " `file` checks the whole document, keys, key references and unique IDs included (not IDREF, which libxml2 does"
        " not check), and rejects it whole.",
    )


class Quotas(Strict):
    """What a file may ask of a worker. A file that passes one is quarantined, with the quota's name and value in the
    message. The defaults fit nearly all feeds.

    A quota that is not the default is part of the mapping: after a change, *Load again: changed* takes the files again.
    """

    max_members: Whole = Field(
        100_000, ge=1, le=10_000_000, description="Members of an archive, those in inner archives too."
    )
    max_decoded_bytes: Whole = Field(
        1 << 40, ge=1 << 20, le=1 << 50, description="Bytes that a file decodes to, its members together."
    )
    max_ratio: Whole = Field(
        1000, ge=2, le=1_000_000, description="Decoded by compressed bytes, judged from 64 MiB decoded on."
    )
    max_nesting: Whole = Field(
        1, ge=1, le=8, description="Archives in one another; with 1, members of an archive may only be compressed."
    )
    max_header_bytes: Whole = Field(
        1 << 20,
        ge=1 << 10,
        le=16 << 20,
        description="What stands before the root, and what an element holds before its first record.",
    )
    max_depth: Whole = Field(
        2048, ge=16, le=2048, description="Levels of elements; a deeper record is rejected by itself."
    )
    max_rows_per_record: Whole = Field(
        500_000,
        ge=1,
        le=5_000_000,
        description="Rows that one record may give, its child tables together; one with more is rejected.",
    )


class RejectLimits(Strict):
    """How many rejects a run may have; one that passes a limit fails. What was good is loaded all the same, unless
    `publish: run`.
    """

    max_records: Whole | None = Field(None, ge=0, description="Rejected records; no limit by default.")
    max_share: float | None = Field(
        None, ge=0, le=1, description="Rejected records as a share of those found; no limit by default."
    )
    max_files: Whole | None = Field(
        0, ge=0, description="Files quarantined whole, members of an archive counting as files; null for no limit."
    )


class Retention(Strict):
    """How long a run's traces besides its rows are kept; null: for ever. The DAG `housekeeping` clears them away, once
    it is switched on.
    """

    quarantine_days: Whole | None = Field(
        None, ge=1, description="Raw bytes, context and values of quarantine entries; place and reasons stay."
    )
    data_docs_days: Whole | None = Field(90, ge=1, description="Data Docs of runs.")
    work_days: Whole | None = Field(14, ge=1, description="Work files of runs that were never reconciled.")


class Drift(Strict):
    """What counts as drift: what the sender changes without telling. It is reported and fails no run."""

    ignore: Texts = Field(
        (),
        description="Paths from below the record element, or `table.column`, that are no drift; `*` matches within one"
        " step, `**` across, as in `Extension/**`; attributes have their `@`.",
    )
    empty_share_jump: float | None = Field(
        0.5,
        gt=0,
        le=1,
        description="By how much the share of empty values of a column (NULL, `''`, a list of none) must exceed its"
        " median in the past to be told; null: never.",
    )
    min_rows: Whole = Field(
        100, ge=1, description="Runs with fewer rows of the table are neither judged nor compared with."
    )
    past_runs: Whole = Field(10, ge=1, le=100, description="With how many of the last succeeded runs it is compared.")


def _by_table(value: Any) -> Any:
    """``{table: [expectation, …]}`` as pairs of table and expectation; pairs stay as they are."""
    if isinstance(value, tuple):
        return value
    by_table = _EXPECTATIONS.validate_python(value)
    return tuple((table, expectation) for table, expectations in by_table.items() for expectation in expectations)


_EXPECTATIONS = TypeAdapter(dict[str, tuple[Expectation, ...]])


class RunRules(Strict):
    """Rules on a whole run, judged by reconcile."""

    expectations: Annotated[
        tuple[tuple[str, Expectation], ...],
        PlainValidator(_by_table, json_schema_input_type=dict[str, tuple[Expectation, ...]]),
    ] = Field(
        default_factory=tuple,
        description="Table to the expectations on all its rows of the run, on their number and their sums: "
        f"`{'`, `'.join(RUN_EXPECTATIONS)}`.",
    )


class Feed(Strict):
    """Files of one kind from one sender: a whole feed file."""

    feed: Identifier = Field(
        description="The feed's name, that of its folder and of its DAG: lower case, digits, `_`; not `replay`, `watch`"
        " or `housekeeping`, which are DAGs of Sluice's own."
    )
    description: str = Field("", description="What it is; shown in the Airflow UI and as the schema's comment.")
    owner: str = Field("sluice", description="Who answers for it; the owner of the DAG.")
    tags: Texts = Field((), description="Tags of the DAG.")
    source: Source
    schedule: Schedule = Field(default_factory=Schedule)
    target: Target = Field(default_factory=Target)
    namespaces: dict[str, Texts] = Field(
        {},
        description="Prefix to one or several namespace URIs (a standard's versions); `default` is that of names"
        " without a prefix, and the URI `''` stands for no namespace.",
        examples=[{"default": ["urn:shop:1", "urn:shop:2"], "pay": "urn:payments"}],
    )
    xsd: Xsd | None = Field(
        None, description="The schemas that records must fit, chosen by the namespace of the document's root."
    )
    tables: dict[Identifier, Table] = Field(
        description="The tables, in order, by their names; at least one takes its rows from the records.",
        json_schema_extra={"additionalProperties": False},
    )
    rejects: RejectLimits = Field(default_factory=RejectLimits)
    run: RunRules = Field(default_factory=RunRules)
    retention: Retention = Field(default_factory=Retention)
    drift: Drift = Field(default_factory=Drift)
    alerts: Alerts = Field(default_factory=Alerts)
    publish: Literal["batch", "run"] = Field(
        "batch",
        description="`batch`: each batch is published as it is loaded, and what passes a limit fails the run only;"
        " `run`: all batches of a run together, or nothing where the gate stops one, or a limit or an expectation of"
        " the run is not kept.",
    )
    malformed: Literal["reject", "keep_records"] = Field(
        "reject", description="A file that turns out malformed: reject it whole, or keep the records before the fault."
    )
    allow_empty: Flag = Field(False, description="Accept well-formed files that hold no record.")
    max_record_bytes: Whole = Field(
        16 << 20,
        ge=1024,
        le=1 << 30,
        description="A larger record is rejected (`record_too_large`); so is one from which the columns together would"
        " take more than four times that.",
    )
    quotas: Quotas = Field(default_factory=Quotas)
    encoding: Encoding | None = Field(
        None, description="Encoding of the files, whatever they declare; only a byte order mark speaks against it."
    )

    _folder: FilePath | None = PrivateAttr(None)

    @model_validator(mode="wrap")
    @classmethod
    def _is_sound(cls, value: Any, build: ModelWrapValidatorHandler[Feed]) -> Feed:
        """Key by key, then across keys; raises all faults of both together."""
        faults = list(broken_rules(value))
        try:
            feed = build(value)
        except ValidationError as error:
            raise Unsound([*faults_of(error, cls), *faults]) from error
        if faults:
            raise Unsound(faults)
        return feed

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
        """The name of the root table that ``name`` hangs on (its own for a root)."""
        while (parent := self.tables[name].parent) is not None:
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
