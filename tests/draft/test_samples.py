"""Reading samples: what is counted, in which files, and what of faulty ones."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
import zipfile
from itertools import permutations
from pathlib import Path

import pytest
from tests.draft.documents import sampled, shape_at

from sluice.draft.samples import local_samples, read_samples
from sluice.errors import PermanentError

ORDERS = """<Orders by="x"><Order id="1"><Line>a</Line><Line>b</Line></Order><Order id="2"><Line/></Order></Orders>"""


def test_every_element_and_attribute_is_counted(tmp_path: Path) -> None:
    samples = sampled(tmp_path, ORDERS, ORDERS)
    order, line = shape_at(samples, "Orders/Order"), shape_at(samples, "Orders/Order/Line")
    assert (order.count, order.holders, order.most) == (4, 2, 2)
    assert (line.count, line.holders, line.most, line.with_text) == (6, 4, 2, 4)
    assert (order.attributes["id"].count, order.attributes["id"].values.distinct) == (4, 2)
    assert (line.values.count, line.values.empty) == (6, 2)
    assert line.place.endswith("000.xml:1")


def test_text_beside_elements_is_told_from_text_alone(tmp_path: Path) -> None:
    samples = sampled(tmp_path, "<A><B>one</B><B><C/></B><B>two <C/> three</B><B>  <C/>\n</B></A>")
    b = shape_at(samples, "A/B")
    assert (b.with_text, b.with_children, b.with_both) == (2, 3, 1)


def test_concatenated_documents_are_one_after_another(tmp_path: Path) -> None:
    """However reads cut the stream, and with or without a declaration before each."""
    one = f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- x -->{ORDERS}\n'
    padding = f"<Orders>{' ' * 262_100}</Orders>"
    samples = sampled(tmp_path, one * 3 + ORDERS + padding + one)
    assert shape_at(samples, "Orders").count == samples.documents == 6
    assert shape_at(samples, "Orders/Order").count == 10
    assert not samples.faults


@pytest.mark.parametrize("cut", range(262_080, 262_150, 3))
def test_a_document_may_begin_anywhere_in_a_read(tmp_path: Path, cut: int) -> None:
    first = f"<A>{' ' * (cut - 7)}</A>"
    samples = sampled(tmp_path, first + "<?xml version='1.0'?><A><B/></A>")
    assert (samples.documents, shape_at(samples, "A/B").count, samples.faults) == (2, 1, [])


def test_archives_and_compressed_files_are_opened(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.xml.gz").write_bytes(gzip.compress(ORDERS.encode()))
    with zipfile.ZipFile(folder / "b.zip", "w") as archive:
        archive.writestr("x/1.xml", ORDERS)
        archive.writestr("x/2.xml", gzip.compress(ORDERS.encode("utf-16")))
    with tarfile.open(folder / "c.tar", "w") as tar:
        info = tarfile.TarInfo("1.xml")
        info.size = len(ORDERS)
        tar.addfile(info, io.BytesIO(ORDERS.encode()))
    samples = read_samples(local_samples([str(folder)]))
    assert (samples.files, samples.documents, samples.faults) == (3, 4, [])


def test_a_faulty_sample_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    told: list[str] = []
    for name, text in {
        "a.xml": "<A><B/>",
        "b.xml": "no XML",
        "c.xml": "<A/>",
        "d.xml": "",
        "e.xml": "<A>&x;</A>",
    }.items():
        (tmp_path / name).write_text(text)
    samples = read_samples(local_samples([str(tmp_path)]), told.append)
    assert [Path(fault.name).name for fault in samples.faults] == ["a.xml", "b.xml", "d.xml", "e.xml"]
    assert len(told) == 4
    assert shape_at(samples, "A").count == 3


def test_hostile_samples_open_nothing_and_end(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SECRET")
    external = f'<!DOCTYPE A [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]><A><B>&x;</B></A>'
    bomb = "<!DOCTYPE A [<!ENTITY a0 'xxxxxxxxxx'>"
    bomb += "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12)) + "]><A><B>&a11;</B></A>"
    deep = "<A>" * 100_000 + "</A>" * 100_000
    folder = tmp_path / "in"
    folder.mkdir()
    samples = sampled(folder, external, bomb, deep, f"<A>{'<B>' + 'x' * 3_000_000 + '</B>'}</A>")
    values = shape_at(samples, "A/B").values
    assert "SECRET" not in str(values)
    assert [Path(fault.name).name for fault in samples.faults] == ["001.xml"]


def test_invented_names_end_in_an_error_and_not_in_memory(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="names seem to be data"):
        sampled(tmp_path, f"<A>{''.join(f'<n{n}/>' for n in range(60_000))}</A>")


def test_memory_does_not_depend_on_size(tmp_path: Path) -> None:
    """Four times as many records take no more memory, though all their values differ."""

    def peak(records: int) -> int:
        path = tmp_path / f"{records}.xml"
        with path.open("w") as file:
            file.write("<A>")
            for number in range(records):
                file.write(f"<B id='{number}'><C>value {number}</C><D>{number}.5</D></B>")
            file.write("</A>")
        tracemalloc.start()
        read_samples([path])
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(80_000) < 1.3 * peak(20_000)


def test_long_texts_are_not_held(tmp_path: Path) -> None:
    """Attachments, say: a thousand of a megabyte each would be a gigabyte."""
    path = tmp_path / "long.xml"
    rows = (f"<P n='{n}{'x' * 200_000}'>{n}{'x' * 200_000}</P>" for n in range(100))
    path.write_text(f"<D>{''.join(rows)}</D>")
    tracemalloc.start()
    samples = read_samples([path])
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used < 8 << 20
    found = shape_at(samples, "D/P")
    assert (found.values.count, found.attributes["n"].values.count, found.values.longest) == (100, 100, 200_002)


def test_a_pattern_that_is_none_is_told() -> None:
    with pytest.raises(PermanentError):
        local_samples(["none/**.xml"])


def test_versions_of_a_namespace_are_one_shape(tmp_path: Path) -> None:
    uri = "urn:iso:std:iso:20022:tech:xsd:camt.053.001."
    samples = sampled(
        tmp_path, f'<D xmlns="{uri}02"><S/></D>', f'<D xmlns="{uri}08"><S/></D>', f'<D xmlns="{uri[:-8]}2.001.02"/>'
    )
    assert [root.count for root in samples.roots] == [2, 1]
    assert sorted(map(len, samples.namespaces.uris.values())) == [1, 2]


def test_two_uris_of_a_family_in_one_document_are_two_namespaces(tmp_path: Path) -> None:
    samples = sampled(tmp_path, '<a:A xmlns:a="http://x.example/v1" xmlns:b="http://x.example/v2"><b:A/></a:A>')
    assert len(samples.namespaces.uris) == 2


def test_recursion_folds_and_nesting_of_another_kind_does_not(tmp_path: Path) -> None:
    rates = '<E><Cube><Cube time="1"><Cube currency="USD" rate="1"/></Cube></Cube></E>'
    parts = '<P><Part no="1"><Name>a</Name><Part no="2"><Name>b</Name><Part no="3"/></Part></Part></P>'
    samples = sampled(tmp_path, rates, parts)
    assert shape_at(samples, "E/Cube/Cube/Cube").folds_into is None
    assert shape_at(samples, "P/Part/Part").folds_into is shape_at(samples, "P/Part")
    assert not shape_at(samples, "P/Part/Part").children


def test_xsi_says_no_data(tmp_path: Path) -> None:
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    samples = sampled(
        tmp_path, f'<A {xsi} xsi:schemaLocation="x y"><B xsi:nil="true"/><B xsi:type="x:T" xmlns:x="urn:x"/></A>'
    )
    b = shape_at(samples, "A/B")
    assert (b.nils, dict(b.xsi_types), b.attributes) == (1, {"{urn:x}T": 1}, {})
    assert not shape_at(samples, "A").attributes


def test_samples_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="there is no such file"):
        local_samples([str(tmp_path / "*.xml")])


STANDARD = "urn:std:camt.053.001."


@pytest.mark.parametrize(
    "documents",
    [
        [f"<D xmlns='{STANDARD}0{n}' x='{n}'><S a='1'><T>1</T></S></D>" for n in (2, 8, 4)],
        [
            f"<D xmlns='{STANDARD}02'><S/></D>",
            f"<D xmlns='{STANDARD}08'><S/></D>",
            f"<D xmlns='{STANDARD}02' xmlns:n='{STANDARD}08'><n:S/></D>",
        ],
    ],
    ids=["versions", "both in one document"],
)
def test_the_order_of_documents_does_not_tell_versions(tmp_path: Path, documents: list[str]) -> None:
    """Two URIs are versions of one standard if no document has both, and the least of them stands for all."""
    found = []
    for number, order in enumerate(permutations(documents)):
        folder = tmp_path / str(number)
        folder.mkdir()
        samples = sampled(folder, *order)
        shapes = [shape for root in samples.roots for shape in root.walk()]
        names = sorted((shape.path, shape.count, *sorted(shape.attributes)) for shape in shapes)
        uris = {uri: sorted(family) for uri, family in samples.namespaces.uris.items()}
        found.append((names, uris, samples.largest, samples.documents, dict(samples.namespaces.prefixes)))
    assert all(one == found[0] for one in found)
    is_version = len(found[0][1]) == 1
    assert is_version == ("x='2'" in documents[0])
    assert f"{STANDARD}02" in found[0][1]
