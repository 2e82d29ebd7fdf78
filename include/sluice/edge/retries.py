"""Which failures of a task are tried again."""

from __future__ import annotations

from dataclasses import replace

from airflow.sdk import Context, ExceptionRetryPolicy, RetryAction, RetryDecision, RetryPolicy, RetryRule

from sluice.alerts import describe_exception
from sluice.errors import PermanentError, TransientError


class OnlyWhatCanPass(RetryPolicy):
    """Tries again what can pass by itself (network, database, disk, memory) and fails at once for everything else.

    A worker that is killed raises nothing: it is tried again as long as there are retries. The rules are made when they
    are needed, since a rule imports the exceptions that it names.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        policy = ExceptionRetryPolicy(
            [
                RetryRule(PermanentError, RetryAction.FAIL, reason="trying again would not help"),
                RetryRule(
                    [
                        TransientError,
                        OSError,
                        MemoryError,
                        "psycopg.OperationalError",
                        "botocore.exceptions.ConnectionError",
                        "botocore.exceptions.HTTPClientError",
                        "airflow.sdk.exceptions.AirflowRuntimeError",  # the API server did not answer
                        "airflow.sdk.exceptions.AirflowTaskTimeout",
                    ],
                    RetryAction.RETRY,
                    reason="this can pass by itself",
                ),
            ],
            default=RetryAction.FAIL,
        )
        decision = policy.evaluate(exception, try_number, max_tries, context)
        # the reason is the last line of the task's log, and Airflow keeps that of a retry with the task instance
        reason = describe_exception(exception, "").reason
        return replace(decision, reason=f"{reason} ({decision.reason or 'nothing that passes by itself'})")
