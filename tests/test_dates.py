"""Which files a run is about, for every kind of run that Airflow has."""

import datetime as dt

import pytest

from sluice.dates import DagRunFacts, run_request
from sluice.errors import PermanentError
from sluice.feed.model import Feed

DAILY = "/landing/{date:%Y-%m-%d}/*.xml"
NO_DATE = "/landing/*.xml"


def make_feed(uri: str = DAILY, lookback_days: int = 0, timezone: str = "Europe/Berlin") -> Feed:
    return Feed.model_validate(
        {
            "feed": "orders",
            "source": {"uri": uri},
            "schedule": {"cron": "0 6 * * *", "timezone": timezone, "lookback_days": lookback_days},
            "tables": {"orders": {"record": "/Orders/Order", "columns": {"id": "@id"}}},
        }
    )


def make_run(run_type: str, day: int = 5, *, with_interval: bool = True, clear_number: int = 0) -> DagRunFacts:
    """A run of 2026-03-``day`` 05:00 UTC, which is 06:00 in Berlin."""
    start = dt.datetime(2026, 3, day, 5, tzinfo=dt.UTC)
    end = start + dt.timedelta(days=1)
    return DagRunFacts(
        dag_run_id=f"{run_type}__1",
        run_type=run_type,
        run_after=end,
        clear_number=clear_number,
        logical_date=start if with_interval else None,
        interval_start=start if with_interval else None,
        interval_end=end if with_interval else None,
    )


def dates_of(request) -> tuple[str, str]:
    return str(request.date_from), str(request.date_to)


def test_a_scheduled_run_covers_its_intervals_start() -> None:
    """The run that Airflow makes on the 6th covers the day that began on the 5th."""
    assert dates_of(run_request(make_feed(), make_run("scheduled"), {})) == ("2026-03-05", "2026-03-05")


def test_a_scheduled_run_looks_back() -> None:
    """Files that came late for earlier days are found by the next runs."""
    request = run_request(make_feed(lookback_days=3), make_run("scheduled"), {})
    assert dates_of(request) == ("2026-03-02", "2026-03-05")


def test_a_backfill_covers_exactly_its_date() -> None:
    """A backfill of the 5th is about the 5th, whatever a scheduled run looks back."""
    assert dates_of(run_request(make_feed(lookback_days=3), make_run("backfill"), {})) == ("2026-03-05", "2026-03-05")


def test_the_date_is_that_of_the_feeds_time_zone() -> None:
    """Midnight in Auckland is the day before in UTC."""
    midnight = dt.datetime(2026, 3, 4, 11, tzinfo=dt.UTC)
    run = DagRunFacts("s", "scheduled", midnight, 0, midnight, midnight, midnight + dt.timedelta(days=1))
    assert dates_of(run_request(make_feed(timezone="Pacific/Auckland"), run, {})) == ("2026-03-05", "2026-03-05")


@pytest.mark.parametrize("run_type", ["manual", "operator_triggered", "asset_triggered", "asset_materialization"])
def test_a_run_without_interval_covers_the_day_it_was_made(run_type: str) -> None:
    """Runs by API and by arrival have neither interval nor logical date; they take today and what is looked back."""
    request = run_request(make_feed(lookback_days=1), make_run(run_type, with_interval=False), {})
    assert dates_of(request) == ("2026-03-05", "2026-03-06")


def test_a_manual_run_covers_the_day_of_its_logical_date() -> None:
    """The form and ``airflow dags test`` give a logical date; the interval inferred for it lies days before."""
    logical = dt.datetime(2026, 3, 9, 12, tzinfo=dt.UTC)
    inferred = dt.datetime(2026, 3, 7, 5, tzinfo=dt.UTC)
    run = DagRunFacts("m", "manual", logical, 0, logical, inferred, inferred + dt.timedelta(days=1))
    assert dates_of(run_request(make_feed(), run, {})) == ("2026-03-09", "2026-03-09")


@pytest.mark.parametrize("run_type", ["scheduled", "backfill", "manual", "asset_triggered"])
def test_the_forms_date_stands_for_the_runs_own(run_type: str) -> None:
    """A date in the form is taken alone, without looking back."""
    request = run_request(make_feed(lookback_days=3), make_run(run_type), {"date": "2026-01-31"})
    assert dates_of(request) == ("2026-01-31", "2026-01-31")
    assert request.modified_from is None


def test_without_a_date_in_the_pattern_a_backfill_takes_what_was_modified_in_its_interval() -> None:
    request = run_request(make_feed(NO_DATE), make_run("backfill"), {})
    assert (str(request.modified_from), str(request.modified_to)) == (
        "2026-03-05 05:00:00+00:00",
        "2026-03-06 05:00:00+00:00",
    )


@pytest.mark.parametrize("run_type", ["scheduled", "manual", "asset_triggered"])
def test_without_a_date_in_the_pattern_other_runs_take_every_open_file(run_type: str) -> None:
    request = run_request(make_feed(NO_DATE), make_run(run_type), {})
    assert (request.modified_from, request.modified_to) == (None, None)


def test_without_a_date_in_the_pattern_the_forms_date_is_a_day_of_modification() -> None:
    """The day of the clock change has 23 hours in Berlin."""
    request = run_request(make_feed(NO_DATE), make_run("manual"), {"date": "2026-03-29"})
    assert (str(request.modified_from), str(request.modified_to)) == (
        "2026-03-28 23:00:00+00:00",
        "2026-03-29 22:00:00+00:00",
    )


def test_the_forms_pattern_decides_whether_there_is_a_date() -> None:
    request = run_request(make_feed(DAILY), make_run("backfill"), {"uri": NO_DATE})
    assert request.uri == NO_DATE
    assert request.modified_from is not None


def test_a_retry_has_the_same_key_and_a_cleared_run_another() -> None:
    """The manifest belongs to (run id, clear number): a retry finds it again, a cleared fetch lists anew."""
    keys = [run_request(make_feed(), make_run("manual", clear_number=n), {}).run_key for n in (0, 0, 1)]
    assert keys == ["manual__1#0", "manual__1#0", "manual__1#1"]


def test_the_form_reaches_the_request() -> None:
    form = {"date": None, "uri": "", "reload": "changed", "dry_run": True, "batch_mb": 64}
    request = run_request(make_feed(), make_run("manual"), form)
    assert (request.uri, request.reload, request.dry_run, request.batch_mb) == (None, "changed", True, 64)


@pytest.mark.parametrize(
    ("run_type", "form", "takes"),
    [
        ("scheduled", {}, True),
        ("manual", {"reload": "no"}, True),
        ("asset_triggered", {}, True),
        ("backfill", {}, False),
        ("manual", {"date": "2026-01-31"}, False),
        ("manual", {"uri": NO_DATE}, False),
        ("manual", {"dry_run": True}, False),
        ("manual", {"reload": "all"}, False),
    ],
)
def test_what_was_released_is_taken_by_runs_that_ask_for_nothing_in_particular(
    run_type: str, form: dict, takes: bool
) -> None:
    assert run_request(make_feed(), make_run(run_type), form).takes_left is takes


@pytest.mark.parametrize("form", [{"date": "31.3.2026"}, {"date": 20260331}, {"reload": "yes"}])
def test_a_form_that_makes_no_sense_is_refused(form: dict) -> None:
    """Airflow checks the form too, but not the ``conf`` of every caller."""
    with pytest.raises(PermanentError, match="the run's"):
        run_request(make_feed(), make_run("manual"), form)
