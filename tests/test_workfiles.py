"""Work files: their paths, that they appear whole or not at all, and how trouble is told."""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from sluice.errors import WorkFilesGone, WorkFilesUnavailable
from sluice.workfiles import WorkFiles, open_scratch

MIB = 1 << 20


@pytest.fixture
def local(tmp_path: Path) -> WorkFiles:
    return WorkFiles(str(tmp_path / "work"))


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An S3 bucket that s3fs can talk to."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        boto3.client("s3").create_bucket(Bucket="work")
        yield "s3://work/some/prefix"
    server.stop()


@pytest.fixture(params=["local", "s3"])
def work(request: pytest.FixtureRequest, tmp_path: Path) -> WorkFiles:
    return WorkFiles(str(tmp_path / "work") if request.param == "local" else request.getfixturevalue("bucket"))


def files_below(root: str) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in Path(root).rglob("*") if path.is_file())


def test_every_path_has_its_place(tmp_path: Path) -> None:
    """What belongs to a run lies in the run's folder; Data Docs and the archive lie outside of it."""
    for root in (str(tmp_path), "s3://bucket/prefix"):
        work = WorkFiles(root + "/")
        assert work.batch("rates", 7, 3) == f"{root}/runs/rates/7/00003/batch.json"
        assert work.table("rates", 7, 3, "rate") == f"{root}/runs/rates/7/00003/rate.arrow"
        assert work.spool("rates", 7, "12.xml") == f"{root}/runs/rates/7/spool/12.xml"
        assert work.data_docs("rates", 7, "static/style.css") == f"{root}/data_docs/rates/7/static/style.css"
        assert work.archive("rates", "a.xml") == f"{root}/archive/rates/a.xml"
        of_batch = [work.rejects, work.outcomes, work.verdict, work.gate_rejects, work.batch]
        paths = [make("rates", 7, 3) for make in of_batch]
        assert all(path.startswith(f"{root}/runs/rates/7/00003/") for path in paths)
        assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "", ".", "a//b", "a\0b"])
def test_names_that_lead_elsewhere_are_refused(local: WorkFiles, name: str) -> None:
    for make in (local.spool, local.data_docs):
        with pytest.raises(ValueError, match="does not name a work file"):
            make("rates", 1, name)
    with pytest.raises(ValueError, match="does not name a work file"):
        local.archive("rates", name)


def test_a_relative_root_means_the_same_in_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert WorkFiles(".sluice/work").root == f"{tmp_path}/.sluice/work"
    assert WorkFiles(f"file://{tmp_path}/x").root == f"{tmp_path}/x"


def test_what_is_written_is_read_again(work: WorkFiles) -> None:
    path = work.table("rates", 1, 1, "rate")
    assert not work.exists(path)
    content = os.urandom(MIB + 5)
    with work.open_write(path) as file:
        for start in range(0, len(content), 100_000):
            file.write(content[start : start + 100_000])
    assert work.exists(path)
    with work.open_read(path) as file:
        assert file.read(10) == content[:10]
        assert file.seek(-10, os.SEEK_END) == len(content) - 10
        assert file.read() == content[-10:]
        assert file.seek(0) == 0
        assert file.read() == content


def test_empty_files_and_json(work: WorkFiles) -> None:
    with work.open_write(work.rejects("rates", 1, 1)):
        pass
    with work.open_read(work.rejects("rates", 1, 1)) as file:
        assert file.read() == b""
    value = {"text": 'Ü"\n', "list": [1, None, 0.5]}
    work.write_json(work.outcomes("rates", 1, 1), value)
    work.write_json(work.outcomes("rates", 1, 1), value)
    assert work.read_json(work.outcomes("rates", 1, 1)) == value


def test_nothing_shows_before_the_end_nor_after_an_error(work: WorkFiles) -> None:
    path = work.table("rates", 2, 1, "rate")

    def write_half() -> None:
        with work.open_write(path) as file:
            file.write(b"x" * MIB)
            file.flush()
            assert not work.exists(path)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert not work.exists(path)
    if not work.is_remote:
        assert files_below(work.root) == []


