"""Suites of Great Expectations: built from a feed's declarations, run, and answered in Sluice's own records.

Beside ``gate.data_docs`` the only module that imports Great Expectations.
"""

from __future__ import annotations

import difflib
import logging
import math
import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sluice.errors import PermanentError
from sluice.feed.model import Expectation
from sluice.gate.columns import BatchColumns, View
from sluice.gate.later import put_off
from sluice.gate.values import ValueProblem, columns_of
from sluice.gate.verdict import FailingRecords, Judged, Level, label_of

if TYPE_CHECKING:
    import pandas as pd

_SHAPE = "a feed's columns and types are fixed by its declaration, so there is nothing left to expect of them"
_DATABASE = "it needs a database, and the gate judges rows in memory"
_NO_LIKE = "Great Expectations knows LIKE patterns in databases only; use expect_column_values_to_match_regex"
_REFUSED = {
    "expect_column_to_exist": _SHAPE,
    "expect_column_type_to_be": _SHAPE,
    "expect_column_values_to_be_of_type": _SHAPE,
    "expect_column_values_to_be_in_type_list": _SHAPE,
    "expect_table_column_count_to_be_between": _SHAPE,
    "expect_table_column_count_to_equal": _SHAPE,
    "expect_table_columns_to_match_ordered_list": _SHAPE,
    "expect_table_columns_to_match_set": _SHAPE,
    "expect_query_results_to_match_comparison": _DATABASE,
    "expect_table_row_count_to_equal_other_table": _DATABASE,
    "expect_column_values_to_match_like_pattern": _NO_LIKE,
    "expect_column_values_to_match_like_pattern_list": _NO_LIKE,
    "expect_column_values_to_not_match_like_pattern": _NO_LIKE,
    "expect_column_values_to_not_match_like_pattern_list": _NO_LIKE,
}
# arguments that Great Expectations has for its own use; severity stands beside the expectation in a feed file
_NOT_FOR_FEEDS = {"batch_id", "id", "result_format", "catch_exceptions", "rendered_content", "windows", "severity"}
_ROW_COUNT = "expect_table_row_count_"
# what is observed there is no single value of the data, as a maximum or a most common value is
_REPORTED = re.compile(rf"{_ROW_COUNT}|expect_column_(unique_value_count|proportion|mean|stdev|sum)_")
_RAISED = re.compile(r"^([\w.]*(?:Error|Exception|ArrowInvalid|ArrowNotImplementedError))\b", re.MULTILINE)

# cheap: nothing of the failing rows is collected
# imported for one expectation that hardly anybody declares
_RARELY_USED = ("altair", "scipy.stats")
_COUNTS = {"result_format": "BASIC", "partial_unexpected_count": 0}
_ROWS = {
    "result_format": "COMPLETE",
    "partial_unexpected_count": 0,
    "exclude_unexpected_values": True,
    "return_unexpected_index_query": False,
}


@dataclass(frozen=True)
class Check:
    """An expectation of the feed made ready: what it is shown, and Great Expectations' object for it."""

    declared: Expectation
    level: Level
    view: View
    built: Any


