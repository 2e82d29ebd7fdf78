"""What no run can tell of: silence, dead letters, and what is to be told again."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.alerts.listeners import Recorder
from tests.alerts.samples import SAMPLES, failed, full_disk
from tests.small_feeds import ITEMS, Ground, item, items

from sluice import warehouse
from sluice.alerts import state, watch
from sluice.alerts.alert import SILENCE, Cause
from sluice.alerts.desk import Desk

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/sluice-dead"
FAILED = failed(*full_disk(3))[0]


class Watcher:
    """What the DAG does, with a clock that is set by hand."""

    def __init__(self, ground: Ground, *channels: Recorder) -> None:
        self.ground = ground
        self.desk = Desk(ground.dsn, lambda: channels)
        with warehouse.connect(ground.dsn) as connection:
            warehouse.create_ledger(connection)

    def silence(self, hours_later: float, silence_hours: float | None = 24) -> None:
        now = dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours_later)
        with state.connect(self.ground.dsn) as connection:
            is_told = "items" in state.feeds_of(connection, SILENCE)
            watch.watch_silence(connection, self.desk, "items", silence_hours, now, is_told=is_told)

    def again(self, hours_later: float = 0) -> int:
        self.ground.sql(
            "UPDATE sluice.alerts SET sent_at = sent_at - age, tried_at = tried_at - age, closed_at = closed_at - age"
            " FROM make_interval(mins => %s) AS age",
            round(hours_later * 60),
        )
        with state.connect(self.ground.dsn) as connection:
            return watch.tell_again(connection, {"orders": self.desk}, self.desk)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def watcher(ground: Ground, recorder: Recorder) -> Watcher:
    return Watcher(ground, recorder)


# -- silence ----------------------------------------------------------------------------------------------------------


def test_a_feed_is_silent_when_no_new_file_is_listed(ground: Ground, watcher: Watcher, recorder: Recorder) -> None:
    """However often one looks, it is told once; and again when files come."""
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    assert ground.run(feed) is None
    watcher.silence(hours_later=23.9)
    assert recorder.sent == []
    for _ in range(3):
        watcher.silence(hours_later=24.1)
    (alert,) = recorder.sent
    assert alert.subject == "Sluice: items is silent: no new file for 24 hours"
    assert alert.file == f"{ground.uri('a.xml')} (the last one)"
    ground.run(feed)  # a run that finds nothing new is no sign of life
    watcher.silence(hours_later=24.1)
    assert len(recorder.sent) == 1
    ground.put("b.xml", items(item("b")))
    ground.run(feed)
    for _ in range(2):
        watcher.silence(hours_later=1)
    assert recorder.subjects[1:] == ["Sluice: items is no longer silent"]


def test_silence_goes_on_and_is_told_again_with_its_length(
    ground: Ground, watcher: Watcher, recorder: Recorder
) -> None:
    ground.put("a.xml", items(item("a")))
    assert ground.run(ground.feed(ITEMS)) is None
    watcher.silence(hours_later=24)
    ground.sql("UPDATE sluice.alerts SET sent_at = sent_at - interval '25 hours'")
    watcher.silence(hours_later=49)
    assert "silent: no new file for 49 hours (again: open since" in recorder.subjects[1]


def test_a_feed_that_never_got_a_file_is_silent_since_its_first_run(
    ground: Ground, watcher: Watcher, recorder: Recorder
) -> None:
    ground.run(ground.feed(ITEMS))
    watcher.silence(hours_later=25)
    (alert,) = recorder.sent
    assert "no new file has been listed ever (looked for since " in alert.reason


def test_a_feed_that_never_ran_is_silent_since_it_was_looked_for(
    ground: Ground, watcher: Watcher, recorder: Recorder
) -> None:
    """One that runs on arrivals only, of a bucket that announces nothing."""
    watcher.silence(hours_later=1000, silence_hours=None)
    watcher.silence(hours_later=0)
    ground.sql("UPDATE sluice.watched SET since = since - interval '20 hours'")
    watcher.silence(hours_later=3)
    assert recorder.sent == []
    for _ in range(2):
        watcher.silence(hours_later=5)
    assert recorder.subjects == ["Sluice: items is silent: no new file for 25 hours"]


def test_who_sets_no_limit_any_more_is_not_silent(ground: Ground, watcher: Watcher, recorder: Recorder) -> None:
    """Else it would be told again for ever."""
    ground.run(ground.feed(ITEMS))
    watcher.silence(hours_later=25)
    watcher.silence(hours_later=25, silence_hours=None)
    assert recorder.subjects[1:] == ["Sluice: items is no longer silent"]
    watcher.silence(hours_later=1000, silence_hours=None)
    assert len(recorder.sent) == 2


# -- dead letters -----------------------------------------------------------------------------------------------------


def test_dead_letters_are_told_once_until_they_are_gone(watcher: Watcher, recorder: Recorder) -> None:
    for count in (0, 2, 2, 3, 0, 0):
        watch.tell_dead_letters(watcher.desk, QUEUE, count)
    assert recorder.subjects == [
        "Sluice: 2 dead letters in sluice-dead",
        "Sluice: sluice-dead holds no dead letters any more",
    ]


def test_each_queue_has_dead_letters_of_its_own(watcher: Watcher, recorder: Recorder) -> None:
    watch.tell_dead_letters(watcher.desk, QUEUE, 1, feed="orders")
    watch.tell_dead_letters(watcher.desk, QUEUE + "-2", 1, feed="orders", example="no JSON")
    watch.tell_dead_letters(watcher.desk, QUEUE + "-2", 0, feed="orders")
    assert recorder.subjects == [
        "Sluice: 1 dead letter in sluice-dead",
        "Sluice: 1 dead letter in sluice-dead-2",
        "Sluice: sluice-dead-2 holds no dead letters any more",
    ]


# -- again ------------------------------------------------------------------------------------------------------------


def test_what_is_still_broken_is_told_again(watcher: Watcher, recorder: Recorder) -> None:
    """Also where no run meets it any more."""
    watcher.desk.tell(FAILED)
    assert (watcher.again(hours_later=23), watcher.again(hours_later=2), watcher.again()) == (0, 1, 0)
    assert recorder.subjects[1].startswith(f"{FAILED.subject} (again: open since ")


def test_what_is_over_or_was_drift_is_not_told_again(watcher: Watcher, recorder: Recorder) -> None:
    watcher.desk.tell(FAILED, SAMPLES["drift"])
    watcher.desk.recover("orders", lambda alert: alert.cause.kind == "failed", "orders works again")
    before = len(recorder.sent)
    assert watcher.again(hours_later=100) == 0
    assert len(recorder.sent) == before


def test_a_channel_that_answers_again_gets_what_it_missed(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    """The others got it before. That it failed is said once, not at every try."""
    caplog.set_level(logging.INFO)
    good, bad = Recorder("mail"), Recorder("slack", error=ConnectionRefusedError("refused"))
    watcher = Watcher(ground, good, bad)
    watcher.desk.tell(FAILED)
    assert watcher.again() == 0  # it may still be under way
    assert watcher.again(hours_later=0.1) == 1
    bad.error = None
    assert watcher.again(hours_later=0.1) == 1
    assert watcher.again(hours_later=0.1) == 0
    assert (good.subjects, bad.subjects) == ([FAILED.subject], [FAILED.subject])
    assert len([message for message in caplog.messages if "could not be sent" in message]) == 1
    assert f"sent at last: {FAILED.subject}" in caplog.messages


def test_a_broken_channel_keeps_the_others_from_no_repeat(ground: Ground) -> None:
    good, bad = Recorder("mail"), Recorder("slack", error=ConnectionRefusedError("refused"))
    watcher = Watcher(ground, good, bad)
    watcher.desk.tell(FAILED)
    for _ in range(5):
        watcher.again(hours_later=6)
    assert len(good.sent) == 2
    bad.error = None
    watcher.again(hours_later=0.1)
    assert (len(good.sent), len(bad.sent)) == (2, 1)


def test_a_repeat_is_not_sent_twice_to_the_channel_that_missed_the_last(ground: Ground) -> None:
    channel = Recorder("mail", error=ConnectionRefusedError("refused"))
    watcher = Watcher(ground, channel)
    watcher.desk.tell(FAILED)
    channel.error = None
    assert watcher.again(hours_later=25) == 1
    assert len(channel.sent) == 1


def test_what_was_not_sent_is_sent_all_at_once(ground: Ground) -> None:
    """A channel that does not answer costs its time once, and not once for each message."""

    class Counting(Desk):
        def send(self, messages: Sequence[state.Open], *, is_retry: bool = False) -> None:
            sent.append((self.repeat_hours, len(messages)))

    sent: list[tuple[float, int]] = []
    watcher = Watcher(ground, Recorder("mail", error=ConnectionRefusedError("refused")))
    elsewhere = replace(FAILED, cause=replace(FAILED.cause, feed="gone"))
    watcher.desk.tell(FAILED, SAMPLES["silence"], elsewhere, replace(elsewhere, cause=Cause("gone too", "failed")))
    ground.sql("UPDATE sluice.alerts SET sent_at = sent_at - interval '1 hour'")
    own, general = (Counting(ground.dsn, list, hours) for hours in (24, 48))
    with state.connect(ground.dsn) as connection:
        assert watch.tell_again(connection, {"orders": own}, general) == 4
    assert [one for one in sent if one[1]] == [(24, 2), (48, 2)]


def test_what_is_told_again_is_sent_all_at_once(ground: Ground, watcher: Watcher) -> None:
    """Of all feeds of a desk."""

    class Counting(Desk):
        def announce(self, due: Sequence[state.Open]) -> None:
            told.append(len(due))

    told: list[int] = []
    watcher.desk.tell(FAILED, replace(FAILED, cause=replace(FAILED.cause, feed="prices")))
    ground.sql("UPDATE sluice.alerts SET sent_at = sent_at - interval '25 hours'")
    shared = Counting(ground.dsn, list)
    with state.connect(ground.dsn) as connection:
        assert watch.tell_again(connection, {"orders": shared, "prices": shared}, watcher.desk) == 2
    assert told == [2]


def test_a_recovery_is_given_up_after_a_day(ground: Ground) -> None:
    channel = Recorder("mail")
    watcher = Watcher(ground, channel)
    watcher.desk.tell(FAILED)
    channel.error = ConnectionRefusedError("refused")
    watcher.desk.recover("orders", lambda _: True, "orders works again")
    assert [watcher.again(hours_later=hours) for hours in (12, 11, 2)] == [1, 1, 0]


def test_a_recovery_that_could_not_be_sent_is_sent_later(ground: Ground) -> None:
    channel = Recorder("mail")
    watcher = Watcher(ground, channel)
    watcher.desk.tell(FAILED)
    channel.error = ConnectionRefusedError("refused")
    watcher.desk.recover("orders", lambda _: True, "orders works again")
    channel.error = None
    watcher.again(hours_later=0.1)
    assert channel.subjects == [FAILED.subject, "Sluice: orders works again"]


def test_a_channel_that_is_configured_no_longer_is_given_up(ground: Ground, recorder: Recorder) -> None:
    bad = Recorder("slack", error=ConnectionRefusedError("refused"))
    Watcher(ground, bad).desk.tell(FAILED)
    watcher = Watcher(ground, recorder)
    assert watcher.again(hours_later=0.1) == 1
    assert watcher.again(hours_later=0.1) == 0
    assert recorder.sent == []
