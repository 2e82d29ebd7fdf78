"""What Airflow knows of the warehouse, in libpq's words, and of S3, in those of s3fs."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import SSLError
from moto.server import DomainDispatcherApplication, ThreadedMotoServer, create_backend_app
from psycopg.conninfo import conninfo_to_dict
from tests.test_tls import make_certificate
from werkzeug.serving import make_server

from sluice.errors import PermanentError, WorkFilesUnavailable


def dsn_of(monkeypatch: pytest.MonkeyPatch, connection: dict) -> dict:
    from sluice.edge.connections import warehouse_dsn

    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_WAREHOUSE", json.dumps({"conn_type": "postgres", **connection}))
    return conninfo_to_dict(warehouse_dsn("sluice_warehouse"))


def test_a_connection_becomes_a_conninfo(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"host": "db", "port": 5433, "login": "sluice", "password": "it's s3cret", "schema": "warehouse"}
    assert dsn_of(monkeypatch, fields) == {
        "host": "db",
        "port": "5433",
        "user": "sluice",
        "password": "it's s3cret",
        "dbname": "warehouse",
        "application_name": "sluice",
    }


def test_extras_that_libpq_knows_are_kept_and_airflows_own_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket folder, TLS and time limits matter; a cursor class is for Airflow's hook."""
    extra = {"host": "/run/postgresql", "sslmode": "require", "cursor": "dictcursor", "application_name": "mine"}
    parsed = dsn_of(monkeypatch, {"schema": "warehouse", "extra": extra})
    assert parsed == {
        "host": "/run/postgresql",
        "dbname": "warehouse",
        "sslmode": "require",
        "application_name": "mine",
    }


def test_a_connection_that_is_not_defined_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from sluice.edge.connections import warehouse_dsn

    monkeypatch.delenv("AIRFLOW_CONN_SLUICE_WAREHOUSE", raising=False)
    with pytest.raises(PermanentError, match="no connection 'no_such_warehouse'"):
        warehouse_dsn("no_such_warehouse")


def test_iam_authentication_signs_in_with_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spelled as Airflow's own hook reads it, and signed for host, port, user and region, without a request."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    aws = {"conn_type": "aws", "login": "AKIDEXAMPLE", "password": "key", "extra": {"region_name": "eu-central-1"}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_WAREHOUSE", json.dumps(aws))
    fields = {"host": "db.example.eu-central-1.rds.amazonaws.com", "login": "sluice_loader", "schema": "warehouse"}
    extra = {"iam": True, "aws_conn_id": "aws_warehouse", "sslmode": "verify-full", "sslrootcert": "/rds.pem"}
    parsed = dsn_of(monkeypatch, {**fields, "password": "unused", "extra": extra})
    token = urlsplit("//" + parsed.pop("password"))
    assert token.netloc == f"{fields['host']}:5432"
    asked = parse_qs(token.query)
    assert (asked["Action"], asked["DBUser"], asked["X-Amz-Expires"]) == (["connect"], ["sluice_loader"], ["900"])
    assert re.fullmatch(r"AKIDEXAMPLE/\d{8}/eu-central-1/rds-db/aws4_request", asked["X-Amz-Credential"][0])
    assert parsed == {
        "host": fields["host"],
        "user": "sluice_loader",
        "dbname": "warehouse",
        "application_name": "sluice",
        "sslmode": "verify-full",
        "sslrootcert": "/rds.pem",
    }


def test_iam_authentication_without_a_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PermanentError, match="needs a host and a user for IAM authentication"):
        dsn_of(monkeypatch, {"host": "db.example", "extra": {"iam": True}})


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 with the bucket ``work``, of which only the connection ``aws_default`` knows."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    known = {"aws_access_key_id": "it", "aws_secret_access_key": "is", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=url, **known).create_bucket(Bucket="work")
    connection = {"conn_type": "aws", "login": "it", "password": "is"}
    extra = {"endpoint_url": url, "region_name": "us-east-1", "aws_session_token": "now"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({**connection, "extra": extra}))
    yield url
    server.stop()


