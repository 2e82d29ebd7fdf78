"""Which failures of a task are tried again."""

import pytest

from sluice.errors import FeedInvalid, RunFailed, SourceMissing, SourceUnavailable, WarehouseUnavailable


def decide(error: BaseException) -> str:
    from sluice.edge.retries import OnlyWhatCanPass

    return OnlyWhatCanPass().evaluate(error, try_number=1, max_tries=3).action.value


@pytest.mark.parametrize(
    "error",
    [
        SourceUnavailable("no answer"),
        WarehouseUnavailable("no answer"),
        ConnectionResetError(),
        TimeoutError(),
        OSError(28, "No space left on device"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_can_pass_by_itself_is_tried_again(error: BaseException) -> None:
    assert decide(error) == "retry"


def test_drivers_and_clients_errors_count_with_all_their_subclasses() -> None:
    """A lost deadlock is psycopg's DeadlockDetected, a closed connection botocore's EndpointConnectionError."""
    import botocore.exceptions
    import psycopg.errors

    assert decide(psycopg.errors.DeadlockDetected()) == "retry"
    assert decide(psycopg.errors.AdminShutdown()) == "retry"
    assert decide(botocore.exceptions.EndpointConnectionError(endpoint_url="http://x")) == "retry"
    assert decide(botocore.exceptions.ReadTimeoutError(endpoint_url="http://x")) == "retry"


@pytest.mark.parametrize(
    "error",
    [SourceMissing("no such folder"), RunFailed("held"), FeedInvalid([]), KeyError("x"), ValueError("x")],
    ids=lambda error: type(error).__name__,
)
def test_everything_else_fails_at_once(error: BaseException) -> None:
    """The same input fails in the same way; what nobody expected is a fault in the code, which no hour mends."""
    assert decide(error) == "fail"


def test_the_decision_repeats_the_problem() -> None:
    """Airflow logs it after the stack trace, so that a failed task's log ends with what went wrong."""
    from sluice.edge.retries import OnlyWhatCanPass

    decision = OnlyWhatCanPass().evaluate(RunFailed("a.xml is quarantined: truncated"), try_number=1, max_tries=3)
    assert decision.reason == "a.xml is quarantined: truncated (trying again would not help)"
