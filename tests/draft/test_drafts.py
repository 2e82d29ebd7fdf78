"""Whole drafts: what a feed drafted from samples loads of them, against counts of ElementTree.

For the feeds of this project, and for what real senders send where it is at hand.
"""

from __future__ import annotations

import gzip
import io
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sluice import gate
from sluice.cli import main
from sluice.draft.trial import Trial, run_trial
from sluice.feed.checking import check_expectations
from sluice.feed.loading import feed_names, feeds_root, load_feed

DATA = Path(__file__).parents[3] / "shared" / "data"
ISO20022 = DATA / "iso20022"
STANDARDS = Path(__file__).parents[1] / "standards"


def documents_in(path: Path) -> Iterator[bytes]:
    data = path.read_bytes()
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    else:
        yield gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def local(name: str) -> str:
    return name.rpartition("}")[2].rpartition(":")[2]


def below(element: ET.Element, steps: list[str], uris: set[str]) -> Iterator[ET.Element]:
    """The elements at a path of local names."""
    if not steps:
        yield element
        return
    for child in element:
        if isinstance(child.tag, str) and local(child.tag) == steps[0]:
            yield from below(child, steps[1:], uris)


def count_by_hand(trial: Trial, paths: list[Path]) -> dict[str, int]:
    """The elements that each table should have a row of."""
    feed = trial.feed
    counts = dict.fromkeys(feed.tables, 0)
    for path in paths:
        for document in documents_in(path):
            with suppress(ET.ParseError):
                count_document(trial, ET.fromstring(document), counts)
    return counts


def count_document(trial: Trial, root: ET.Element, counts: dict[str, int]) -> None:
    feed = trial.feed
    found: dict[str, list[ET.Element]] = {}
    uris = set(feed.names.uris)
    for name, table in feed.tables.items():
        if table.is_root:
            steps = str(table.record).strip("/").split("/")
            is_own = root.tag in feed.names.element_names(next(iter(_steps(table.record))))
            found[name] = [*below(root, [*map(local, steps[1:])], uris)] if is_own else []
        else:
            steps = [*map(local, str(table.rows).split("/"))]
            found[name] = [element for parent in found[table.parent or ""] for element in below(parent, steps, uris)]
        counts[name] += len(found[name])


def _steps(path: str | None) -> Iterator[object]:
    from sluice.feed.paths import parse_path

    yield from (step.name for step in parse_path(path or "").steps)


def drafted(tmp_path: Path, name: str, paths: list[Path], *more: str) -> Path:
    folder = tmp_path / name
    assert main(["draft", name, *map(str, paths), "--out", str(folder), *more]) == 0
    return folder


def columns_of(tmp_path: Path, document: str) -> dict[str, Any]:
    """The columns of the first table that is drafted from one document."""
    sample = tmp_path / "a.xml"
    sample.write_text(document)
    feed = load_feed(drafted(tmp_path, "things", [sample], "--record", "/Things/Thing"))
    return dict(next(iter(feed.tables.values())).columns)


def things(*contents: str, header: str = "") -> str:
    return f"<Things>{header}{''.join(f'<Thing>{content}</Thing>' for content in contents)}</Things>"


def test_what_stands_above_records_is_seen_once_in_a_document(tmp_path: Path) -> None:
    """Forty records say nothing of what the next header will lack."""
    columns = columns_of(tmp_path, things(*["<Name>n</Name>"] * 40, header="<Head><Note>n</Note></Head>"))
    assert (columns["name"].required, columns["note"].required) == (True, False)


def test_that_an_element_is_there_is_kept(tmp_path: Path) -> None:
    """Where neither text nor an attribute of it would show."""
    columns = columns_of(tmp_path, things("<N>1</N>", "<N>2</N><Skipped/>", "<N>3</N><Skipped why='w'/>"))
    assert {"skipped", "skipped_why"} <= columns.keys()


@pytest.mark.parametrize("name", ["ProductFormType", "PriceDateRole", "IDValue", "ProductAvailability"])
def test_codes_of_digits_stay_texts(name: str, tmp_path: Path) -> None:
    columns = columns_of(tmp_path, things(*(f"<{name}>{n % 7 + 10}</{name}><N>{n}</N>" for n in range(30))))
    assert sorted(column.type for column in columns.values()) == ["bigint", "text"]


def assert_loads_everything(folder: Path, paths: list[Path]) -> None:
    """No record is rejected, nothing is unread, each table has its rows; and the feed file has no mistakes."""
    feed = load_feed(folder)
    assert check_expectations(feed) == []
    gate.check_feed(feed)
    with run_trial(folder.name, (folder / "feed.yaml").read_text(), paths) as trial:
        assert trial.rejects == {}
        notes = (folder / "NOTES.md").read_text()
        assert [path for path in trial.unread if f"`{path}`" not in notes] == []
        assert trial.rows == count_by_hand(trial, paths)
        assert trial.found > 0


@pytest.mark.parametrize("name", feed_names(feeds_root()))
def test_the_samples_of_every_feed_load_by_their_draft(name: str, tmp_path: Path) -> None:
    paths = sorted(path for path in (feeds_root() / name / "samples").rglob("*") if path.is_file())
    assert_loads_everything(drafted(tmp_path, name, paths), paths)


@pytest.mark.skipif(not ISO20022.is_dir(), reason=f"{DATA} is not on this machine")
@pytest.mark.parametrize("kind", ["camt.052", "camt.053", "camt.054", "pain.001"])
def test_messages_of_real_banks_load_by_their_draft(kind: str, tmp_path: Path) -> None:
    """Files of all versions that there are of a message."""
    paths = []
    for path in sorted([*(ISO20022 / "genkgo").iterdir(), *(ISO20022 / "moov").iterdir()]):
        with suppress(ET.ParseError):
            root = ET.parse(path).getroot()
            if f":{kind}." in root.tag and "wrong" not in path.name:
                paths.append(path)
    assert_loads_everything(drafted(tmp_path, "messages", paths), paths)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not on this machine")
def test_the_real_register_loads_by_its_draft(tmp_path: Path) -> None:
    paths = sorted((DATA / "gleif").glob("*.xml"))
    folder = drafted(tmp_path, "entities", paths)
    assert_loads_everything(folder, paths)
    table = load_feed(folder).tables["lei_records"]
    assert (table.key, table.version) == (("lei",), ("last_update_date",))


@pytest.mark.skipif(not STANDARDS.is_dir(), reason="the samples of other standards are not there")
@pytest.mark.parametrize("name", sorted(path.name for path in STANDARDS.glob("*") if (path / "samples").is_dir()))
def test_other_standards_load_by_their_draft(name: str, tmp_path: Path) -> None:
    paths = sorted(path for path in (STANDARDS / name / "samples").rglob("*") if path.is_file())
    folder = drafted(tmp_path, name, paths)
    with run_trial(name, (folder / "feed.yaml").read_text(), paths) as trial:
        assert trial.rejects == {}
        notes = (folder / "NOTES.md").read_text()
        assert [path for path in trial.unread if f"`{path}`" not in notes] == []
