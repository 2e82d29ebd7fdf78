"""Where files come from: one module per protocol, one shape for all.

A source lists the files that a pattern means and opens them by byte ranges. It never moves, changes or deletes any.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from sluice.errors import PermanentError
from sluice.records import Refused, SourceFile
from sluice.sources.pattern import PatternInvalid, UriPattern, expand_variables, scheme_of
from sluice.workfiles import WorkFiles

if TYPE_CHECKING:
    from sluice.sources.http import WebAccess

__all__ = ["Clients", "PatternInvalid", "Source", "UriPattern", "default_s3_client", "look_up", "source_for"]


class Source(Protocol):
    """A protocol that files come by."""

    def list_files(self, pattern: UriPattern, dates: Sequence[dt.date]) -> Iterator[SourceFile]:
        """The files that ``pattern`` means on ``dates``, each once, sorted by URI.

        Raises ``SourceMissing`` where the folder, bucket or address does not exist, ``SourceUnavailable`` where it does
        not answer.
        """
        ...

    def open(self, file: SourceFile, start: int = 0, end: int | None = None) -> BinaryIO:
        """The raw bytes ``[start, end)`` of ``file``, seekable, with positions from ``start``.

        Opening, reading and closing may raise ``SourceChanged`` (the content is no longer the listed version) and
        ``SourceUnavailable``.
        """
        ...


def default_s3_client() -> Any:
    """A boto3 client made of the environment (``AWS_ENDPOINT_URL`` and the usual credentials)."""
    import boto3
    from botocore.config import Config

    return boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 5}))


def no_sftp_client() -> Any:
    """Outside Airflow nothing says who logs in."""
    raise PermanentError("files are read by SFTP in Airflow only, where a connection says who logs in")


def no_web_access() -> WebAccess:
    """Outside Airflow a web server learns no more than what stands in the address."""
    from sluice.sources.http import WebAccess

    return WebAccess()


@dataclass(frozen=True)
class Clients:
    """How to get at the services that sources talk to; the edge fills in Airflow's connections."""

    s3: Callable[[], Any] = default_s3_client
    sftp: Callable[[], Any] = no_sftp_client
    web: Callable[[], WebAccess] = no_web_access


def look_up(uris: Sequence[str], pattern: UriPattern, clients: Clients) -> Iterator[SourceFile | Refused]:
    """The files of S3 with these URIs, as a listing by ``pattern`` would have them; those that are gone are left out.

    Raises ``SourceUnavailable`` where S3 does not answer, or refuses all of them.
    """
    from sluice.sources.s3 import S3Source

    return S3Source(clients.s3).look_up(uris, pattern)


def source_for(uri: str, clients: Clients, work: WorkFiles, feed: str) -> Source:
    """The source that reads ``uri``, a pattern or the URI of a listed file.

    ``work`` and ``feed`` say where files are archived that their source overwrites. Raises ``PatternInvalid`` for an
    unknown scheme.
    """
    scheme = scheme_of(expand_variables(uri, os.environ) if uri.startswith("${") else uri)
    if scheme == "file":
        from sluice.sources.files import FileSource

        return FileSource()
    if scheme == "s3":
        from sluice.sources.s3 import S3Source

        return S3Source(clients.s3)
    if scheme == "sftp":
        from sluice.sources.sftp import SftpSource

        return SftpSource(clients.sftp)
    if scheme in ("http", "https"):
        from sluice.sources.http import HttpSource

        return HttpSource(work, feed, clients.web)
    raise PatternInvalid(
        f"{uri!r}: no source reads {scheme}://; known are plain paths, file://, s3://, sftp://, http:// and https://"
    )
