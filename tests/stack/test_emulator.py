"""The landing bucket outlives the emulator, which forgets everything."""

from pathlib import Path

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from sluice.stack.emulator import BUCKET, Emulator, without_aws
from sluice.stack.home import any_free_port


@pytest.fixture
def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    emulator = Emulator(any_free_port(), tmp_path / "landing")
    emulator.landing.mkdir()
    for name, value in emulator.client_env().items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer("127.0.0.1", emulator.port, verbose=False)
    server.start()
    forget(emulator)
    yield emulator
    forget(emulator)  # what moto keeps is there for every other test of this process
    server.stop()


def keys() -> dict[str, str]:
    """Key and ETag of everything in the bucket, by a client that knows only the environment."""
    listing = boto3.client("s3").list_objects_v2(Bucket=BUCKET)
    return {item["Key"]: item["ETag"] for item in listing.get("Contents", ())}


def forget(emulator: Emulator) -> None:
    """What a restart of the emulator does."""
    httpx.post(f"{emulator.url}/moto-api/reset").raise_for_status()


def test_what_was_put_is_there_after_a_restart_with_the_same_version(emulator: Emulator, tmp_path: Path):
    """The version must not change, or every file would be loaded anew."""
    (tmp_path / "a.xml").write_bytes(b"<a/>" * 4_000_000)
    emulator.restore()
    assert emulator.put(tmp_path / "a.xml", "feed/2026-01-01/a.xml")
    before = keys()

    forget(emulator)
    emulator.restore()

    assert keys() == before
    assert set(before) == {"feed/2026-01-01/a.xml"}


def test_the_same_content_is_not_put_twice(emulator: Emulator, tmp_path: Path):
    (tmp_path / "a.xml").write_text("<a/>")
    emulator.restore()

    assert emulator.put(tmp_path / "a.xml", "feed/a.xml")
    assert not emulator.put(tmp_path / "a.xml", "feed/a.xml")
    (tmp_path / "a.xml").write_text("<b/>")
    assert emulator.put(tmp_path / "a.xml", "feed/a.xml")


def test_what_others_put_and_delete_is_kept_too(emulator: Emulator, tmp_path: Path):
    (tmp_path / "a.xml").write_text("<a/>")
    emulator.restore()
    emulator.put(tmp_path / "a.xml", "feed/a.xml")
    client = boto3.client("s3")
    client.put_object(Bucket=BUCKET, Key="feed/b.xml", Body=b"<b/>")
    client.delete_object(Bucket=BUCKET, Key="feed/a.xml")

    emulator.save()
    forget(emulator)
    emulator.restore()

    assert set(keys()) == {"feed/b.xml"}


@pytest.mark.parametrize("key", ["../outside.xml", "folder/"])
def test_a_key_that_is_no_path_below_the_folder_is_not_kept(emulator: Emulator, tmp_path: Path, key: str):
    emulator.restore()
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"x")

    emulator.save()

    assert not (tmp_path / "outside.xml").exists()
    assert list(emulator.landing.rglob("*.xml")) == []


def test_nothing_of_the_persons_own_account_is_handed_on():
    env = {"AWS_PROFILE": "production", "AWS_ACCESS_KEY_ID": "AKIA", "HOME": "/home/me"}

    assert without_aws(env) == {"HOME": "/home/me"}