@cache
def great_expectations() -> ModuleType:
    """Great Expectations, imported without its telemetry, progress bars and log lines.

    Its log stays silent afterwards too: what it says about a metric that failed quotes values of the data.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    logger = logging.getLogger("great_expectations")
    logger.setLevel(logging.CRITICAL + 1)
    # below it are loggers with a level of their own
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    with warnings.catch_warnings(), put_off(_RARELY_USED):
        warnings.simplefilter("ignore")
        import great_expectations
        import great_expectations.expectations
    from tqdm import tqdm

    # It would start a thread to look after the progress bars that are off; a process that forks must not have any.
    tqdm.monitor_interval = 0
    return great_expectations


def is_row_level(declared: Expectation) -> bool:
    """Whether it is a map expectation without ``mostly``; False for a name that is not known."""
    implementation = _class_of(declared.type)
    from great_expectations.expectations import expectation as kinds

    maps = (kinds.ColumnMapExpectation, kinds.ColumnPairMapExpectation, kinds.MulticolumnMapExpectation)
    return implementation is not None and issubclass(implementation, maps) and "mostly" not in declared.arguments


def _class_of(name: str) -> Any | None:
    great_expectations()
    from great_expectations.exceptions.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.registry import get_expectation_impl

    try:
        return get_expectation_impl(name)
    except ExpectationNotFoundError:
        return None


def names_on_offer() -> list[str]:
    """The expectations that the gate can judge, sorted; those that a feed declares otherwise are among them."""
    great_expectations()
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    return sorted(name for name in list_registered_expectation_implementations() if name not in _REFUSED)


def arguments_of(name: str) -> dict[str, bool]:
    """The arguments that an expectation takes in a feed, in its own order, and whether each is required."""
    fields = _class_of(name).__fields__  # type: ignore[union-attr]
    left_out = {*_NOT_FOR_FEEDS, "library_metadata"}
    return {argument: field.required for argument, field in fields.items() if argument not in left_out}


# --- building


def build(columns: BatchColumns, expectations: Iterable[Expectation], table: str, level: Level) -> list[Check]:
    """Make ``expectations`` ready for ``columns``; raises ``PermanentError`` that names the one that cannot be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [_build_one(columns, declared, level, f"table {table}: {declared.type}") for declared in expectations]


def _build_one(columns: BatchColumns, declared: Expectation, level: Level, where: str) -> Check:
    implementation = _checked_class(declared, where)
    from great_expectations.compatibility.pydantic import ValidationError

    for name in columns_of(declared.arguments):
        if name not in columns.names:
            raise PermanentError(f"{where}: no column {name!r} in this table{_hint(name, columns.names)}")
    try:
        view = columns.show(declared.type, declared.arguments)
        built = implementation(**view.arguments, severity=declared.severity)
    except ValueProblem as problem:
        raise PermanentError(f"{where}: {problem}") from problem
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"{part}: " for part in first["loc"] if part != "__root__")
        raise PermanentError(f"{where}: {place}{first['msg']}") from error
    return Check(declared, level, view, built)


def _checked_class(declared: Expectation, where: str) -> Any:
    implementation = _class_of(declared.type)
    if implementation is None:
        from great_expectations.expectations.registry import list_registered_expectation_implementations

        hint = _hint(declared.type, list_registered_expectation_implementations())
        raise PermanentError(f"{where}: Great Expectations knows no expectation of this name{hint}")
    if declared.type in _REFUSED:
        raise PermanentError(f"{where}: {_REFUSED[declared.type]}")
    taken = implementation.__fields__.keys() - _NOT_FOR_FEEDS
    for name in declared.arguments:
        if name not in taken:
            raise PermanentError(f"{where}: it takes no argument {name!r}{_hint(name, taken)}")
    return implementation


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


# --- running


def evaluate(columns: BatchColumns, checks: Sequence[Check], table: str) -> tuple[Judged, ...]:
    """Judge ``checks``, in their order. Raises ``PermanentError`` where Great Expectations cannot judge one."""
    judged: list[Judged | None] = [None] * len(checks)
    if columns.row_count == 0:
        for position, check in enumerate(checks):
            if not check.declared.type.startswith(_ROW_COUNT):
                judged[position] = _judged(check, table, columns.row_count)
    groups: dict[int, list[int]] = {}
    for position, check in enumerate(checks):
        if judged[position] is None:
            groups.setdefault(position if check.view.own else -1, []).append(position)
    for positions in groups.values():
        results = _run(columns, [checks[position] for position in positions], table, _COUNTS)
        for position, result in zip(positions, results, strict=True):
            judged[position] = _judged(checks[position], table, columns.row_count, result)
    return tuple(one for one in judged if one is not None)


def find_records(columns: BatchColumns, check: Check, judged: Judged) -> FailingRecords:
    """The records whose rows fail ``check``, as Great Expectations itself tells them."""
    import numpy as np

    result = _run(columns, [check], judged.table, _ROWS)[0]["result"]
    positions = np.asarray(result["unexpected_index_list"], dtype=np.int64)
    if len(positions) != judged.unexpected:
        raise PermanentError(
            f"table {judged.table}: {judged.label}: Great Expectations counts {judged.unexpected} failing rows"
            f" but names {len(positions)} of them"
        )
    records, first, counts = np.unique(columns.records[positions], return_index=True, return_counts=True)
    values = columns.print_values(columns_of(judged.arguments), positions[first])
    return FailingRecords(judged, records, counts, values)


