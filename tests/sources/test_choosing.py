"""Which source reads which URI."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.sources import Clients, PatternInvalid, source_for
from sluice.sources.files import FileSource
from sluice.sources.http import HttpSource
from sluice.sources.s3 import S3Source
from sluice.workfiles import WorkFiles


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("in/*.xml", FileSource),
        ("/data/*.xml", FileSource),
        ("file:///data/*.xml", FileSource),
        ("s3://bucket/*.xml", S3Source),
        ("S3://bucket/*.xml", S3Source),
        ("s3://bucket/a key with ${braces}.xml", S3Source),
        ("${LANDING:-s3://bucket}/*.xml", S3Source),
        ("http://host/a.xml", HttpSource),
        ("https://host/a.xml", HttpSource),
    ],
)
def test_the_scheme_decides(uri: str, kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LANDING", raising=False)
    assert isinstance(source_for(uri, Clients(), WorkFiles(str(tmp_path)), "feed"), kind)


def test_an_unknown_scheme_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(PatternInvalid, match="no source reads ftp://; known are"):
        source_for("ftp://host/a.xml", Clients(), WorkFiles(str(tmp_path)), "feed")
