"""URI patterns: what they match, which date a URI holds, and what is refused."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from sluice.errors import PermanentError
from sluice.sources.pattern import PatternInvalid, UriPattern

MARCH_5 = dt.date(2024, 3, 5)


@pytest.mark.parametrize(
    ("pattern", "uri", "is_match"),
    [
        ("/in/*.xml", "file:///in/a.xml", True),
        ("/in/*.xml", "file:///in/deep/a.xml", False),
        ("/in/?.xml", "file:///in/a.xml", True),
        ("/in/?.xml", "file:///in/ab.xml", False),
        ("/in/**/*.xml", "file:///in/a.xml", True),
        ("/in/**/*.xml", "file:///in/one/two/a.xml", True),
        ("/in/**", "file:///in/one/two/a.xml", True),
        ("/in/a**.xml", "file:///in/ab/c.xml", True),
        ("/in/", "file:///in/a.xml", True),
        ("/in/[a].xml", "file:///in/[a].xml", True),
        ("/in/[a].xml", "file:///in/a.xml", False),
        ("s3://bucket/x/*.xml", "s3://bucket/x/a b%20ü.xml", True),
        ("s3://bucket", "s3://bucket/a.xml", True),
        ("s3://bucket/x/", "s3://bucket/x/a.xml", True),
        ("https://host/file.xml?kind=*", "https://host/file.xml?kind=*", True),
        ("https://host/file.xml?kind=*", "https://host/file.xml?kind=1", False),
    ],
)
def test_wildcards_stay_within_a_segment_unless_doubled(pattern: str, uri: str, is_match: bool) -> None:
    """`*` and `?` match within one segment, `**` across; addresses of the web have none."""
    assert UriPattern(pattern).matches(uri) is is_match


@pytest.mark.parametrize("name", [".hidden.xml", "a.xml.tmp", "a.xml.part", "a.xml.crdownload", ".git/a.xml"])
def test_wildcards_leave_hidden_and_half_uploaded_files_alone(name: str) -> None:
    assert not UriPattern("/in/**").matches(f"file:///in/{name}")
    assert UriPattern(f"/in/{name}").matches(f"file:///in/{name}"), "a name that is spelled out is meant"


@pytest.mark.parametrize(
    ("pattern", "uri", "date"),
    [
        ("/in/{date:%Y/%m/%d}/*.xml", "file:///in/2024/03/05/a.xml", MARCH_5),
        ("/in/{date:%Y}/x-{date:%m%d}.xml", "file:///in/2024/x-0305.xml", MARCH_5),
        ("/in/{date:%Y}/{date:%Y%m%d}.xml", "file:///in/2024/20240305.xml", MARCH_5),
        ("/in/{date:%Y}/{date:%Y%m%d}.xml", "file:///in/2023/20240305.xml", None),
        ("/in/{date:%y%j}.xml", "file:///in/24065.xml", MARCH_5),
        ("/in/{date:%y%j}.xml", "file:///in/23366.xml", None),
        ("/in/{date:%Y-%m-%d}T{date:%H%M}.xml", "file:///in/2024-03-05T2359.xml", MARCH_5),
        ("/in/{date:%Y-%m-%d}T{date:%H%M}.xml", "file:///in/2024-03-05T2460.xml", None),
        ("/in/{date:%Y-%m}/*.xml", "file:///in/2024-03/a.xml", dt.date(2024, 3, 1)),
        ("/in/{date:%Y%m%d}.xml", "file:///in/20240230.xml", None),
        ("/in/{date:%Y%m%d}.xml", "file:///in/other.xml", None),
        ("/in/*.xml", "file:///in/20240305.xml", None),
        ("https://host/{date:%Y-%m-%d}?full=1", "https://host/2024-03-05?full=1", MARCH_5),
    ],
)
def test_the_date_is_read_from_the_uri(pattern: str, uri: str, date: dt.date | None) -> None:
    """All dates of a pattern must agree and exist; a month without a day is its first day."""
    assert UriPattern(pattern).date_of(uri) == date


def test_a_date_makes_a_glob_in_which_the_time_of_day_is_open() -> None:
    pattern = UriPattern("s3://b/{date:%Y/%j}/{date:%y-%m-%d-%H%M}_*.xml")
    assert pattern.for_date(MARCH_5) == "s3://b/2024/065/24-03-05-????_*.xml"
    assert pattern.matches("s3://b/2024/065/24-03-05-2200_a.xml", MARCH_5)
    assert not pattern.matches("s3://b/2024/065/24-03-05-22xx_a.xml", MARCH_5)
    assert not pattern.matches("s3://b/2024/066/24-03-06-2200_a.xml", MARCH_5)


def test_a_pattern_without_a_date_lists_the_same_for_all_dates() -> None:
    days = [MARCH_5, dt.date(2024, 3, 6)]
    assert UriPattern("/in/*").globs(days) == ["file:///in/*"]
    assert UriPattern("/in/{date:%Y%m}/*").globs(days) == ["file:///in/202403/*"], "each glob once"
    assert UriPattern("/in/{date:%Y%m%d}").globs([]) == []


def test_local_patterns_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ("in/*.xml", "./in/../in/*.xml", f"{tmp_path}/in/*.xml", f"file://{tmp_path}/in/*.xml"):
        pattern = UriPattern(text)
        assert pattern.globs([]) == [f"file://{tmp_path}/in/*.xml"]
        assert (pattern.text, pattern.scheme, pattern.base) == (text, "file", f"file://{tmp_path}/in")


def test_environment_variables_and_their_defaults() -> None:
    env = {"LANDING": "s3://bucket", "EMPTY": ""}
    assert UriPattern("${LANDING}/x/*", env).globs([]) == ["s3://bucket/x/*"]
    assert UriPattern("${LANDING:-/data}/x/*", env).scheme == "s3"
    assert UriPattern("${NOWHERE:-/data}/x/*", env).globs([]) == ["file:///data/x/*"]
    assert UriPattern("${EMPTY:-/data}/x/*", env).globs([]) == ["file:///data/x/*"], "empty counts as unset"
    with pytest.raises(PatternInvalid, match="NOWHERE is not set"):
        UriPattern("${NOWHERE}/x", env)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("/in/{date:%Y-%b-%d}", "may hold"),
        ("/in/{date:%Y-*}", "may hold"),
        ("/in/{date:}", "may hold"),
        ("/in/{date}", "not known"),
        ("/in/{dat:%Y}", "not known"),
        ("/in/{date:%m-%d}", "no year"),
        ("/in/{date:%Y-%d}", "no month"),
        ("s3:///key", "bucket"),
        ("s3://buck*/key", "bucket"),
        ("file://in/*.xml", "file:///"),
        ("", "plain path"),
    ],
)
def test_mistakes_are_refused_with_a_reason(pattern: str, message: str) -> None:
    """They are ValueErrors, and permanent: trying again does not help."""
    with pytest.raises(PatternInvalid, match=message) as caught:
        UriPattern(pattern, {})
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, PermanentError)
