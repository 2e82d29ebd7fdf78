"""Work files: what stages hand to each other, and what a run leaves for people to read.

The only place that spells their paths. Everything of a run lies in ``{root}/runs/{feed}/{run_id}/`` (a folder per
batch) and goes when the run has reconciled; Data Docs in ``{root}/data_docs/{feed}/{run_id}/`` and archived files in
``{root}/archive/{feed}/`` stay.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from sluice.errors import WorkFilesGone, WorkFilesUnavailable

_BUFFER_BYTES = 1 << 20
_REMOTE_READ_BYTES = 8 << 20

Answer = TypeVar("Answer")


class WorkFiles:
    """Paths and access below one root: a local folder, or any URL that fsspec knows (``s3://bucket/prefix``).

    A path is a plain text, absolute or a URL, that any process with the same root understands. Whatever the file system
    cannot do (full disk, lost mount, no such file) is raised as ``WorkFilesUnavailable``.

    ``is_remote`` tells that it is no folder of this machine's. ``options`` gives what fsspec is to be told of a URL's
    file system, such as credentials. It is asked at each access, and for URLs only: credentials may be short-lived.
    """

    def __init__(self, root: str, options: Callable[[], Mapping[str, Any]] = dict) -> None:
        is_remote = "://" in root and not root.startswith("file://")
        self.root = root.rstrip("/") if is_remote else str(Path(root.removeprefix("file://")).absolute())
        self.is_remote = is_remote
        self._options = options

    def __repr__(self) -> str:
        return f"WorkFiles({self.root!r})"

    # --- paths -----------------------------------------------------------------------------------------------------

    def batch(self, feed: str, run_id: int, number: int) -> str:
        """What the batch consists of (JSON)."""
        return self._batch_path(feed, run_id, number, "batch.json")

    def table(self, feed: str, run_id: int, number: int, table: str) -> str:
        """The batch's rows of one table (Arrow)."""
        return self._batch_path(feed, run_id, number, f"{table}.arrow")

    def rejects(self, feed: str, run_id: int, number: int) -> str:
        """What parse rejected (JSON lines)."""
        return self._batch_path(feed, run_id, number, "rejects.jsonl")

    def outcomes(self, feed: str, run_id: int, number: int) -> str:
        """What parse counted, per part (JSON)."""
        return self._batch_path(feed, run_id, number, "outcomes.json")

    def attempts(self, feed: str, run_id: int, number: int) -> str:
        """The tries of parse that have not come to an end (JSON)."""
        return self._batch_path(feed, run_id, number, "attempts.json")

    def verdict(self, feed: str, run_id: int, number: int) -> str:
        """What the gate decided (JSON)."""
        return self._batch_path(feed, run_id, number, "verdict.json")

    def gate_rejects(self, feed: str, run_id: int, number: int) -> str:
        """What the gate rejected (JSON lines)."""
        return self._batch_path(feed, run_id, number, "gate_rejects.jsonl")

    def spool(self, feed: str, run_id: int, name: str) -> str:
        """Decoded bytes of a file that cannot be read by ranges."""
        return self._path("runs", feed, str(run_id), "spool", name)

    def data_docs(self, feed: str, run_id: int, name: str) -> str:
        """A page of the run's Data Docs; ``name`` may lie in sub-folders."""
        return self._path("data_docs", feed, str(run_id), name)

    def archive(self, feed: str, name: str) -> str:
        """A copy of a source file whose source overwrites it."""
        return self._path("archive", feed, name)

    def _batch_path(self, feed: str, run_id: int, number: int, name: str) -> str:
        return self._path("runs", feed, str(run_id), f"{number:05d}", name)

    def _path(self, *parts: str) -> str:
        segments = "/".join(parts).split("/")
        if any(segment in ("", ".", "..") or "\0" in segment for segment in segments):
            raise ValueError(f"{'/'.join(parts)!r} does not name a work file")
        return "/".join((self.root.rstrip("/"), *segments))

    # --- access ----------------------------------------------------------------------------------------------------

    @contextmanager
    def open_write(self, path: str) -> Iterator[BinaryIO]:
        """A binary file that appears under ``path`` when the block ends well; on any error nothing is left of it."""
        with self._write_remote(path) if self.is_remote else _write_local(path) as file:
            yield file

    def open_read(self, path: str) -> BinaryIO:
        """The file as a seekable binary file."""
        inner = _attempt(path, "read", lambda: self._open_raw(path))
        return io.BufferedReader(_Reported(inner, path), _BUFFER_BYTES)

    def exists(self, path: str) -> bool:
        return bool(_attempt(path, "read", lambda: self._remote().exists(path) if self.is_remote else _exists(path)))

    def write_json(self, path: str, value: Any) -> None:
        with self.open_write(path) as file:
            file.write(json.dumps(value, separators=(",", ":")).encode())

    def read_json(self, path: str) -> Any:
        with self.open_read(path) as file:
            return json.loads(file.read())

    def list_runs(self, feed: str, *, data_docs: bool = False) -> list[int]:
        """The ids of the runs of ``feed`` that have work files, or Data Docs, ascending."""
        path = self._path("data_docs" if data_docs else "runs", feed)
        names: list[str] = []
        with suppress(FileNotFoundError):
            names = _attempt(path, "listed", lambda: self._list_folder(path), passing=FileNotFoundError)
        return sorted(int(name) for name in names if name.isdecimal())

    def _list_folder(self, path: str) -> list[str]:
        if self.is_remote:
            return [name.rstrip("/").rpartition("/")[2] for name in self._remote().ls(path, detail=False)]
        return [entry.name for entry in Path(path).iterdir()]

    def remove_data_docs(self, feed: str, run_id: int) -> None:
        """Remove the Data Docs of a run; they may be gone already."""
        self._remove(self._path("data_docs", feed, str(run_id)))

    def remove_run(self, feed: str, run_id: int) -> None:
        """Remove everything of a run but its Data Docs; it may be gone already."""
        self._remove(self._path("runs", feed, str(run_id)))

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            if self.is_remote:
                _attempt(path, "removed", lambda: self._remote().rm(path, recursive=True), passing=FileNotFoundError)
            else:
                _attempt(path, "removed", lambda: shutil.rmtree(path), passing=FileNotFoundError)

    def _open_raw(self, path: str) -> Any:
        if self.is_remote:
            return self._remote().open(path, "rb", block_size=_REMOTE_READ_BYTES)
        return Path(path).open("rb", buffering=0)

    def _remote(self) -> Any:
        """The root's file system. fsspec keeps it per process, so that a forked task gets its own."""
        from fsspec.core import url_to_fs

        # A listing that is remembered would hide what other tasks write.
        return url_to_fs(self.root, use_listings_cache=False, **self._options())[0]

    @contextmanager
    def _write_remote(self, path: str) -> Iterator[BinaryIO]:
        """Object stores show nothing before the commit, so that no temporary name is needed."""
        inner = _attempt(path, "written", lambda: self._remote().open(path, "wb", autocommit=False))
        with _written(path, inner, inner.commit, inner.discard) as file:
            yield file


@contextmanager
def _write_local(path: str) -> Iterator[BinaryIO]:
    target = Path(path)
    temporary = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex}.tmp")
    _attempt(path, "written", lambda: target.parent.mkdir(parents=True, exist_ok=True))
    inner = _attempt(path, "written", lambda: temporary.open("xb", buffering=0))
    with _written(path, inner, lambda: temporary.replace(target), temporary.unlink) as file:
        yield file


