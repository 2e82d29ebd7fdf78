"""Folders as a source: what is listed, and that what is read is what was listed."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from sluice.errors import SourceChanged, SourceMissing, SourceUnavailable
from sluice.records import SourceFile
from sluice.sources.files import FileSource
from sluice.sources.pattern import UriPattern

MARCH_5 = dt.date(2024, 3, 5)
MARCH_6 = dt.date(2024, 3, 6)


def write(path: Path, content: bytes = b"<a/>") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def listing(pattern: str, *dates: dt.date) -> list[SourceFile]:
    return list(FileSource().list_files(UriPattern(pattern), dates))


def names(pattern: str, root: Path, *dates: dt.date) -> list[str]:
    return [file.uri.removeprefix(f"file://{root}/") for file in listing(pattern, *dates)]


def only(pattern: str) -> SourceFile:
    (file,) = listing(pattern)
    return file


def test_a_listed_file_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its absolute URI, and size and mtime as version."""
    path = write(tmp_path / "in" / "a.xml", b"12345")
    os.utime(path, ns=(0, 1_709_596_800_123_456_789))
    monkeypatch.chdir(tmp_path)
    assert only("in/*.xml") == SourceFile(
        uri=f"file://{path}",
        version="5-1709596800123456789",
        size_bytes=5,
        modified_at=dt.datetime(2024, 3, 5, 0, 0, 0, 123456, dt.UTC),
        file_date=None,
    )


def test_files_come_sorted_and_once(tmp_path: Path) -> None:
    for name in ("b.xml", "a.xml", "sub/c.xml", "a/z.xml"):
        write(tmp_path / name)
    assert names(f"{tmp_path}/**/*.xml", tmp_path) == ["a.xml", "a/z.xml", "b.xml", "sub/c.xml"]
    assert names(f"{tmp_path}/*.xml", tmp_path) == ["a.xml", "b.xml"]
    assert names(f"{tmp_path}/*/*.xml", tmp_path) == ["a/z.xml", "sub/c.xml"]
    assert names(f"{tmp_path}/", tmp_path) == ["a.xml", "b.xml"]
    assert names(f"{tmp_path}/b.xml", tmp_path) == ["b.xml"]


def test_dates_choose_folders_and_files_carry_them(tmp_path: Path) -> None:
    """A dated folder may be missing; dates with the same glob list a file once."""
    write(tmp_path / "2024/03/05/a.xml")
    write(tmp_path / "2024/03/06/b.xml")
    pattern = f"{tmp_path}/{{date:%Y/%m/%d}}/*.xml"
    assert names(pattern, tmp_path, MARCH_5) == ["2024/03/05/a.xml"]
    assert [file.file_date for file in listing(pattern, MARCH_6, MARCH_5, MARCH_5)] == [MARCH_5, MARCH_6]
    assert listing(pattern, dt.date(2031, 1, 1)) == []
    assert listing(pattern) == []
    assert names(f"{tmp_path}/{{date:%Y/%m}}/*/*.xml", tmp_path, MARCH_5, MARCH_6) == [
        "2024/03/05/a.xml",
        "2024/03/06/b.xml",
    ]


def test_what_is_no_finished_file_is_left_out(tmp_path: Path) -> None:
    """Hidden and half-uploaded files, folders, pipes, dangling links; a folder may be called like half an upload."""
    for name in ("a.xml", ".b.xml", "c.xml.tmp", "d.xml.part", "e.xml.crdownload", ".hidden/f.xml", "g.tmp/h.xml"):
        write(tmp_path / name)
    (tmp_path / "folder.xml").mkdir()
    os.mkfifo(tmp_path / "pipe.xml")
    (tmp_path / "dangling.xml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "circle.xml").symlink_to(tmp_path / "circle.xml")
    assert names(f"{tmp_path}/**", tmp_path) == ["a.xml", "g.tmp/h.xml"]
    assert names(f"{tmp_path}/*", tmp_path) == ["a.xml"]
    assert names(f"{tmp_path}/*/*", tmp_path) == ["g.tmp/h.xml"]


def test_links_to_files_are_followed_and_circles_of_folders_end(tmp_path: Path) -> None:
    target = write(tmp_path / "outside" / "a.xml")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.xml").symlink_to(target)
    (tmp_path / "in" / "circle").symlink_to(tmp_path / "in")
    assert names(f"{tmp_path}/in/**", tmp_path) == ["in/link.xml"]
    assert names(f"{tmp_path}/in/*/*.xml", tmp_path) == ["in/circle/link.xml"], "a named level follows links"


def test_a_missing_base_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match=f"{tmp_path}/nowhere does not exist"):
        listing(f"{tmp_path}/nowhere/{{date:%Y}}/*.xml", MARCH_5)
    write(tmp_path / "file")
    with pytest.raises(SourceMissing):
        listing(f"{tmp_path}/file/*.xml")
    (tmp_path / "empty").mkdir()
    assert listing(f"{tmp_path}/empty/*.xml") == []
    assert listing(f"{tmp_path}/empty/not-yet-there.xml") == []


def test_a_folder_instead_of_files_says_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(SourceMissing, match=r"in is a folder: write .*in/\*"):
        listing(f"{tmp_path}/in")


