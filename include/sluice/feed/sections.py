"""The sections of a feed file beside its tables: where from, when, where to, XSDs, and what is allowed."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PlainValidator, TypeAdapter, model_validator

from sluice.feed.faults import Fault, Unsound
from sluice.feed.fields import (
    Cron,
    Day,
    Flag,
    Identifier,
    QueueUrl,
    Strict,
    Texts,
    TextsNotEmpty,
    TotalPath,
    Uri,
    Whole,
    Zone,
)
from sluice.feed.rules import RUN_EXPECTATIONS
from sluice.feed.tables import Expectation


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


class Total(Strict):
    """A total that the sender states in each file (an archive member is a file of its own), before, between or after
    the records. A run with a file in which another number is found fails; what was good is loaded all the same, unless
    `publish: run`. Rejected records count, and of these the values that could be read.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["counts"]}, {"required": ["sums"]}]})

    path: TotalPath = Field(
        description="Path of the number, from the document's root; only attributes can be compared in it. Where it"
        " leads to several values (of groups, or of several documents in one file), they are added up."
    )
    counts: Texts = Field(
        (), description="The tables whose rows it counts, all together; of a root table its records, deletes too."
    )
    sums: Texts = Field(
        (), description="The columns whose values it sums up, all together: each as `table.column`, of a number type."
    )
    required: Flag = Field(True, description="A file without it fails the run; otherwise it is compared where stated.")

    @model_validator(mode="after")
    def _has_one_meaning(self) -> Total:
        if bool(self.counts) == bool(self.sums):
            message = "a total either `counts` rows of tables or `sums` up columns; say one of the two"
            raise Unsound([Fault((), message)])
        return self

    @property
    def measure(self) -> str:
        """What it is of: ``count of payments``, ``sum of payments.amount``."""
        return f"count of {', '.join(self.counts)}" if self.counts else f"sum of {', '.join(self.sums)}"


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