@contextmanager
def _written(path: str, inner: Any, commit: Callable[[], Any], discard: Callable[[], Any]) -> Iterator[BinaryIO]:
    """A buffered file over ``inner``: closed and committed if the block ends well, else closed and discarded."""
    file = io.BufferedWriter(_Reported(inner, path), _BUFFER_BYTES)
    try:
        yield file
        file.close()
        _attempt(path, "written", commit)
    except BaseException:
        with suppress(Exception):
            file.close()
        with suppress(Exception):
            discard()
        raise


@contextmanager
def open_scratch() -> Iterator[BinaryIO]:
    """A binary file to write and read again, on this machine's disk, gone at the end of the block."""
    folder = tempfile.gettempdir()
    inner = _attempt(folder, "written", lambda: tempfile.TemporaryFile(buffering=0))  # noqa: SIM115 - closed with `file`
    with io.BufferedRandom(_Reported(inner, folder), _BUFFER_BYTES) as file:
        yield file


class _Reported(io.RawIOBase):
    """A file whose failures are told as ``WorkFilesUnavailable``; below a buffer, so that small reads are cheap."""

    def __init__(self, inner: Any, path: str) -> None:
        super().__init__()
        self._inner = inner
        self._path = path

    def readable(self) -> bool:
        return bool(self._inner.readable())

    def writable(self) -> bool:
        return bool(self._inner.writable())

    def seekable(self) -> bool:
        return bool(self._inner.seekable())

    def tell(self) -> int:
        return int(self._inner.tell())

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return int(_attempt(self._path, "read", lambda: self._inner.seek(offset, whence)))

    def readinto(self, buffer: Any) -> int:
        return int(_attempt(self._path, "read", lambda: self._inner.readinto(buffer)))

    def write(self, data: Any) -> int:
        return int(_attempt(self._path, "written", lambda: self._inner.write(data)))

    def close(self) -> None:
        if self.closed:
            return
        try:
            _attempt(self._path, "closed", self._inner.close)
        finally:
            super().close()


def _exists(path: str) -> bool:
    """Unlike ``Path.exists``, tells a lost mount from an absent file."""
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _attempt(path: str, done: str, action: Callable[[], Answer], passing: type[Exception] | tuple[()] = ()) -> Answer:
    """``action()``, with its errors (but ``passing``) as ``WorkFilesUnavailable``, or ``WorkFilesGone``.

    Object stores raise errors of many families.
    """
    try:
        return action()
    except passing:
        raise
    except WorkFilesUnavailable:
        raise
    except FileNotFoundError as error:
        if done != "read":
            raise WorkFilesUnavailable(f"{path} cannot be {done}: {error.strerror or error}") from error
        advice = "clear the run's `parse`, or `split`, downstream too"
        raise WorkFilesGone(f"the work file {path} is gone; {advice}") from error
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise WorkFilesUnavailable(f"{path} cannot be {done}: {reason or error or type(error).__name__}") from error
