"""What is met in a record and read by nothing: every such name once, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.parsed import Parsed, parse_data, write_feed

from sluice import sightings, tabulate
from sluice.feed.paths import Namespaces
from sluice.sightings import Known, Sightings

XSI = "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'"


def drift(folder: Path, tables: str, record: str, more: str = "", root: str = "<r>") -> dict[str, int]:
    """What is unknown of one record; its keys are below the record element."""
    feed = write_feed(folder, f"{more}\ntables:\n  {tables}")
    found = parse_data(feed, folder, f"{root}{record}</r>".encode()).drift
    return {path.removeprefix("rec/"): count for path, count in found.items()}


def test_attributes_that_nothing_reads_are_drift(tmp_path: Path) -> None:
    """On the record, on elements that are read, and on those on the way; of an unknown element only the element is."""
    record = "<rec id='1' x='1'><a y='1' k='1'>t</a><a y='2'/><b z='1'><c w='1'>1</c></b><n q='1'><m/></n></rec>"
    tables = "t: {record: /r/rec, columns: {i: '@id', a: {path: a, type: 'text[]'}, k: a/@k, c: b/c}}"
    assert drift(tmp_path, tables, record) == {"@x": 1, "a/@y": 2, "b/@z": 1, "b/c/@w": 1, "n": 1}


def test_what_all_xml_has_is_no_drift(tmp_path: Path) -> None:
    """Declarations of namespaces, and xsi:type, xsi:nil, xsi:schemaLocation."""
    record = f"<rec {XSI} xmlns='' xmlns:p='urn:p' xsi:type='p:t'><a xsi:nil='true'/></rec>"
    assert drift(tmp_path, "t: {record: /r/rec, columns: {a: a}}", record) == {}


def test_what_is_read_as_a_whole_is_known_with_all_below(tmp_path: Path) -> None:
    """The text of mixed content takes what is in it, but not its attributes; a column of type xml takes them too."""
    record = "<rec><a x='1'>t<b y='1'>u</b></a><d x='1'><e z='1'/></d></rec>"
    assert drift(tmp_path, "t: {record: /r/rec, columns: {a: a, d: {path: d, type: xml}}}", record) == {"a/@x": 1}


def test_elements_without_a_text_of_their_own_are_looked_into(tmp_path: Path) -> None:
    """An element of which only an attribute is read may have got children."""
    assert drift(tmp_path, "t: {record: /r/rec, columns: {a: a/@x}}", "<rec><a x='1'><new/></a></rec>") == {"a/new": 1}


def test_what_a_condition_reads_is_known(tmp_path: Path) -> None:
    """Its attributes and elements; beside them, also in elements that no condition lets in, the rest is drift."""
    tables = """t: {record: /r/rec, columns: {o: "b[k/c='O']/v", i: "b[@t='I']/v", p: "b[k/c='O']/w"}}"""
    record = "<rec><b t='I'><k><c>O</c><n/></k><v/><w/><x/></b><b t='?'><k><c>?</c></k><v/><y/></b></rec>"
    assert drift(tmp_path, tables, record) == {"b/k/n": 1, "b/x": 1, "b/y": 1}


def test_what_child_rows_read_above_them_is_known(tmp_path: Path) -> None:
    tables = """t: {record: /r/rec, columns: {i: "@id"}}
  c: {parent: t, rows: l/e, columns: {v: ".", s: "../@s", h: "../../h/g"}}"""
    assert drift(tmp_path, tables, "<rec id='1'><h><g/><f/></h><l s='1' u='1'><e/><e/></l></rec>") == {
        "h/f": 1,
        "l/@u": 1,
    }


def test_an_element_that_gives_two_rows_counts_once(tmp_path: Path) -> None:
    """Whatever reads it, each unknown thing in it is met once."""
    tables = """t: {record: /r/rec, columns: {i: "@id", x: e/x}}
  c: {parent: t, rows: e, columns: {v: v}}
  d: {parent: t, rows: "e[@k='1']", columns: {v: v, w: w}}"""
    found = drift(tmp_path, tables, "<rec id='1'><e k='1' q='1'><v/><w/><x/><n/></e></rec>")
    assert found == {"e/@q": 1, "e/n": 1}


def test_namespaces_are_spelled_as_the_feed_does(tmp_path: Path) -> None:
    """By its prefixes, whatever the file's are; one that it does not list is spelled out, and counted as such."""
    more = "namespaces: {default: urn:d, p: [urn:p1, urn:p2]}"
    root = "<r xmlns='urn:d' xmlns:q='urn:p2' xmlns:n='urn:new'>"
    record = "<rec q:x='1' n:y='1'><a/><q:b/><n:c/><n:d/><e xmlns=''/></rec>"
    found = drift(tmp_path, "t: {record: /r/rec, columns: {a: a}}", record, more, root)
    assert found == {
        "@p:x": 1, "@{urn:new}y": 1, "p:b": 1, "{urn:new}c": 1, "{urn:new}d": 1, "{}e": 1, "urn:new": 2, "(none)": 1,
    }  # fmt: skip