def test_work_files_in_s3_are_opened_with_the_aws_connection(endpoint: str) -> None:
    """No setting of the environment names the endpoint or a key."""
    from sluice.edge.connections import _s3_options, _work_files

    assert _s3_options("aws_default")() == {
        "key": "it",
        "secret": "is",
        "token": "now",
        "endpoint_url": endpoint,
        "client_kwargs": {"region_name": "us-east-1"},
    }
    work = _work_files("s3://work/prefix")
    path = work.batch("orders", 1, 1)
    work.write_json(path, {"parts": 3})
    assert work.read_json(path) == {"parts": 3}
    assert work.list_runs("orders") == [1]


@pytest.fixture
def tls_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """An S3 with the bucket ``work`` behind TLS, and the file of the authority that vouches for it."""
    certificate, key = make_certificate(tmp_path / "tls")
    for name in ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = make_server(
        "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), ssl_context=(certificate, key)
    )
    thread = Thread(target=server.serve_forever)
    thread.start()
    url = f"https://127.0.0.1:{server.server_port}"
    known = {"aws_access_key_id": "it", "aws_secret_access_key": "is", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=url, verify=str(certificate), **known).create_bucket(Bucket="work")
    yield url, certificate
    server.shutdown()
    thread.join()


@pytest.mark.parametrize("is_known", [True, False])
def test_an_s3_with_a_private_authority_needs_its_bundle(
    tls_endpoint: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, is_known: bool
) -> None:
    """For source files (boto3) and work files (s3fs) alike; without it both refuse to speak."""
    from sluice.edge.connections import _s3_client, _work_files

    url, bundle = tls_endpoint
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # s3fs looks here
    extra = {"endpoint_url": url, "region_name": "us-east-1", "config_kwargs": {"retries": {"max_attempts": 0}}}
    extra |= {"verify": str(bundle)} if is_known else {}
    connection = {"conn_type": "aws", "login": "it", "password": "is", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    work = _work_files("s3://work/prefix")
    path = work.batch("orders", 1, 1)
    if is_known:
        assert "work" in {bucket["Name"] for bucket in _s3_client("aws_default")().list_buckets()["Buckets"]}
        work.write_json(path, {"parts": 3})
        assert work.read_json(path) == {"parts": 3}
    else:
        with pytest.raises(SSLError):
            _s3_client("aws_default")().list_buckets()
        with pytest.raises((WorkFilesUnavailable, SSLError)):
            work.write_json(path, {"parts": 3})


def test_nothing_is_asked_of_airflow_before_s3_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from sluice.edge.connections import _work_files

    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "no connection at all")
    assert _work_files("s3://work/prefix").root == "s3://work/prefix"


def web_access(monkeypatch: pytest.MonkeyPatch, connection: dict) -> Any:
    from sluice.edge.connections import _clients

    monkeypatch.setenv("AIRFLOW_CONN_PARTNER", json.dumps({"conn_type": "http", **connection}))
    return _clients("partner").web()


def test_a_connection_of_type_http_opens_web_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extras that Airflow's hook knows are options, all others headers, as it has them."""
    extra = {
        "X-Api-Key": "k3y",
        "verify": "/ca.pem",
        "cert": ["/me.pem", "/me.key"],
        "proxies": {"https": "http://p:1"},
    }
    fields = {"host": "https://partner.example", "login": "me", "password": "s3cret", "extra": extra}
    access = web_access(monkeypatch, fields)
    assert (access.host, access.login, dict(access.headers)) == (
        "partner.example",
        ("me", "s3cret"),
        {"X-Api-Key": "k3y"},
    )
    assert access.is_encrypted
    assert (access.verify, access.certificate, access.proxy) == ("/ca.pem", ("/me.pem", "/me.key"), "http://p:1")


def test_a_connection_may_say_nothing_but_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    access = web_access(monkeypatch, {"extra": {"Authorization": "Bearer t0ken"}})
    assert (access.host, access.login, dict(access.headers)) == ("", None, {"Authorization": "Bearer t0ken"})
    assert (access.verify, access.certificate, access.proxy) == (True, None, None)


def test_web_addresses_need_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    from sluice.edge.connections import _clients
    from sluice.sources.http import WebAccess

    assert _clients(None).web() == WebAccess()