def test_a_failed_rewrite_leaves_the_old_content(work: WorkFiles) -> None:
    path = work.verdict("rates", 3, 1)
    work.write_json(path, "old")
    with pytest.raises(TypeError):
        work.write_json(path, {"new": object()})
    with pytest.raises(ZeroDivisionError), work.open_write(path) as file:
        file.write(b"%d" % (1 // 0))
    assert work.read_json(path) == "old"


def test_two_writers_of_one_file_do_not_mix(local: WorkFiles) -> None:
    """A task that was taken for dead may still be writing when its successor does: the last to finish wins, whole."""
    path = local.table("rates", 1, 1, "rate")
    with local.open_write(path) as slow:
        slow.write(b"slow")
        with local.open_write(path) as fast:
            fast.write(b"fast")
        with local.open_read(path) as file:
            assert file.read() == b"fast"
    with local.open_read(path) as file:
        assert file.read() == b"slow"
    assert len(files_below(local.root)) == 1


def test_a_run_is_removed_but_for_its_data_docs(work: WorkFiles) -> None:
    kept = [work.data_docs("rates", 4, "index.html"), work.archive("rates", "a.xml"), work.verdict("rates", 44, 1)]
    gone = [work.table("rates", 4, 1, "rate"), work.spool("rates", 4, "x"), work.verdict("rates", 4, 2)]
    for path in kept + gone:
        work.write_json(path, 1)
    work.remove_run("rates", 4)
    assert all(map(work.exists, kept))
    assert not any(map(work.exists, gone))
    work.remove_run("rates", 4)
    work.remove_run("never_ran", 1)


def test_a_missing_file_is_named(work: WorkFiles) -> None:
    path = work.verdict("rates", 5, 1)
    with pytest.raises(WorkFilesGone, match=r"runs/rates/5/00001/verdict\.json is gone; clear ") as caught:
        work.read_json(path)
    assert "\n" not in str(caught.value)


@pytest.fixture
def full_disk() -> Iterator[None]:
    """From 1 MiB on, this process can write nothing more to a file; the kernel says so, as it does for a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("chunk", [1000, 3 * MIB])
def test_a_full_disk_is_told_and_leaves_nothing(local: WorkFiles, chunk: int) -> None:
    path = local.table("rates", 1, 1, "rate")
    lines = [b"x" * chunk] * (3 * MIB // chunk)
    message = r"rate\.arrow cannot be written: File too large"
    with pytest.raises(WorkFilesUnavailable, match=message), local.open_write(path) as file:
        file.writelines(lines)
    assert files_below(local.root) == []


@pytest.mark.usefixtures("full_disk")
def test_a_disk_that_is_full_at_the_last_moment(local: WorkFiles) -> None:
    """The last bytes are still in a buffer when the block ends."""
    with pytest.raises(WorkFilesUnavailable), local.open_write(local.verdict("rates", 1, 1)) as file:
        file.writelines([b"x" * MIB, b"x" * 100])
    assert files_below(local.root) == []


def test_no_space_left_is_said_as_the_system_says_it(local: WorkFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with the device that is always full."""
    real_open = Path.open

    def open_full(self: Path, mode: str = "r", buffering: int = -1) -> object:
        return real_open(Path("/dev/full"), "wb", buffering=0) if mode == "xb" else real_open(self, mode, buffering)

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(WorkFilesUnavailable, match="cannot be written: No space left on device"):
        local.write_json(local.verdict("rates", 1, 1), 1)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_under_scratch_files_is_told_too() -> None:
    with pytest.raises(WorkFilesUnavailable), open_scratch() as file:
        file.write(b"x" * 3 * MIB)


def test_scratch_files_are_read_after_they_were_written() -> None:
    with open_scratch() as file:
        file.write(b"0123456789")
        file.seek(2)
        assert file.read(3) == b"234"


def test_an_error_of_the_block_is_not_mistaken_for_one_of_the_disk(local: WorkFiles) -> None:
    with pytest.raises(ConnectionResetError), local.open_write(local.verdict("rates", 1, 1)):
        raise ConnectionResetError("the source's fault")


def test_a_root_that_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "work").write_bytes(b"")
    work = WorkFiles(str(tmp_path / "work"))
    with pytest.raises(WorkFilesUnavailable, match="cannot be written: Not a directory"):
        work.write_json(work.verdict("rates", 1, 1), 1)
    assert not work.exists(work.verdict("rates", 1, 1))


def test_an_object_store_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    work = WorkFiles("s3://unreachable/prefix")
    with pytest.raises(WorkFilesUnavailable, match="cannot be"):
        work.write_json(work.verdict("rates", 1, 1), 1)


def test_many_threads_make_one_folder(local: WorkFiles) -> None:
    paths = [local.spool("rates", 1, f"{number}.xml") for number in range(20)]
    threads = [threading.Thread(target=local.write_json, args=(path, 1)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(map(local.exists, paths))
