"""Six standards that nobody prepared Sluice for: samples, loaded by feeds written by hand, against scripts that count.

Each folder beside this file is a standard: ``samples/`` and what is wrong on purpose in ``broken/``, written by
``make_samples.py`` after the public specification; ``xsd/`` of our own for the part that the samples use;
``feed.yaml``, written by hand; and ``count.py``, which says what must come of the samples without any part of Sluice.
"""

from __future__ import annotations

import gzip
import zipfile
from contextlib import suppress
from dataclasses import asdict
from io import BytesIO

import psycopg
import pytest
from lxml import etree
from tests.feeds.tables import read_rejects, read_totals
from tests.standards.case import Case, counts_of
from tests.standards.write_samples import HERE, STANDARDS, make

from sluice.errors import RunFailed
from sluice.feed.loading import load_feed
from sluice.feed.model import Feed

WITH_XSD = [name for name in STANDARDS if (HERE / name / "xsd").is_dir()]


@pytest.fixture(scope="module", params=STANDARDS)
def case(request: pytest.FixtureRequest, shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Case:
    name = request.param
    return Case(name, load_feed(HERE / name), shared_database, tmp_path_factory.mktemp(name))


def test_all_that_is_found_is_loaded(case: Case) -> None:
    """Conservation: as many records as an independent script counts, each of them loaded, none quarantined."""
    totals = case.totals
    found = case.counts.expected()["found"]
    assert (totals.found, totals.loaded, totals.quarantined, totals.files_quarantined) == (found, found, 0, 0)
    assert sum(asdict(totals.counts).values()) == found


def test_every_table_has_its_rows(case: Case) -> None:
    """One row for each element of the newest version of each key, and no table that nobody counted."""
    assert case.loaded.count_rows() == case.counts.expected()["tables"]


def test_values_are_exact(case: Case) -> None:
    """Sums, numbers of distinct values, whole columns in order, and a row here and there."""
    assert case.loaded.differences(case.counts.expected()) == []


def test_another_value_is_a_difference(case: Case) -> None:
    """What the comparison is worth: each thing that it looks at is missed, and told by its path."""
    expected = case.counts.expected()
    table, where, wanted = expected["rows"][0]
    expected |= {
        "tables": {path: count + 1 for path, count in expected["tables"].items()},
        "sums": {path: total + 1 for path, total in expected["sums"].items()},
        "distinct": {"/nowhere": 1},
        "sorted": {path: [*items, "one more"] for path, items in expected["sorted"].items()},
        "rows": [(table, where, dict.fromkeys(wanted, "another"))],
    }
    told = [line.split(": ", 1)[0] for line in case.loaded.differences(expected)]
    assert told == [*expected["tables"], *expected["sums"], "/nowhere", *expected["sorted"], table]


def test_nothing_is_left_unread(case: Case) -> None:
    """All elements and attributes of the samples are read by a column, but for those that the feed says it ignores."""
    assert case.loaded.unmapped() == []


def test_what_is_broken_is_quarantined_and_no_more(case: Case) -> None:
    """Where something is planted: it, its place and its reason, while the sound records beside it are loaded."""
    counts = case.counts
    before = case.loaded.count_rows()
    with suppress(RunFailed):  # it fails where a whole file is quarantined
        case.run("broken")
    with psycopg.connect(case.dsn) as connection:
        rejects = read_rejects(connection, case.feed, f"file://{case.folder}/broken/")
        totals = read_totals(connection, case.feed)
    assert rejects == counts.PLANTED
    assert totals.found == totals.loaded + totals.quarantined
    assert totals.loaded - case.totals.loaded == counts.SOUND_BESIDE
    after = case.loaded.count_rows()
    assert sum(after[path] - before[path] for path in case.loaded.root_paths) == counts.SOUND_BESIDE


@pytest.mark.parametrize("name", STANDARDS)
def test_the_samples_are_what_their_script_writes(name: str) -> None:
    """Compared unpacked: two versions of zlib need not compress alike."""
    folder = HERE / name
    files = [
        path
        for path in folder.rglob("*")
        if path.parent != folder and path.parts[len(folder.parts)] in ("samples", "broken")
    ]
    kept = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files if path.is_file()}
    assert {path: unpacked(data) for path, data in kept.items()} == {
        path: unpacked(data) for path, data in make(name).items()
    }


@pytest.mark.parametrize("name", STANDARDS)
def test_the_samples_are_enough_and_not_too_much(name: str) -> None:
    """At least three files and sixty records, in 10 to 300 KB."""
    files = [path for path in (HERE / name / "samples").rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert counts_of(name).expected()["found"] >= 60
    assert 10_000 <= sum(path.stat().st_size for path in files) <= 300_000


@pytest.mark.parametrize("name", WITH_XSD)
def test_the_samples_fit_their_xsd(name: str) -> None:
    """libxml2 finds each document valid against the schema of its root's namespace."""
    feed = load_feed(HERE / name)
    schemas = schemas_of(feed)
    checked = 0
    for path in sorted((HERE / name / "samples").rglob("*")):
        for data in unpacked(path.read_bytes()) if path.is_file() else ():
            root = etree.fromstring(data)
            schemas[etree.QName(root).namespace].assertValid(root)
            checked += 1
    assert checked


def schemas_of(feed: Feed) -> dict[str | None, etree.XMLSchema]:
    parsed = [etree.parse(feed.folder / file) for file in feed.xsd.files] if feed.xsd else []
    return {document.getroot().get("targetNamespace"): etree.XMLSchema(document) for document in parsed}


def unpacked(data: bytes) -> list[bytes]:
    """The file, what it decompresses to, or the members of the archive."""
    if data.startswith(b"PK"):
        with zipfile.ZipFile(BytesIO(data)) as archive:
            return [archive.read(name) for name in archive.namelist()]
    return [gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data]
