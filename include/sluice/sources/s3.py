"""Amazon S3 and what speaks its protocol.

URIs are ``s3://bucket/key`` with the key as it is. The version is the ETag without its quotes: a version id would cost
a listing of all versions, and the ETag changes with the content. Where an object was replaced after it was listed, a
bucket that keeps versions is asked for the one with that ETag.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from sluice.errors import SluiceError, SourceChanged, SourceMissing, SourceUnavailable
from sluice.records import Refused, SourceFile
from sluice.sources.pattern import UriPattern, glob_regex, literal_prefix
from sluice.sources.stretch import BlockStretch

READ_AHEAD_BYTES = 8 << 20
LOOKERS = 10  # as many connections as a client keeps
LOOKED_UP_AT_ONCE = 1000
_URI_START = "s3://"
_REFUSED_CODES = {"400", "403", "AccessDenied", "Forbidden"}  # its key, its owner: it does not pass by itself
_GONE_CODES = {"NoSuchKey", "404", "PreconditionFailed", "412"}


class S3Source:
    """Reads objects of a bucket. ``make_client`` gives a boto3 S3 client; it is asked once, when first needed."""

    def __init__(self, make_client: Callable[[], Any]) -> None:
        self._make_client = make_client
        self._made: Any = None

    def list_files(self, pattern: UriPattern, dates: Sequence[dt.date]) -> Iterator[SourceFile]:
        """See ``Source.list_files``. Lists by literal prefixes, page by page; "folders" (``key/``) are left out."""
        for listing in _listings(pattern.globs(dates)):
            for uri, item in self._list_objects(listing):
                if listing.means(uri) and pattern.matches(uri):
                    modified_at = item["LastModified"].astimezone(dt.UTC)
                    yield SourceFile(uri, _version_of(item), item["Size"], modified_at, pattern.date_of(uri))

    def look_up(self, uris: Sequence[str], pattern: UriPattern) -> Iterator[SourceFile | Refused]:
        """The objects with these URIs, in their order, as ``list_files`` has them; those that are gone are left out.

        One that nobody is let to read is told as such. Raises ``SourceUnavailable`` where none of them can be read.
        """
        client = self._client() if uris else None
        refused = 0
        with ThreadPoolExecutor(LOOKERS, thread_name_prefix="sluice-s3") as pool:
            for start in range(0, len(uris), LOOKED_UP_AT_ONCE):
                some = uris[start : start + LOOKED_UP_AT_ONCE]
                for uri, head in zip(some, pool.map(lambda uri: _head(client, uri), some), strict=True):
                    if isinstance(head, Refused):
                        refused += 1
                        if refused == len(uris):
                            raise SourceUnavailable(f"{uri} cannot be looked up: {head.reason}")
                        yield head
                    elif head is not None:
                        modified_at = head["LastModified"].astimezone(dt.UTC)
                        size = head["ContentLength"]
                        yield SourceFile(uri, _version_of(head), size, modified_at, pattern.date_of(uri))

    def open(self, file: SourceFile, start: int = 0, end: int | None = None) -> BinaryIO:
        """See ``Source.open``. Requests start with the first read; each insists on the listed version."""
        size = file.size_bytes
        return _ObjectStretch(self._client(), file, start, size if end is None else min(end, size)).buffered()

    def _client(self) -> Any:
        if self._made is None:
            try:
                self._made = self._make_client()
            except (BotoCoreError, ClientError) as error:
                raise SourceUnavailable(f"S3 cannot be used: {error}") from error
        return self._made

    def _list_objects(self, listing: _Listing) -> Iterator[tuple[str, dict[str, Any]]]:
        bucket, prefix = _split(listing.prefix)
        arguments = {"Bucket": bucket, "Prefix": prefix, **({} if listing.is_deep else {"Delimiter": "/"})}
        try:
            for page in self._client().get_paginator("list_objects_v2").paginate(**arguments):
                for item in page.get("Contents", ()):
                    if not item["Key"].endswith("/"):
                        yield f"{_URI_START}{bucket}/{item['Key']}", item
        except (BotoCoreError, ClientError) as error:
            raise _listing_error(bucket, error) from error


@dataclass(frozen=True, slots=True)
class _Listing:
    """All objects whose URI begins with ``prefix``; ``globs`` are those that they may match."""

    prefix: str
    globs: tuple[str, ...]

    @property
    def is_deep(self) -> bool:
        """Whether something below the next slash can match; if not, it need not be listed."""
        return any("/" in glob[len(self.prefix) :] or "**" in glob for glob in self.globs)

    def means(self, uri: str) -> bool:
        return any(glob_regex(glob).fullmatch(uri) for glob in self.globs)


def _listings(globs: Iterable[str]) -> list[_Listing]:
    """So few listings that they find everything, none of it twice, and by URI one after the other: S3 lists by key."""
    found: list[_Listing] = []
    for prefix, glob in sorted((literal_prefix(glob), glob) for glob in globs):
        if found and prefix.startswith(found[-1].prefix):
            found[-1] = _Listing(found[-1].prefix, (*found[-1].globs, glob))
        else:
            found.append(_Listing(prefix, (glob,)))
    return found


class _ObjectStretch(BlockStretch):
    """A range of an object; each request insists on the listed version."""

    def __init__(self, client: Any, file: SourceFile, start: int, end: int) -> None:
        super().__init__(start, end, READ_AHEAD_BYTES)
        self._client = client
        self._file = file
        self._older: dict[str, str] = {}  # the request's own word for the version, once a newer one is there

    def _fetch(self, start: int, end: int) -> bytes:
        try:
            data = self._get(start, end)
        except (BotoCoreError, ClientError) as error:
            if _code_of(error) not in _GONE_CODES or self._older:
                raise _reading_error(self._file.uri, error) from error
            self._older = self._find_older(error)
            return self._fetch(start, end)
        if len(data) != end - start:
            raise SourceUnavailable(f"{self._file.uri}: asked for {end - start} bytes, got {len(data)}")
        return data

    def _get(self, start: int, end: int) -> bytes:
        bucket, key = _split(self._file.uri)
        answer = self._client.get_object(
            Bucket=bucket, Key=key, IfMatch=f'"{self._file.version}"', Range=f"bytes={start}-{end - 1}", **self._older
        )
        with answer["Body"] as body:
            return bytes(body.read())

    def _find_older(self, reason: Exception) -> dict[str, str]:
        """Where the bucket keeps the listed version; raises ``SourceChanged`` where it does not, or tells nobody."""
        bucket, key = _split(self._file.uri)
        try:
            pages = self._client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key)
            versions = (version for page in pages for version in page.get("Versions", ()))
            for version in takewhile(lambda version: version["Key"] == key, versions):
                if _version_of(version) == self._file.version:
                    return {"VersionId": version["VersionId"]}
        except (BotoCoreError, ClientError) as error:
            if _code_of(error) not in _REFUSED_CODES:
                raise SourceUnavailable(f"the versions of {self._file.uri} cannot be listed: {error}") from error
        raise _reading_error(self._file.uri, reason) from reason


def _head(client: Any, uri: str) -> dict[str, Any] | Refused | None:
    """What S3 says of an object; None where there is none, or a "folder"."""
    bucket, key = _split(uri)
    if key.endswith("/"):
        return None
    try:
        return dict(client.head_object(Bucket=bucket, Key=key))
    except (BotoCoreError, ClientError) as error:
        if _code_of(error) in _GONE_CODES:
            return None
        if _code_of(error) in _REFUSED_CODES:
            return Refused(uri, str(error))
        raise SourceUnavailable(f"{uri} cannot be looked up: {error}") from error


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix(_URI_START).partition("/")
    return bucket, key


def _version_of(item: dict[str, Any]) -> str:
    return str(item["ETag"]).strip('"')


def _code_of(error: Exception) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _listing_error(bucket: str, error: Exception) -> SluiceError:
    if _code_of(error) == "NoSuchBucket":
        return SourceMissing(f"bucket {bucket} does not exist")
    return SourceUnavailable(f"bucket {bucket} cannot be listed: {error}")


def _reading_error(uri: str, error: Exception) -> SluiceError:
    if _code_of(error) in _GONE_CODES:
        return SourceChanged(f"{uri} was changed or deleted after it was listed")
    return SourceUnavailable(f"{uri} cannot be read: {error}")