@pytest.mark.parametrize("root", ["<r xmlns='urn:v2'>", "<r xmlns=''>"])
def test_a_root_of_the_right_name_tells_a_new_namespace(tmp_path: Path, root: str) -> None:
    """The file is rejected, and why is said once more as drift. Another kind of document is no drift."""
    feed = write_feed(tmp_path, "namespaces: {default: urn:v1}\ntables: {t: {record: /r/rec, columns: {a: a}}}")
    parsed = parse_data(feed, tmp_path, f"{root}<rec/></r>".encode())
    assert parsed.codes == ["wrong_document"]
    assert parsed.drift == {"urn:v2" if "v2" in root else "(none)": 1}
    assert parse_data(feed, tmp_path, b"<other xmlns='urn:v2'><rec/></other>").drift == {}


def test_records_of_a_new_namespace_are_counted(tmp_path: Path) -> None:
    feed = write_feed(tmp_path, "namespaces: {default: urn:v1}\ntables: {t: {record: /r/g/rec, columns: {a: a}}}")
    data = b"<r xmlns='urn:v1'><g><rec xmlns='urn:v2'/><rec/></g><g xmlns='urn:v3'><rec/><rec/></g></r>"
    parsed = parse_data(feed, tmp_path, data)
    assert parsed.codes == ["wrong_document"] * 3
    assert parsed.drift == {"urn:v2": 1, "urn:v3": 2}


def test_the_first_place_is_kept(tmp_path: Path) -> None:
    """File, record and line of the record; the path stands above records where a document is meant."""
    feed = write_feed(tmp_path, "tables: {t: {record: /r/rec, columns: {a: a}}}")
    parsed = parse_data(feed, tmp_path, b"<r>\n<rec><a/></rec>\n<rec>\n<n/></rec>\n<rec><n/></rec></r>", "f.xml")
    (found,) = parsed.work.read_json(parsed.work.outcomes("things", 1, 0))["drift"]["findings"]
    uri = f"file://{tmp_path}/f.xml"
    assert found == {
        "kind": "element", "path": "rec/n", "count": 2, "uri": uri, "member": "", "record": 2, "line": 3,
    }  # fmt: skip


def test_what_a_feed_ignores_is_not_reported(tmp_path: Path) -> None:
    """`*` within a step, `**` across; from below the record or with it; an attribute with its @."""
    more = "drift: {ignore: [ext/**, '@x', 'rec/a/@*', '**/tmp', 'urn:*']}"
    record = "<rec x='1' xx='1'><ext><q/></ext><a p='1'><tmp/><t/></a><n:b xmlns:n='urn:n'/></rec>"
    found = drift(tmp_path, "t: {record: /r/rec, columns: {a: a/v}}", record, more)
    assert found == {"@xx": 1, "a/t": 1, "{urn:n}b": 1}


def test_hostile_names_take_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many names as are remembered, no longer than is useful, and no more combinations of attributes."""
    monkeypatch.setattr(sightings, "MAX_NAMES", 20)
    monkeypatch.setattr(sightings, "MAX_COMBINATIONS", 5)
    long_name = "n" * 5_000
    records = "".join(f"<rec a{n}='1' b{n}='1'><c{n}/><{long_name}{n}/></rec>" for n in range(50))
    found = drift(tmp_path, "t: {record: /r/rec, columns: {a: a}}", records)
    assert len(found) == 20
    assert max(map(len, found)) <= sightings.MAX_NAME_CHARACTERS
    assert found["n" * sightings.MAX_NAME_CHARACTERS] == 50


def test_empty_values_are_counted_by_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NULL, text of no length, lists of nothing; in rows that were written, over all blocks."""
    monkeypatch.setattr(tabulate, "BLOCK_RECORDS", 2)
    columns = "a: a, i: {path: i, type: integer}, l: {path: l, type: 'text[]'}"
    feed = write_feed(tmp_path, f"tables: {{t: {{record: /r/rec, columns: {{{columns}}}}}}}")
    rows = ["<a>x</a><i>1</i><l>x</l>", "<a/>", "<a> </a><i>2</i>", "<i>bad</i>", ""]
    parsed: Parsed = parse_data(feed, tmp_path, f"<r>{''.join(f'<rec>{row}</rec>' for row in rows)}</r>".encode())
    assert parsed.emptiness() == {"rows": 4, "empty": {"a": 2, "i": 2, "l": 3}}


def test_a_mapping_of_many_namespaces_is_learnt_once(tmp_path: Path) -> None:
    """The time does not grow with the number of versions to the power of the depth."""
    uris = ", ".join(f"urn:v{number}" for number in range(20))
    path = "/".join(f"e{depth}" for depth in range(30))
    data = "<r xmlns='urn:v7'><rec>" + "".join(f"<e{depth}>" for depth in range(30)) + "<n/>"
    data += "".join(f"</e{depth}>" for depth in reversed(range(30))) + "</rec></r>"
    more = f"namespaces: {{default: [{uris}]}}\ntables: {{t: {{record: /r/rec, columns: {{a: {path}/@x}}}}}}"
    assert parse_data(write_feed(tmp_path, more), tmp_path, data.encode()).drift == {f"rec/{path}/n": 1}


def test_only_small_combinations_of_attributes_are_remembered() -> None:
    """Others are counted all the same."""
    seen, known = Sightings(Namespaces({})), Known("rec")
    for count in (sightings.MAX_COMBINED, sightings.MAX_COMBINED + 1):
        seen.note_attributes(known, [f"a{number}" for number in range(count)])
    assert [len(names) for names in known.by_attributes] == [sightings.MAX_COMBINED]
    assert sum(sighting.count for sighting in seen) == 2 * sightings.MAX_COMBINED + 1