@pytest.mark.parametrize(
    "name", ["with space.xml", "per%20cent.xml", "Überweisung-日本.xml", "a#b?.xml", "{brace}.xml"]
)
def test_names_are_kept_as_they_are(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, b"content")
    file = only(f"{tmp_path}/*")
    assert file.uri == f"file://{tmp_path}/{name}"
    assert FileSource().open(file).read() == b"content"


def test_a_name_that_is_no_utf8_is_spelled_out_and_still_opens(tmp_path: Path) -> None:
    """A database cannot store such a name, and one odd file must not stop the feed."""
    with open(os.fsencode(tmp_path) + b"/caf\xe9.xml", "wb") as file:  # noqa: PTH123 - the name is bytes
        file.write(b"content")
    listed = only(f"{tmp_path}/*.xml")
    assert listed.uri == f"file://{tmp_path}/caf%E9.xml"
    assert FileSource().open(listed).read() == b"content"


def test_ranges_are_files_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "a.xml", b"0123456789")
    file = only(f"{tmp_path}/a.xml")
    with FileSource().open(file, 2, 7) as stretch:
        assert stretch.read(3) == b"234"
        assert stretch.tell() == 3
        assert stretch.read() == b"56"
        assert stretch.read(1) == b""
        assert stretch.seek(-2, os.SEEK_END) == 3
        assert stretch.seek(1) == 1
        buffer = bytearray(2)
        assert stretch.readinto(buffer) == 2  # type: ignore[attr-defined]
        assert buffer == b"34"
        assert stretch.seek(100) == 100
        assert stretch.read(1) == b""
    for start, end, content in ((0, None, b"0123456789"), (8, None, b"89"), (8, 99, b"89"), (5, 5, b""), (7, 5, b"")):
        assert FileSource().open(file, start, end).read() == content


def test_a_file_changed_after_the_listing_is_not_opened(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xml", b"old")
    file = only(f"{tmp_path}/a.xml")
    os.utime(path, ns=(0, 1))
    with pytest.raises(SourceChanged, match="was changed after it was listed"):
        FileSource().open(file)


def test_a_file_removed_after_the_listing_has_changed(tmp_path: Path) -> None:
    """If even its folder is gone, a mount may be lost: that may pass."""
    path = write(tmp_path / "in" / "a.xml")
    file = only(f"{tmp_path}/in/a.xml")
    path.unlink()
    with pytest.raises(SourceChanged, match="gone"):
        FileSource().open(file)
    path.parent.rmdir()
    with pytest.raises(SourceUnavailable):
        FileSource().open(file)


def test_a_change_while_reading_is_noticed_at_the_end_of_the_range_and_at_closing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xml", b"x" * 300_000)
    file = only(f"{tmp_path}/a.xml")
    stretch = FileSource().open(file)
    stretch.read(1)
    path.write_bytes(b"y" * 300_000)
    os.utime(path, ns=(0, 1))
    with pytest.raises(SourceChanged):
        stretch.read()
    path.write_bytes(b"x" * 300_000)
    file = only(f"{tmp_path}/a.xml")
    stretch = FileSource().open(file)
    stretch.read(1)
    os.utime(path, ns=(0, 2))
    with pytest.raises(SourceChanged):
        stretch.close()
    assert stretch.closed


def test_a_file_cut_off_while_reading_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xml", b"x" * 300_000)
    file = only(f"{tmp_path}/a.xml")
    stretch = FileSource().open(file)
    stretch.read(1)
    os.truncate(path, 100_000)
    with pytest.raises(SourceChanged, match="became shorter"):
        stretch.read()


@pytest.mark.parametrize(("left", "modified"), [(3, 0), (3, 1), (10, 1)])
def test_a_small_file_that_has_changed_is_not_read(left: int, modified: int, tmp_path: Path) -> None:
    """It is read when it is opened, so a change is noticed then; one that comes later is none of its."""
    path = write(tmp_path / "a.xml", b"0123456789")
    os.utime(path, ns=(0, 0))
    file = only(f"{tmp_path}/a.xml")
    stretch = FileSource().open(file)
    os.truncate(path, left)
    os.utime(path, ns=(0, modified))
    with pytest.raises(SourceChanged):
        FileSource().open(file)
    assert stretch.read() == b"0123456789"
    stretch.close()


def test_a_small_file_that_became_shorter_while_it_was_read_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.xml", b"0123456789")
    file = only(f"{tmp_path}/a.xml")
    read = os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, size, at: read(descriptor, min(size, 2), at))
    assert FileSource().open(file).read() == b"0123456789", "an answer may be short"
    monkeypatch.setattr(os, "pread", lambda *_: b"")
    with pytest.raises(SourceChanged, match="became shorter"):
        FileSource().open(file)


def test_a_file_replaced_by_renaming_is_still_read_as_listed(tmp_path: Path) -> None:
    """The open file is the listed content, whatever has its name now."""
    write(tmp_path / "a.xml", b"old")
    file = only(f"{tmp_path}/a.xml")
    with FileSource().open(file) as stretch:
        write(tmp_path / "b", b"new").replace(tmp_path / "a.xml")
        assert stretch.read() == b"old"
