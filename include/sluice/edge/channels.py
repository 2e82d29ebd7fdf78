"""The channels of alerts, made of the environment, of what a feed says, and of Airflow's connections."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from sluice.alerts.channels import Channel, Mail, Slack, Sns, Unusable, Webhook, basic_auth
from sluice.alerts.desk import Desk
from sluice.edge.connections import AWS_CONNECTION, warehouse_dsn
from sluice.errors import FeedInvalid, PermanentError
from sluice.feed.alerts import Alerts
from sluice.feed.loading import feed_names, feeds_root, load_feed
from sluice.feed.model import Feed, Target

SMTP_CONNECTION = "smtp_default"
SLACK_ADDRESS = "https://hooks.slack.com/services"


def desk_for(name: str) -> Desk:
    """Where the alerts of a feed go; for one that is not there or has mistakes, and for Sluice's own DAGs, where those
    go that are meant for all. Their state is in the feed's warehouse.
    """
    feed = _find_feed(name)
    general = general_desk((feed.target if feed else Target()).connection)
    return desk_of(feed.alerts, general.dsn) if feed else general


def general_desk(conn_id: str) -> Desk:
    """Where those alerts go that are meant for all, with their state in the warehouse of that connection."""
    dsn = None
    with suppress(Exception):  # without its state an alert is still sent
        dsn = warehouse_dsn(conn_id)
    return desk_of(Alerts(), dsn)


def desk_of(settings: Alerts, dsn: str | None) -> Desk:
    """The desk of a feed with these settings, whose warehouse is known."""
    return Desk(dsn, lambda: list(channels_of(settings, os.environ)), settings.repeat_hours)


def _find_feed(name: str) -> Feed | None:
    root = feeds_root()
    with suppress(FeedInvalid, OSError):
        return load_feed(root / name) if name in feed_names(root) else None
    return None


def channels_of(own: Alerts, env: Mapping[str, str]) -> Iterator[Channel]:
    """The channels of the environment (those for all) and of a feed, each of which takes the place of that for all."""
    mail = own.mail if own.mail is not None else _split(env.get("SLUICE_ALERT_EMAIL", ""))
    wanted: dict[str, tuple[str, Callable[[str], Channel]]] = {
        "slack": (own.slack or env.get("SLUICE_ALERT_SLACK", ""), _slack),
        "sns": (own.sns or env.get("SLUICE_ALERT_SNS", ""), _sns),
        "webhook": (own.webhook or env.get("SLUICE_ALERT_WEBHOOK", ""), _webhook),
    }
    if mail:
        yield _made("mail", lambda: _mail(mail, env))
    for name, (value, make) in wanted.items():
        if value:
            yield _made(name, functools.partial(make, value))


def _made(name: str, make: Callable[[], Channel]) -> Channel:
    try:
        return make()
    except PermanentError as error:
        return Unusable(name, str(error))
    except Exception as error:  # noqa: BLE001 - it costs its channel, and may tell of a secret
        return Unusable(name, f"its settings cannot be read ({type(error).__name__})")


def _mail(to: tuple[str, ...], env: Mapping[str, str]) -> Mail:
    """By the server that the environment names, else by Airflow's connection, else by one on this machine."""
    sender = env.get("SLUICE_ALERT_FROM") or ""
    if not env.get("SLUICE_SMTP_HOST"):
        with suppress(AirflowNotFoundException):
            return _mail_by(Connection.get(SMTP_CONNECTION), to, sender)
    return Mail(
        to,
        sender or Mail.sender,
        env.get("SLUICE_SMTP_HOST") or Mail.host,
        env.get("SLUICE_SMTP_PORT") or Mail.port,
        env.get("SLUICE_SMTP_USER") or None,
        env.get("SLUICE_SMTP_PASSWORD") or None,
        env.get("SLUICE_SMTP_SECURITY") or Mail.security,
    )


def _mail_by(connection: Connection, to: tuple[str, ...], sender: str) -> Mail:
    """As the smtp provider reads a connection: TLS from the start, unless ``disable_ssl`` is set; then STARTTLS, unless
    ``disable_tls`` is, too.
    """
    extra = connection.extra_dejson
    security = "tls"
    if _is_set(extra.get("disable_ssl")):
        security = "none" if _is_set(extra.get("disable_tls")) else "starttls"
    return Mail(
        to,
        sender or extra.get("from_email") or Mail.sender,
        connection.host or Mail.host,
        str(connection.port or (465 if security == "tls" else 25)),
        connection.login or None,
        connection.password or None,
        security,
    )


def _slack(value: str) -> Slack:
    """An address, or a connection as the slack provider reads it: the password is the address, or the token in it."""
    if "://" in value:
        return Slack(value)
    connection = _connection(value)
    token = (connection.password or "").strip()
    if not token:
        raise PermanentError(f"the Airflow connection {value!r} holds no password (the address of the Slack webhook)")
    if "://" in token:
        return Slack(token)
    base = _address(connection) if connection.host else SLACK_ADDRESS
    return Slack(f"{base.rstrip('/')}/{token.lstrip('/')}")


def _webhook(value: str) -> Webhook:
    """An address, or a connection: its password where that is an address, else host, port and schema with login and
    password as basic authentication. ``headers`` among its extras are sent along.
    """
    if "://" in value:
        return Webhook(value)
    connection = _connection(value)
    headers = {str(name): str(text) for name, text in (connection.extra_dejson.get("headers") or {}).items()}
    if "://" in (connection.password or ""):
        return Webhook(str(connection.password), headers)
    if not connection.host:
        raise PermanentError(f"the Airflow connection {value!r} holds no host")
    if connection.login:
        headers |= basic_auth(connection.login, connection.password or "")
    return Webhook(_address(connection), headers)


def _sns(topic: str) -> Sns:
    return Sns(topic, functools.cache(lambda: _sns_client(topic)))


def _sns_client(topic: str) -> Any:
    """A client of the topic's region that waits no longer than an alert may."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
    from botocore.config import Config

    limits = {"connect_timeout": 5, "read_timeout": 5, "retries": {"total_max_attempts": 2}}
    hook = AwsBaseHook(aws_conn_id=AWS_CONNECTION, client_type="sns")
    region = topic.split(":")[3] if topic.count(":") >= 5 else hook.region_name
    return hook.get_session(region_name=region).client(
        "sns",
        endpoint_url=hook.conn_config.get_service_endpoint_url(service_name="sns"),
        config=(hook.config or Config()).merge(Config(**limits)),
        verify=hook.verify,
    )


def _connection(conn_id: str) -> Connection:
    try:
        return Connection.get(conn_id)
    except AirflowNotFoundException:
        raise PermanentError(f"Airflow has no connection {conn_id!r}") from None


def _address(connection: Connection) -> str:
    host = connection.host or ""
    if "://" in host:
        return host
    port = f":{connection.port}" if connection.port else ""
    return f"{connection.schema or 'https'}://{host}{port}"


def _is_set(value: Any) -> bool:
    return str(value).lower() in ("true", "1", "yes", "on")


def _split(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.split(","))))
