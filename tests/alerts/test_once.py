"""One alert for each cause, kept in the warehouse: who meets it again is silent, and what is over is told once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest
from tests.alerts.listeners import Recorder
from tests.alerts.samples import FINDINGS, LINKS, RUN, SAMPLES, failed, full_disk, held_run, limits_run
from tests.small_feeds import Ground

from sluice import warehouse
from sluice.alerts import state
from sluice.alerts.alert import DRIFT, OVER, Alert
from sluice.alerts.desk import Desk
from sluice.alerts.evidence import drift_of
from sluice.alerts.problems import Problem

FAILED = failed(*full_disk(300))[0]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def desk(ground: Ground, recorder: Recorder) -> Desk:
    with warehouse.connect(ground.dsn) as connection:
        warehouse.create_ledger(connection)
    return Desk(ground.dsn, lambda: [recorder])


def rows(ground: Ground, columns: str = "feed, kind, key, times, closed_at IS NULL, unsent") -> list[tuple]:
    return ground.sql(f"SELECT {columns} FROM sluice.alerts ORDER BY alert_id")


def age(ground: Ground, hours: int) -> None:
    """Let time pass."""
    ground.sql(
        "UPDATE sluice.alerts SET opened_at = opened_at - make_interval(hours => %s),"
        " last_seen_at = last_seen_at - make_interval(hours => %s), sent_at = sent_at - make_interval(hours => %s)",
        hours,
        hours,
        hours,
    )


def over(*kinds: str) -> Callable[[Alert], bool]:
    return lambda alert: alert.cause.kind in kinds


# -- telling ----------------------------------------------------------------------------------------------------------


def test_a_cause_is_told_once_and_counted(ground: Ground, desk: Desk, recorder: Recorder) -> None:
    """Three runs that fail alike, each with 300 tasks."""
    for _ in range(3):
        desk.tell(FAILED)
    assert recorder.subjects == [FAILED.subject]
    assert rows(ground) == [("orders", "failed", "WorkFilesUnavailable", 3, True, [])]


def test_another_reason_of_the_same_cause_is_told(ground: Ground, desk: Desk, recorder: Recorder) -> None:
    desk.tell(FAILED)
    desk.tell(failed(Problem("parse", "WorkFilesUnavailable", "the mount has gone"))[0])
    assert [alert.reason for alert in recorder.sent] == [FAILED.reason, "the mount has gone"]
    assert recorder.sent[1].state == "again"
    assert recorder.sent[1].times == 2


def test_what_is_open_for_long_is_told_again(ground: Ground, desk: Desk, recorder: Recorder) -> None:
    desk.tell(FAILED)
    age(ground, 23)
    desk.tell(FAILED)
    age(ground, 2)
    desk.tell(FAILED)
    assert len(recorder.sent) == 2
    assert "(again: 3 times since " in recorder.subjects[1]
    desk.tell(FAILED)
    assert len(recorder.sent) == 2


def test_causes_of_one_run_are_told_each(ground: Ground, desk: Desk, recorder: Recorder) -> None:
    desk.tell(FAILED, *held_run(), *limits_run())
    assert sorted(alert.cause.kind for alert in recorder.sent) == ["failed", "held", "limits"]


def test_of_many_that_meet_the_same_at_once_one_tells(ground: Ground, desk: Desk, recorder: Recorder) -> None:
    """Runs that overlap, each in a process and a session of its own."""
    together = threading.Barrier(12)

    def meet() -> None:
        own = Desk(ground.dsn, lambda: [recorder])
        together.wait()
        own.tell(FAILED)

    _all_at_once([meet] * 12)
    assert recorder.subjects == [FAILED.subject]
    assert rows(ground) == [("orders", "failed", "WorkFilesUnavailable", 12, True, [])]


def test_the_ledger_is_made_where_no_run_has_made_it(ground: Ground, recorder: Recorder) -> None:
    """A feed whose first fetch fails, every five minutes, is told of once."""
    for _ in range(2):
        Desk(ground.dsn, lambda: [recorder]).tell(FAILED)
    assert len(recorder.sent) == 1


def test_without_the_warehouse_an_alert_is_sent_all_the_same(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk("host=127.0.0.1 port=9 user=u password=s3cret", lambda: [recorder])
    desk.tell(FAILED)
    desk.recover("orders", over("failed"), "orders works again")
    desk.forget("orders", over("failed"))
    assert recorder.subjects == [FAILED.subject]
    assert "whether this was told before is not known (the warehouse does not answer" in caplog.text
    assert "s3cret" not in caplog.text


def test_without_the_warehouse_what_is_looked_at_every_few_minutes_is_not_told(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """Else it would be told every few minutes."""
    desk = Desk("host=127.0.0.1 port=9 user=u", lambda: [recorder])
    desk.tell(SAMPLES["silence"])
    desk.tell(FAILED, was_met_before=True)
    assert recorder.sent == []
    assert [message.rpartition("so it is not told now: ")[2] for message in caplog.messages] == [
        SAMPLES["silence"].subject,
        FAILED.subject,
    ]


def test_a_warehouse_that_is_stuck_keeps_nobody_waiting(
    ground: Ground, desk: Desk, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has the table locked."""
    monkeypatch.setattr(state, "WAIT_SECONDS", 1)
    with psycopg.connect(ground.dsn) as other:
        other.execute("LOCK TABLE sluice.alerts")
        desk.tell(FAILED)
    assert recorder.subjects == [FAILED.subject]