def _run(
    columns: BatchColumns, checks: Sequence[Check], table: str, result_format: dict[str, Any]
) -> list[dict[str, Any]]:
    """Results in the order of ``checks``: each ``{"success": …, "result": {…}}``."""
    suite = [check.built.copy(update={"meta": {"position": position}}) for position, check in enumerate(checks)]
    results: list[Any] = [None] * len(checks)
    for result in _validate(columns.frame(check.view for check in checks), suite, result_format):
        position = result.expectation_config.meta["position"]
        if error := _error_in(result.exception_info):
            declared = checks[position].declared
            label = label_of(declared.type, declared.arguments)
            raise PermanentError(f"table {table}: {label}: Great Expectations cannot judge it ({error})")
        results[position] = {"success": bool(result.success), "result": result.result}
    return results


def _validate(frame: pd.DataFrame, suite: list[Any], result_format: dict[str, Any]) -> Any:
    gx = great_expectations()
    from great_expectations.validator.v1_validator import Validator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        definition = _batch_definition()
        # Batch.validate would build the same batch twice
        validator = Validator(definition, result_format, batch_parameters={"dataframe": frame})
        try:
            return validator.validate_expectation_suite(gx.ExpectationSuite(name="gate", expectations=suite)).results
        finally:
            _forget_rows(definition)


@cache
def _batch_definition() -> Any:
    """Where the rows are handed over; made once, since Great Expectations writes its settings as YAML for each step."""
    gx = great_expectations()
    from great_expectations.execution_engine import pandas_execution_engine

    # Frames below this many bytes get a fingerprint, which nobody reads, for a third of the time of judging them.
    pandas_execution_engine.HASH_THRESHOLD = 0
    context = gx.get_context(mode="ephemeral", project_config=_project())
    rows = context.data_sources.add_pandas("batch").add_dataframe_asset("rows")
    return rows.add_batch_definition_whole_dataframe("all")


def _forget_rows(definition: Any) -> None:
    """Drop the frame that was judged: the data source lives on, and would keep it with all that was derived of it."""
    manager = definition.data_asset.datasource.get_execution_engine().batch_manager
    manager.reset_batch_cache()
    manager.batch_data_cache.clear()


def _project() -> Any:
    """Settings of a context that writes nothing, not even a temporary folder for a site, and draws no progress bars."""
    from great_expectations.data_context.types import base

    stores = base.InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    return base.DataContextConfig(store_backend_defaults=stores, progress_bars=base.ProgressBarsConfig(globally=False))


def _error_in(exception_info: Mapping[str, Any]) -> str | None:
    """The kind of the error that kept an expectation from being judged. Its message may quote values of the data."""
    found = [exception_info, *(item for item in exception_info.values() if isinstance(item, Mapping))]
    for item in found:
        if item.get("raised_exception"):
            kinds = _RAISED.findall(str(item.get("exception_traceback")))
            return kinds[0] if kinds else "error"
    return None


def _judged(check: Check, table: str, rows: int, result: dict[str, Any] | None = None) -> Judged:
    declared, level = check.declared, check.level
    details = result["result"] if result else {}
    return Judged(
        table,
        declared.type,
        declared.arguments,
        declared.severity,
        level,
        result["success"] if result else True,
        rows,
        unexpected=details.get("unexpected_count") if level == "row" or "element_count" in details else None,
        missing=details.get("missing_count") if "element_count" in details else None,
        observed=_observed(declared.type, details.get("observed_value"), check.view.unit),
    )


def _observed(name: str, value: Any, unit: Decimal) -> float | None:
    if value is None or not _REPORTED.match(name):
        return None
    number = float(value)
    if math.isnan(number):
        return None
    return float(Decimal(number) * unit) if unit != 1 else number
