"""A bucket that holds one large file which is nowhere: each range is made when it is asked for.

It answers as a boto3 client does, as much as ``sluice.sources.s3`` asks of one.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from typing import Any

from benchmarks.shapes import RecordFile

BUCKET = "bench"
_CHANGED_AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class VirtualBucket:
    """Gives ``file`` under ``s3://bench/<shape>.xml``."""

    def __init__(self, file: RecordFile) -> None:
        self._file = file

    @property
    def uri(self) -> str:
        return f"s3://{BUCKET}/{self._key}"

    @property
    def _key(self) -> str:
        return f"{self._file.shape.name}.xml"

    def get_paginator(self, operation: str) -> VirtualBucket:
        assert operation == "list_objects_v2"
        return self

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        size = self._file.size
        yield {"Contents": [{"Key": self._key, "Size": size, "ETag": f'"{size}"', "LastModified": _CHANGED_AT}]}

    def get_object(self, **request: Any) -> dict[str, Any]:
        first, last = map(int, request["Range"].removeprefix("bytes=").split("-"))
        return {"Body": io.BytesIO(self._file.read(first, last + 1 - first))}