# -- recovery ---------------------------------------------------------------------------------------------------------


def test_what_works_again_is_told_once(ground: Ground, desk: Desk, recorder: Recorder) -> None:
    desk.tell(FAILED, *limits_run())
    desk.tell(FAILED)
    for _ in range(2):
        desk.recover("orders", over("failed", "limits"), "orders works again", run=RUN, page=LINKS.page)
    *_, recovered = recorder.sent
    assert len(recorder.sent) == 3
    assert (recovered.state, recovered.subject) == (OVER, "Sluice: orders works again")
    assert "orders failed in parse, 2 times since" in recovered.text
    assert "orders passed a limit, open since" in recovered.text
    assert rows(ground, "kind, closed_at IS NOT NULL") == [("failed", True), ("limits", True)]


def test_what_breaks_again_is_a_new_cause(ground: Ground, desk: Desk, recorder: Recorder) -> None:
    desk.tell(FAILED)
    desk.recover("orders", over("failed"), "orders works again")
    desk.tell(FAILED)
    assert recorder.subjects == [FAILED.subject, "Sluice: orders works again", FAILED.subject]
    assert rows(ground, "times, closed_at IS NULL") == [(1, False), (1, True)]


def test_only_what_is_over_is_closed(ground: Ground, desk: Desk, recorder: Recorder) -> None:
    """Other kinds, and other feeds, stay as they are."""
    elsewhere = replace(FAILED, cause=replace(FAILED.cause, feed="prices"))
    desk.tell(FAILED, elsewhere, SAMPLES["silence"])
    desk.recover("orders", over("failed"), "orders works again")
    assert rows(ground, "feed, kind, closed_at IS NULL") == [
        ("orders", "failed", False),
        ("prices", "failed", True),
        ("orders", "silence", True),
    ]


def begin_run(ground: Ground) -> int:
    ((run_id,),) = ground.sql(
        "INSERT INTO sluice.runs (feed, run_key, generation, request)"
        " VALUES ('orders', gen_random_uuid()::text, 1, '{}') RETURNING run_id"
    )
    return run_id


def test_a_run_that_began_before_ends_nothing(ground: Ground, desk: Desk, recorder: Recorder) -> None:
    """It has not met what the run beside it failed of, which says nothing of how that would go now."""
    before = begin_run(ground)
    desk.tell(FAILED)
    after = begin_run(ground)
    desk.recover("orders", over("failed"), "orders works again", run_id=before, run="another")
    assert recorder.subjects == [FAILED.subject]
    desk.recover("orders", over("failed"), "orders works again", run_id=after, run="another")
    assert len(recorder.sent) == 2


def test_the_same_run_ends_what_it_failed_of(ground: Ground, desk: Desk, recorder: Recorder) -> None:
    """A task of it was cleared."""
    same = begin_run(ground)
    desk.tell(FAILED)
    desk.recover("orders", over("failed"), "orders works again", run_id=same, run=FAILED.run)
    assert len(recorder.sent) == 2


def test_of_many_that_find_it_over_at_once_one_tells(ground: Ground, desk: Desk, recorder: Recorder) -> None:
    desk.tell(FAILED, *limits_run())
    together = threading.Barrier(8)

    def find_it_over() -> None:
        own = Desk(ground.dsn, lambda: [recorder])
        together.wait()
        own.recover("orders", over("failed", "limits"), "orders works again")

    _all_at_once([find_it_over] * 8)
    assert recorder.subjects.count("Sluice: orders works again") == 1


def test_drift_ends_without_a_word(ground: Ground, desk: Desk, recorder: Recorder) -> None:
    drifted = drift_of("orders", 42, FINDINGS, LINKS, "", "")
    desk.tell(drifted)
    desk.recover("orders", over(DRIFT), "orders works again")
    assert recorder.subjects == [drifted.subject]
    assert rows(ground, "closed_at IS NULL") == [(False,)]


def test_nothing_is_said_where_nothing_was_told(ground: Ground, desk: Desk, recorder: Recorder) -> None:
    desk.recover("orders", over("failed"), "orders works again")
    assert recorder.sent == []


def test_a_warehouse_without_a_ledger_has_nothing_to_recover_from(
    ground: Ground, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    Desk(ground.dsn, lambda: [recorder]).recover("orders", over("failed"), "orders works again")
    assert caplog.messages == []


# -- what could not be sent -------------------------------------------------------------------------------------------


def test_what_was_not_sent_is_kept(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    """By channel: the one that got it does not get it twice."""
    good, bad = Recorder("mail"), Recorder("slack", error=ConnectionRefusedError("refused"))
    desk = Desk(ground.dsn, lambda: [good, bad])
    desk.tell(FAILED)
    assert rows(ground, "unsent") == [(["slack"],)]
    told = [message for message in caplog.messages if "could not be sent" in message]
    assert told == ["the alert could not be sent by slack: refused"]


def test_a_sender_that_dies_leaves_word(ground: Ground, recorder: Recorder) -> None:
    """It has said that it tells, so nobody else does; but nobody has got it."""

    class Killed(BaseException):
        pass

    class Dying(Desk):
        def send(self, messages, *, is_retry: bool = False) -> None:  # type: ignore[no-untyped-def]
            raise Killed

    with pytest.raises(Killed):
        Dying(ground.dsn, lambda: [recorder]).tell(FAILED)
    assert rows(ground, "unsent") == [(["recorder"],)]


def _all_at_once(work: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
