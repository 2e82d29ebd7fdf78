"""One alert of each kind, made as Sluice makes them, of invented facts."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from sluice.alerts.alert import AGAIN, Alert, recovery
from sluice.alerts.causes import Evidence, FailedRun, Found, RunLinks
from sluice.alerts.evidence import drift_of
from sluice.alerts.problems import Problem
from sluice.alerts.watch import LastFile, dead_letters, silence
from sluice.drift import Finding
from sluice.edge.alerting import late

GOLDEN = Path(__file__).parent / "golden"
NOW = dt.datetime(2026, 3, 6, 8, 30, tzinfo=dt.UTC)
LISTED = dt.datetime(2026, 3, 5, 6, 0, tzinfo=dt.UTC)
RUN = "scheduled__2026-03-06T05:00:00+00:00"
LINKS = RunLinks("https://airflow.example.org", "orders", RUN)
FOLDER = "s3://acme-landing/orders/2026/03/05"


def failed(*problems: Problem, evidence: Evidence | None = None, links: RunLinks = LINKS) -> list[Alert]:
    return FailedRun(
        "orders", links, "2026-03-05", problems, evidence or Evidence(42), data_docs="/mnt/work/data_docs/orders/42/"
    ).alerts()


def reconciled(*breaches: tuple[str, str]) -> Problem:
    """What reconcile leaves word of."""
    told = "; ".join(text for _, text in breaches)
    return Problem("reconcile", "RunFailed", f"feed orders, run 42: {told}", breaches=breaches)


def full_disk(tasks: int) -> list[Problem]:
    """So many tasks of parse that met the same, and what reconcile made of it."""
    reason = "/mnt/work cannot be written: no space left"
    parsed = [
        Problem("parse", "WorkFilesUnavailable", reason, f"orders-{n}.xml", map_index=n - 1)
        for n in range(1, tasks + 1)
    ]
    which = f"{FOLDER}/orders-1.xml; and {tasks - 1} more"
    lost = f"{tasks} parts were not loaded ({which}); see the failed tasks, then clear them"
    return [*parsed, reconciled(("unaccounted", lost))]


def held_run() -> list[Alert]:
    reason = "orders: expect_table_row_count_to_be_between(min_value=100) failed on 12 rows"
    evidence = Evidence(
        42, held=(Found(f"{FOLDER}/a.xml", "", "", reason), Found(f"{FOLDER}/b.zip!m.xml", "", "", reason))
    )
    return failed(
        reconciled(("held", f"24 records are held by the gate ({FOLDER}/a.xml: {reason})")), evidence=evidence
    )


def limits_run() -> list[Alert]:
    rejected = (
        Found(f"{FOLDER}/b.xml", "", "truncated", "the XML ends before its root element is closed"),
        Found(
            f"{FOLDER}/a.xml",
            "record 2, line 14",
            "not_a_number",
            "orders.total (Total): not a number for numeric(18,2)",
        ),
    )
    evidence = Evidence(42, rejected, (("not_a_number", 11), ("truncated", 1)))
    return failed(
        reconciled(
            (
                "limits",
                f"1 file quarantined ({FOLDER}/b.xml: truncated: the XML ends before its root element is closed)",
            ),
            ("limits", "11 records quarantined, 10 allowed"),
        ),
        evidence=evidence,
    )


def totals_run() -> list[Alert]:
    count = f"{FOLDER}/a.xml: /Orders/Trailer/Count says 12, but the count of orders is 11"
    total = f"{FOLDER}/b.xml: /Orders/Trailer/Sum is not the sum of orders.total (of its records 2 were rejected)"
    return failed(reconciled(("totals", f"2 stated totals are not what was found ({count}; {total})")))


FINDINGS = [
    Finding("element", "Order/Discount", 1204, f"{FOLDER}/a.xml", "", 1, 3),
    Finding("namespace", "urn:acme:orders:3", 1, f"{FOLDER}/b.xml", "", None, 1),
    Finding("empty_column", "lines.quantity", 870, share=0.87, past=0.02),
]


def over() -> Alert:
    first = failed(*full_disk(300))[0].standing("new", LISTED, 3)
    second = limits_run()[0].standing("new", LISTED, 1)
    note = "2 files of before still held: sluice quarantine orders --state held"
    return recovery("orders", "orders works again", [first, second], run=RUN, page=LINKS.page, note=note)


SAMPLES: dict[str, Alert] = {
    "failed": failed(*full_disk(300))[0],
    "failed-unknown": failed(
        Problem("run", "", "Airflow says no more than timed_out"),
        evidence=Evidence(),
        links=RunLinks("", "orders", "manual__1"),
    )[0],
    "held": held_run()[0],
    "limits": limits_run()[0],
    "totals": totals_run()[0],
    "drift": drift_of("orders", 42, FINDINGS, LINKS, "2026-03-05", LINKS.log(Problem("reconcile", "drift", ""))),
    "dead-letters": dead_letters(
        "https://sqs.eu-west-1.amazonaws.com/123456789012/sluice-arrivals-dead", 3, example="no JSON"
    ),
    "silence": silence("orders", LastFile(f"{FOLDER}/a.xml", LISTED), 24, NOW),
    "late": late("orders", 30, RUN, LINKS, "running"),
    "again": limits_run()[0].standing(AGAIN, LISTED, 14),
    "over": over(),
}
