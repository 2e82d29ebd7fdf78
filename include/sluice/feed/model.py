"""The model of a feed file: every key that ``feed.yaml`` may hold, with its meaning and default.

The models are strict and frozen. ``loading.load_feed`` builds them from YAML and answers mistakes with their place;
the JSON Schema for editors and the reference in the docs are generated from the field descriptions here.
"""

from __future__ import annotations

import re
from pathlib import Path as FilePath
from typing import Any, Literal

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from sluice.feed.alerts import Alerts
from sluice.feed.faults import Unsound, faults_of
from sluice.feed.fields import (
    IDENTIFIER,
    Encoding,
    Flag,
    Identifier,
    Strict,
    Texts,
    Whole,
)
from sluice.feed.paths import Namespaces
from sluice.feed.rules import broken_rules
from sluice.feed.sections import (
    Arrivals,
    Drift,
    Quotas,
    RejectLimits,
    Retention,
    RunRules,
    Schedule,
    Source,
    Target,
    Total,
    Xsd,
)
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
    "Total",
    "Xsd",
    "slug",
]

ACROSS_RUN = "run"


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
    totals: tuple[Total, ...] = Field(
        (), description="The totals that the sender states in each file; they are compared with what was found in it."
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
