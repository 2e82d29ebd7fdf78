"""The part of a feed file that says who is told of what."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from sluice.feed.fields import Strict, Texts, Whole

CONNECTION = r"^[A-Za-z0-9_.-]+$"
TOPIC = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+(?:\.fifo)?$"


def _check_addresses(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not re.fullmatch(r"[^@\s,<>]+@[^@\s,<>]+", value):
            raise ValueError(f"{value!r} is no mail address such as data@example.org")
    return values


def _check_connection(value: str) -> str:
    if "://" in value:
        raise ValueError("an address is a secret; put it into an Airflow connection, and name that here")
    if not re.fullmatch(CONNECTION, value):
        raise ValueError(f"{value!r} is no id of an Airflow connection")
    return value


def _check_topic(value: str) -> str:
    if not re.fullmatch(TOPIC, value):
        raise ValueError(f"{value!r} is no ARN of an SNS topic, such as arn:aws:sns:eu-west-1:123456789012:sluice")
    return value


Connection = Annotated[str, AfterValidator(_check_connection)]


class Alerts(Strict):
    """Who is told when the feed breaks, and when it counts as broken. A channel that stands here takes the place of the
    same one of the settings for all feeds; secrets stand in Airflow connections.
    """

    mail: Annotated[Texts, AfterValidator(_check_addresses)] | None = Field(
        None, description="Mail addresses; an empty list: no mail for this feed."
    )
    slack: Connection | None = Field(
        None, description="Airflow connection that holds the address of a Slack incoming webhook (or its token)."
    )
    sns: Annotated[str, AfterValidator(_check_topic)] | None = Field(None, description="ARN of an SNS topic.")
    webhook: Connection | None = Field(
        None, description="Airflow connection of a web address that gets every alert as JSON."
    )
    repeat_hours: Whole = Field(
        24, ge=1, le=8760, description="What is still broken after so many hours is told again, each time."
    )
    silence_hours: Whole | None = Field(
        None, ge=1, le=87600, description="Tell when no new file has come for so many hours; null: never."
    )
    late_minutes: Whole | None = Field(
        None,
        ge=1,
        le=10080,
        description="Tell when a run is not done so many minutes after it was queued; null: never.",
    )
