"""Data Docs: the gate's results as Great Expectations' own page. It is made of ``Judged``, so it shows no value."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

from sluice.gate.suite import great_expectations
from sluice.gate.verdict import Judged


def render_page(results: Sequence[Judged], title: str, run_name: str, judged_at: dt.datetime) -> str:
    """One HTML page; ``title`` names the suite, such as ``orders.lines``, and ``run_name`` the batch."""
    gx = great_expectations()
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    suite = ExpectationSuiteValidationResult(
        success=all(one.success for one in results),
        results=[_as_result(one) for one in results],
        suite_name=title,
        statistics=_statistics(results),
        meta={
            "great_expectations_version": gx.__version__,
            "run_id": {"run_name": run_name, "run_time": judged_at.isoformat()},
        },
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        page: str = _view().render(ValidationResultsPageRenderer().render(suite))
    return page


@cache
def _view() -> Any:
    """Kept, since it compiles its templates, and that takes ten times as long as to fill them in."""
    from great_expectations.render.view.view import DefaultJinjaPageView

    return DefaultJinjaPageView()


def _as_result(judged: Judged) -> Any:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity

    configuration = ExpectationConfiguration(
        judged.type, dict(judged.arguments), meta={"level": judged.level}, severity=FailureSeverity(judged.severity)
    )
    counts = {"element_count": judged.rows, "unexpected_count": judged.unexpected, "missing_count": judged.missing}
    result: dict[str, Any] = {"observed_value": judged.observed, **counts, "partial_unexpected_list": []}
    if judged.unexpected is not None:
        result["unexpected_percent"] = 100 * judged.unexpected / judged.rows if judged.rows else 0.0
    return ExpectationValidationResult(
        success=judged.success,
        expectation_config=configuration,
        result={key: value for key, value in result.items() if value is not None},
    )


def _statistics(results: Sequence[Judged]) -> dict[str, Any]:
    good = sum(one.success for one in results)
    return {
        "evaluated_expectations": len(results),
        "successful_expectations": good,
        "unsuccessful_expectations": len(results) - good,
        "success_percent": 100 * good / len(results) if results else None,
    }
