"""The tools of a stage, made of Airflow's connections and the environment. Imported by running tasks only."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from psycopg import pq
from psycopg.conninfo import make_conninfo

from sluice.errors import PermanentError
from sluice.feed.model import Feed
from sluice.sources import Clients
from sluice.tools import Tools
from sluice.workfiles import WorkFiles

if TYPE_CHECKING:
    from sluice.sources.http import WebAccess

AWS_CONNECTION = "aws_default"


def tools_for(feed: Feed) -> Tools:
    """What a stage needs to do its work for ``feed``; raises ``PermanentError`` where its connection is not defined."""
    return Tools(
        feed=feed,
        dsn=warehouse_dsn(feed.target.connection),
        work=_work_files(os.environ.get("SLUICE_WORK") or ".sluice/work"),
        clients=_clients(feed.source.connection),
        slots=int(os.environ.get("SLUICE_SLOTS", "2")),
    )


def _clients(conn_id: str | None) -> Clients:
    """The clients of a source; which of them its connection is for, the source's URI says."""
    return Clients(
        s3=_s3_client(conn_id or AWS_CONNECTION), sftp=_sftp_client(conn_id or ""), web=_web_access(conn_id or "")
    )


def warehouse_dsn(conn_id: str) -> str:
    """The connection as libpq's text, with the extras that libpq knows (``sslmode``, ``options``, …).

    With the extra ``iam`` the password is a token of RDS, which opens sessions for 15 minutes.
    """
    try:
        connection = Connection.get(conn_id)
    except AirflowNotFoundException as error:
        raise PermanentError(f"Airflow has no connection {conn_id!r} (type: postgres) for the feed's tables") from error
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    named = {
        "host": connection.host,
        "port": connection.port,
        "user": connection.login,
        "password": _rds_token(connection) if connection.extra_dejson.get("iam") else connection.password,
        "dbname": connection.schema,
        "application_name": "sluice",
    }
    extras = {key: value for key, value in connection.extra_dejson.items() if key in known}
    return make_conninfo(**{key: str(value) for key, value in {**named, **extras}.items() if value not in (None, "")})


def _rds_token(connection: Connection) -> str:
    """What RDS takes for a password, as Airflow's own hook gets it: signed with the credentials of the AWS connection
    ``aws_conn_id``, without any request.
    """
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
    from airflow.sdk.log import mask_secret

    if not connection.host or not connection.login:
        raise PermanentError(f"the connection {connection.conn_id!r} needs a host and a user for IAM authentication")
    hook: Any = AwsBaseHook(aws_conn_id=connection.extra_dejson.get("aws_conn_id") or AWS_CONNECTION, client_type="rds")
    client = hook.get_session(region_name=hook.region_name).client("rds")
    token = str(client.generate_db_auth_token(connection.host, connection.port or 5432, connection.login))
    mask_secret(token)
    return token


def _s3_client(conn_id: str) -> Callable[[], Any]:
    """How to get an S3 client of this connection; boto3 looks for credentials where Airflow knows none of that name."""

    @functools.cache
    def client() -> Any:
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        hook = S3Hook(aws_conn_id=conn_id)
        # The hook's own get_conn walks through the call stack, for a user agent that names the operator: 0.4 s of CPU.
        return hook.get_session(region_name=hook.region_name).client(
            "s3",
            endpoint_url=hook.conn_config.get_service_endpoint_url(service_name="s3"),
            config=hook.config,
            verify=hook.verify,
        )

    return client


def _sftp_client(conn_id: str) -> Callable[[], Any]:
    """How to get an SFTP client of this connection (type: sftp)."""

    @functools.cache
    def client() -> Any:
        from airflow.providers.sftp.hooks.sftp import SFTPHook

        return SFTPHook(ssh_conn_id=conn_id, use_managed_conn=False).get_conn()

    return client


def _web_access(conn_id: str) -> Callable[[], WebAccess]:
    """How to get at web addresses with this connection (type: http), as Airflow's own hook reads it: user and password,
    the extras `verify`, `cert` and `proxies`, and all others as headers.
    """

    @functools.cache
    def access() -> WebAccess:
        from airflow.providers.http.hooks.http import HttpHook
        from requests.auth import HTTPBasicAuth
        from requests.utils import default_headers

        from sluice.sources.http import WebAccess

        if not conn_id:
            return WebAccess()
        hook = HttpHook(http_conn_id=conn_id)
        session, usual = hook.get_conn(), default_headers()
        login = session.auth
        return WebAccess(
            host=urlsplit(hook.base_url).hostname or "",
            is_encrypted=urlsplit(hook.base_url).scheme == "https",
            login=(str(login.username), str(login.password or "")) if isinstance(login, HTTPBasicAuth) else None,
            headers={name: str(value) for name, value in session.headers.items() if usual.get(name) != value},
            verify=session.verify if session.verify is not None else True,
            certificate=tuple(cert) if isinstance(cert := session.cert, list) else cert,
            proxy=(session.proxies or {}).get("https") or (session.proxies or {}).get("http"),
        )

    return access


def _work_files(root: str) -> WorkFiles:
    """Work files in S3 are the same for all feeds, so they are opened with the default connection."""
    return WorkFiles(root, _s3_options(AWS_CONNECTION)) if root.startswith("s3://") else WorkFiles(root)


def _s3_options(conn_id: str) -> Callable[[], dict[str, Any]]:
    """What makes s3fs open what a boto3 client of this connection would, with credentials that are valid now."""

    @functools.cache
    def connected() -> tuple[Any, dict[str, Any]]:
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        hook = S3Hook(aws_conn_id=conn_id)
        session = hook.get_session()
        region = hook.region_name or session.region_name
        client = {"region_name": region or None, "verify": hook.verify}
        options = {
            "endpoint_url": hook.conn_config.get_service_endpoint_url(service_name="s3"),
            "client_kwargs": {key: value for key, value in client.items() if value is not None},
        }
        # kept, because they renew themselves
        return session.get_credentials(), {key: value for key, value in options.items() if value}

    def options() -> dict[str, Any]:
        credentials, fixed = connected()
        if credentials is None:
            return fixed
        now = credentials.get_frozen_credentials()
        return {"key": now.access_key, "secret": now.secret_key, "token": now.token, **fixed}

    return options


def brief_client(service: str, conn_id: str) -> Callable[[], Any]:
    """How to make a client that does not try for long. The connection is looked up at once, since nobody but the task
    itself may talk to its supervisor.
    """
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
    from botocore.config import Config

    limits = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1})
    hook: Any = AwsBaseHook(aws_conn_id=conn_id, client_type=service)
    known = {
        "endpoint_url": hook.conn_config.get_service_endpoint_url(service_name=service),
        "config": (hook.config or Config()).merge(limits),
        "verify": hook.verify,
    }
    return lambda: hook.get_session(region_name=hook.region_name).client(service, **known)
