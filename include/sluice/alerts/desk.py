"""Telling: an alert goes to the log, and by the channels if nobody has told of its cause yet; a recovery closes it.

Nothing here raises. Where the warehouse does not answer, nobody knows what was told, and the alert is sent: better
twice than never; but not what is looked at every few minutes, since it would be sent each time. What could not be sent
is said in the log, once for each alert, and the DAG ``watch`` tries it again.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sluice.alerts import state
from sluice.alerts.alert import DRIFT, LOOKED_AT, OVER, Alert, recovery
from sluice.alerts.channels import Channel, deliver
from sluice.alerts.problems import describe_exception

log = logging.getLogger(__name__)

REPEAT_HOURS = 24.0


@dataclass(frozen=True)
class Desk:
    """Where the alerts of a feed go: ``dsn`` is that of the warehouse that keeps their state, None where it is not
    known. ``find_channels`` is asked only when there is something to send.
    """

    dsn: str | None
    find_channels: Callable[[], Sequence[Channel]]
    repeat_hours: float = REPEAT_HOURS

    @functools.cached_property
    def channels(self) -> Sequence[Channel]:
        try:
            return self.find_channels()
        except Exception:
            log.exception("the channels of the alerts could not be made")
            return ()

    @property
    def names(self) -> list[str]:
        return [channel.name for channel in self.channels]

    def tell(self, *alerts: Alert, was_met_before: bool = False) -> None:
        """Tell of causes that were met. ``was_met_before`` says that they were so minutes ago, and told then."""
        self.announce(self._note(alerts, was_met_before=was_met_before))

    def announce(self, due: Sequence[state.Open]) -> None:
        """Put alerts into the log, and send them by all channels."""
        for one in due:
            log.error("%s\n%s", one.alert.subject, one.alert.text)
        if due:
            self.send([replace(one, unsent=tuple(self.names)) for one in due])

    def recover(
        self,
        feed: str,
        is_over: Callable[[Alert], bool],
        headline: str,
        *,
        run_id: int | None = None,
        run: str = "",
        page: str = "",
        note: Callable[[], str] = lambda: "",
    ) -> None:
        """Close the open causes of ``feed`` that ``is_over`` picks, and tell so in one message. With ``run_id`` those
        are left open that were met since that run began. ``note`` is asked for what is left to be said then. That drift
        is over is not told: it never was wrong.
        """
        if self.dsn is None:
            return
        try:
            with state.connect(self.dsn) as conn:
                over = [one for one in state.list_open(conn, feed, run_id, run) if is_over(one.alert)]
                if not over:
                    return
                with conn.transaction():
                    ended = [one for one in state.close(conn, over) if one.alert.cause.kind != DRIFT]
                    if not ended:
                        return
                    alerts = [one.alert for one in ended]
                    message = recovery(feed, headline, alerts, run=run, page=page, note=note())
                    state.keep_recovery(conn, ended[0].alert_id, message, self.names)
        except Exception as error:  # noqa: BLE001 - that it works again is no reason to fail
            log.warning("whether an alert is over is not known: %s", describe_exception(error, "alerts").reason)
            return
        log.info("%s\n%s", message.subject, message.text)
        self.send([state.Open(ended[0].alert_id, message, tuple(self.names))])

    def forget(self, feed: str, is_over: Callable[[Alert], bool]) -> None:
        """Close the open causes of ``feed`` that ``is_over`` picks, without a word."""
        try:
            if self.dsn is None:
                return
            with state.connect(self.dsn) as conn:
                over = [one for one in state.list_open(conn, feed) if is_over(one.alert)]
                if over:
                    state.close(conn, over)
        except Exception as error:  # noqa: BLE001 - it was told, and that is what matters
            log.warning("whether an alert is over is not known: %s", describe_exception(error, "alerts").reason)

    def send(self, messages: Sequence[state.Open], *, is_retry: bool = False) -> None:
        """Send each message by those channels that have not got it, and note which still have not."""
        by_name = {channel.name: channel for channel in self.channels}
        missing = [(one, [by_name[name] for name in one.unsent if name in by_name]) for one in messages]
        failed = deliver([(one.alert, channels) for one, channels in missing])
        for (one, _), reasons in zip(missing, failed, strict=True):
            if reasons and not is_retry:
                told = "; ".join(f"{name}: {reason}" for name, reason in sorted(reasons.items()))
                what = "the recovery" if one.alert.state == OVER else "the alert"
                log.error("%s could not be sent by %s", what, told)
            if is_retry and len(reasons) < len(one.unsent):
                log.info("sent at last: %s", one.alert.subject)
        self._settle([(one.alert_id, list(reasons)) for (one, _), reasons in zip(missing, failed, strict=True)])

    def _note(self, alerts: Sequence[Alert], *, was_met_before: bool) -> list[state.Open]:
        """The alerts that are to be told now."""
        due: list[state.Open] = []
        told = 0
        try:
            if self.dsn is None:
                raise ConnectionError("its connection is not known")
            with state.connect(self.dsn) as conn:
                for alert in alerts:
                    is_due, standing = state.note(conn, alert, self.repeat_hours, self.names)
                    told += 1
                    if is_due:
                        due.append(is_due)
                    elif alert.cause.kind not in LOOKED_AT:
                        log.warning("%s: told before, met %s times by now", standing.subject, standing.times)
        except Exception as error:  # noqa: BLE001 - whatever it is, the alert matters more
            reason = describe_exception(error, "alerts").reason
            for alert in alerts[told:]:
                is_told = not was_met_before and alert.cause.kind not in LOOKED_AT
                outcome = "it is told" if is_told else f"it is not told now: {alert.subject}"
                log.warning("whether this was told before is not known (%s), so %s", reason, outcome)
                due += [state.Open(0, alert, tuple(self.names))] if is_told else []
        return due

    def _settle(self, unsent: list[tuple[int, list[str]]]) -> None:
        known = [(alert_id, names) for alert_id, names in unsent if alert_id]
        if not known or self.dsn is None:
            return
        try:
            with state.connect(self.dsn) as conn:
                for alert_id, names in known:
                    state.settle(conn, alert_id, names)
        except Exception as error:  # noqa: BLE001 - then `watch` sends it once more
            log.warning("that the alert was sent could not be noted: %s", describe_exception(error, "alerts").reason)
