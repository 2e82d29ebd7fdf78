"""Schemas that are large, endless or hostile: read in bounded time and memory, or refused with a clear message.

``benchmarks/schemas.py`` measures the sizes that take longer.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.draft.schemas import group_bomb, occurs, read, tree_bomb, wide_substitution, write, write_crowd, xsd

from sluice.draft.schema import MAX_DEPTH, MAX_SHAPES, grow, read_schema
from sluice.draft.schema_files import list_schemas
from sluice.errors import PermanentError

# Generous: the slowest of these takes two seconds.
MAX_CPU_SECONDS = 60


@pytest.fixture(autouse=True)
def in_bounded_time() -> Iterator[None]:
    """What explodes would take days."""
    begun = time.process_time()
    yield
    assert time.process_time() - begun < MAX_CPU_SECONDS


def test_hundreds_of_files_that_import_each_other(tmp_path: Path) -> None:
    """All are read, whatever the order; the tree ends where a person would stop reading, and says so."""
    schema = read_schema([write_crowd(tmp_path, files=400, types=10)])
    assert len(schema.files.files) == 400
    assert schema.notes == ()
    root = schema.root("{urn:n0}g1")
    notes = grow(schema, root, max_shapes=5000)
    shapes = list(root.walk())
    assert len(shapes) <= 5000
    cut = [shape for shape in shapes if shape.declared is not None and shape.declared.is_cut_off]
    assert cut
    assert f"what lies in {len(cut):,} of them" in notes[0]
    assert all(shape.declared is not None and shape.declared.documentation for shape in shapes if shape.local == "e1")


def test_elements_of_a_tree_without_end_are_made_level_by_level(tmp_path: Path) -> None:
    """Ten elements in each of ten, forty levels deep: the upper levels are whole."""
    schema = read(tmp_path, tree_bomb(40, 10))
    root = schema.root("r")
    notes = grow(schema, root, max_shapes=2000)
    assert "more than 2,000 elements" in notes[0]
    depths = [len(shape.path) for shape in root.walk()]
    assert [depths.count(depth) for depth in (1, 2, 3, 4)] == [1, 10, 100, 1000]


def test_a_tree_that_is_too_deep_ends(tmp_path: Path) -> None:
    schema = read(tmp_path, tree_bomb(400, 1))
    root = schema.root("r")
    assert grow(schema, root)
    assert max(len(shape.path) for shape in root.walk()) == MAX_DEPTH + 1


def test_groups_of_groups_are_counted_not_written_out(tmp_path: Path) -> None:
    schema = read(tmp_path, group_bomb(9, 10))
    root = schema.root("r")
    grow(schema, root)
    assert occurs(root) == {"x": (10**9, 10**9)}


def test_substitution_groups_within_choices(tmp_path: Path) -> None:
    schema = read(tmp_path, wide_substitution(heads=40, members=50))
    root = schema.root("r")
    grow(schema, root)
    assert len(root.children) == 40 * 50
    # each holds what the root holds, by a type of its own: these are told once
    assert sum(1 for _ in root.walk()) <= MAX_SHAPES


DEEP = 5000
NESTED = {
    "groups": "<xs:group name='T{n}'><xs:choice><xs:group ref='T{next}'/></xs:choice></xs:group>",
    "types": "<xs:complexType name='T{n}'><xs:complexContent><xs:extension base='T{next}'/></xs:complexContent>"
    "</xs:complexType>",
    "simple types": "<xs:simpleType name='T{n}'><xs:restriction base='T{next}'/></xs:simpleType>",
}
INNERMOST = {
    "groups": f"<xs:group name='T{DEEP}'><xs:choice/></xs:group>"
    "<xs:complexType name='T0'><xs:group ref='T0'/></xs:complexType>",
    "types": f"<xs:complexType name='T{DEEP}'/>",
    "simple types": f"<xs:simpleType name='T{DEEP}'><xs:restriction base='xs:int'/></xs:simpleType>",
}
SEQUENCES = f"<xs:complexType name='T0'>{'<xs:sequence>' * 120}{'</xs:sequence>' * 120}</xs:complexType>"


def nested(kind: str) -> str:
    return "".join(NESTED[kind].format(n=n, next=n + 1) for n in range(DEEP)) + INNERMOST[kind]


@pytest.mark.parametrize("body", [*map(nested, NESTED), SEQUENCES], ids=[*NESTED, "sequences"])
def test_definitions_that_are_nested_too_deep_are_refused(body: str, tmp_path: Path) -> None:
    with pytest.raises(
        PermanentError, match=r"XSD main\.xsd:\d+: .* more than 100 steps|nested deeper than 100 levels"
    ):
        read(tmp_path, body + '<xs:element name="r" type="T0"/>').root("r")


@pytest.mark.parametrize(
    ("body", "content"),
    [
        ("", '<xs:complexContent><xs:extension base="T"/></xs:complexContent>'),
        ('<xs:group name="T"><xs:sequence><xs:group ref="T"/></xs:sequence></xs:group>', '<xs:group ref="T"/>'),
        (
            '<xs:attributeGroup name="T"><xs:attributeGroup ref="T"/></xs:attributeGroup>',
            '<xs:attributeGroup ref="T"/>',
        ),
    ],
)
def test_what_is_defined_by_itself_is_told(body: str, content: str, tmp_path: Path) -> None:
    body += f'<xs:complexType name="T">{content}</xs:complexType>'
    schema = read(tmp_path, body + '<xs:element name="r" type="T"/>')
    assert occurs(schema.root("r")) == {}
    assert [note.partition(": ")[2] for note in schema.notes] == ["this is defined by itself"]


def test_a_substitution_group_in_a_circle_ends(tmp_path: Path) -> None:
    body = (
        '<xs:element name="a" substitutionGroup="b"/><xs:element name="b" substitutionGroup="a"/>'
        '<xs:element name="r"><xs:complexType><xs:sequence><xs:element ref="a"/></xs:sequence></xs:complexType>'
        "</xs:element>"
    )
    schema = read(tmp_path, body)
    root = schema.root("r")
    grow(schema, root)
    assert occurs(root) == {"a": (0, 1), "b": (0, 1)}


def test_a_type_for_which_hundreds_stand_is_left_open(tmp_path: Path) -> None:
    """As the common base of all types of a large standard: what they add is not told at each of its places."""
    derived = "".join(
        f'<xs:complexType name="T{n}"><xs:complexContent><xs:extension base="Base"><xs:sequence><xs:element '
        f'name="e{n}"/>'
        "</xs:sequence></xs:extension></xs:complexContent></xs:complexType>"
        for n in range(101)
    )
    base = '<xs:complexType name="Base"><xs:sequence><xs:element name="id"/></xs:sequence></xs:complexType>'
    schema = read(tmp_path, f'{base}{derived}<xs:element name="r" type="Base"/>')
    root = schema.root("r")
    grow(schema, root)
    assert list(root.children) == ["id"]
    assert root.declared is not None
    assert root.declared.is_wildcard_parent
    assert "more than 100 types may stand for 'Base'" in schema.notes[0]


def test_files_that_include_each_other_are_read_once(tmp_path: Path) -> None:
    main, _ = write(
        tmp_path,
        main=xsd(
            '<xs:include schemaLocation="other.xsd"/><xs:include schemaLocation="main.xsd"/><xs:element name="r"/>'
        ),
        other=xsd('<xs:include schemaLocation="main.xsd"/>'),
    )
    assert [file.name for file in read_schema([main]).files.files] == ["main.xsd", "other.xsd"]


# -- hostile files ----------------------------------------------------------------------------------------------------

BOMB = '<!ENTITY a0 "aaaaaaaaaa">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
DOCUMENTED = "<xs:annotation><xs:documentation>{}</xs:documentation></xs:annotation>"


@pytest.mark.parametrize(
    ("doctype", "body", "message"),
    [
        (BOMB, DOCUMENTED.format("&a9;"), "amplification"),
        ("<!ENTITY e SYSTEM '{secret}'>", DOCUMENTED.format("&e;"), "Entity 'e' not defined"),
        ("<!ENTITY e SYSTEM 'http://127.0.0.1:{port}/'>", DOCUMENTED.format("&e;"), "Entity 'e' not defined"),
        ("<!ENTITY a '&b;'><!ENTITY b '&a;'>", DOCUMENTED.format("&a;"), "loop"),
        ("", "<xs:annotation>" * 300 + "</xs:annotation>" * 300, "depth"),
        ("", "<xs:element", "main.xsd"),
    ],
    ids=["entity bomb", "external file", "external address", "entities in a circle", "too deep", "malformed"],
)
def test_a_hostile_schema_is_refused(doctype: str, body: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        doctype = doctype.replace("{secret}", (tmp_path / "secret.txt").as_uri())
        doctype = doctype.replace("{port}", str(server.getsockname()[1]))
        (tmp_path / "main.xsd").write_text(f"<!DOCTYPE s [{doctype}]>" + xsd(body))
        with pytest.raises(PermanentError, match=rf"XSD main\.xsd.*{message}|{message}.*"):
            read_schema([tmp_path / "main.xsd"])
        with pytest.raises(BlockingIOError):  # nobody called
            server.accept()


def test_entities_of_a_schema_s_own_are_read(tmp_path: Path) -> None:
    """As standards of the W3C have them; the DTD that they name is not."""
    (tmp_path / "main.xsd").write_text(
        '<!DOCTYPE schema PUBLIC "-//W3C//DTD XMLSchema 200102//EN" "http://127.0.0.1:9/XMLSchema.dtd" '
        '[<!ENTITY % p ""><!ENTITY dsig "urn:dsig">]>'
        + xsd('<xs:element name="r" type="xs:int"/>', "&dsig;").replace('xmlns:t="&dsig;"', "")
    )
    assert read_schema([tmp_path / "main.xsd"]).roots == ("{urn:dsig}r",)


@pytest.mark.parametrize("text", ["<r/>", "<schema/>", "<xs:schema xmlns:xs='urn:other'/>"])
def test_a_file_that_is_no_xsd_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "main.xsd").write_text(text)
    with pytest.raises(PermanentError, match=r"XSD main\.xsd: the root element is .*, not xs:schema"):
        read_schema([tmp_path / "main.xsd"])


def test_a_schema_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="there is no XSD"):
        list_schemas([tmp_path / "none.xsd"])
    with pytest.raises(PermanentError, match="there is no XSD"):
        list_schemas([tmp_path])
    write(tmp_path / "a" / "b", one=xsd(""), two=xsd(""))
    assert [path.name for path in list_schemas([tmp_path])] == ["one.xsd", "two.xsd"]


def test_memory_stays_small(tmp_path: Path) -> None:
    """In a process of its own: of three hundred files and a tree of 20,000 elements."""
    first = write_crowd(tmp_path, files=300, types=10)
    program = (
        "import resource, sys; from pathlib import Path; from sluice.draft.schema import read_schema, grow\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "schema = read_schema([Path(sys.argv[1])]); root = schema.root('{urn:n0}g1'); grow(schema, root, 20_000)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(first)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 400
