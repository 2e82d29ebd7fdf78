"""Lineage for OpenLineage: which columns of which tables a run has filled from which elements of which files.

``[openlineage] extractors`` names ``FeedExtractor``. The provider asks it when a task has ended; what it tells was left
here by the task itself, in the same process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow.providers.openlineage.extractors.base import BaseExtractor, OperatorLineage
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    OutputDatasetFacet,
    column_lineage_dataset,
    documentation_dataset,
    output_statistics_output_dataset,
    schema_dataset,
)
from psycopg.conninfo import conninfo_to_dict

from sluice.edge.noted import noted_load
from sluice.feed.model import Feed, Table
from sluice.sources import UriPattern

if TYPE_CHECKING:
    from typing import Any

    from sluice.records import Totals

POSTGRES_PORT = 5432


class FeedExtractor(BaseExtractor):
    """Tells what the run of a feed has loaded; of tasks of other DAGs what the provider would."""

    @classmethod
    def get_operator_classnames(cls) -> list[str]:
        return ["_PythonDecoratedOperator"]

    def _execute_extraction(self) -> OperatorLineage[Any, Any]:
        return OperatorLineage()

    def extract_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        noted = noted_load()
        return OperatorLineage() if noted is None else lineage_of(*noted)


def lineage_of(feed: Feed, dsn: str, totals: Totals) -> OperatorLineage[Any, Any]:
    """The feed's source as input; each of its tables as output, with its columns, their types and where they come from.

    ``dsn`` is the warehouse's conninfo, of which host, port and database are told.
    """
    source = _source(feed)
    namespace, database = _warehouse(dsn)
    outputs = []
    for name, table in feed.tables.items():
        statistics: dict[str, OutputDatasetFacet] = {}
        if table.is_root and len(feed.roots) == 1:
            statistics["outputStatistics"] = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                rowCount=totals.counts.inserted + totals.counts.updated, fileCount=totals.files
            )
        outputs.append(
            OutputDataset(
                namespace,
                f"{database}.{feed.schema_name}.{name}",
                facets=_facets(feed, name, table, source),
                outputFacets=statistics,
            )
        )
    return OperatorLineage(inputs=[source], outputs=outputs)


def _source(feed: Feed) -> InputDataset:
    """By the literal part of its pattern: files come and go. Never by all of it: that may hold a password."""
    base = UriPattern(feed.source.uri).base
    parts = urlsplit(base)
    namespace = "file" if parts.scheme == "file" else f"{parts.scheme}://{parts.hostname or ''}"
    about = documentation_dataset.DocumentationDatasetFacet(description=feed.description.strip() or feed.feed)
    return InputDataset(namespace, parts.path.strip("/") or "/", facets={"documentation": about})


def _warehouse(dsn: str) -> tuple[str, str]:
    given = conninfo_to_dict(dsn)
    host, port = given.get("host") or "localhost", given.get("port") or POSTGRES_PORT
    return f"postgres://{host}:{port}", str(given.get("dbname") or given.get("user") or "")


def _facets(feed: Feed, name: str, table: Table, source: InputDataset) -> dict[str, Any]:
    below = _path_of(feed, name)
    columns = schema_dataset.SchemaDatasetFacet(
        fields=[
            schema_dataset.SchemaDatasetFacetFields(column, str(declared.column_type), declared.description or None)
            for column, declared in table.columns.items()
        ]
    )
    origins = column_lineage_dataset.ColumnLineageDatasetFacet(
        fields={
            column: column_lineage_dataset.Fields(
                inputFields=[
                    column_lineage_dataset.InputField(source.namespace, source.name, f"{below}/{path}")
                    for path in declared.path
                ]
            )
            for column, declared in table.columns.items()
        }
    )
    return {"schema": columns, "columnLineage": origins}


def _path_of(feed: Feed, name: str) -> str:
    """Where in a document the rows of a table are."""
    table = feed.tables[name]
    return str(table.record) if table.parent is None else f"{_path_of(feed, table.parent)}/{table.rows}"
