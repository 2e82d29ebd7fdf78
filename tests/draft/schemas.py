"""XSDs for tests: small ones, and large ones that are generated."""

from __future__ import annotations

from pathlib import Path

from sluice.draft.schema import Schema, grow, read_schema
from sluice.draft.shape import Shape

XS = 'xmlns:xs="http://www.w3.org/2001/XMLSchema"'


def xsd(body: str, target: str = "", extra: str = "") -> str:
    namespace = f' targetNamespace="{target}" xmlns:t="{target}" elementFormDefault="qualified"' if target else ""
    return f"<xs:schema {XS}{namespace} {extra}>{body}</xs:schema>"


def write(folder: Path, **files: str) -> list[Path]:
    """Files by their names without ``.xsd``; the paths in the same order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.xsd" for name in files]
    for path, text in zip(paths, files.values(), strict=True):
        path.write_text(text)
    return paths


def read(folder: Path, body: str, target: str = "", extra: str = "") -> Schema:
    return read_schema(write(folder, main=xsd(body, target, extra)))


def tree(folder: Path, body: str, root: str = "r") -> Shape:
    """The whole tree of a schema without a namespace."""
    schema = read(folder, body)
    shape = schema.root(root)
    grow(schema, shape)
    return shape


def occurs(shape: Shape) -> dict[str, tuple[int, int | None]]:
    """Local name of each child to how often it may be there."""
    return {
        child.local: (child.declared.min_occurs, child.declared.max_occurs)
        for child in shape.children.values()
        if child.declared is not None
    }


def write_crowd(folder: Path, files: int, types: int) -> Path:
    """A schema of many files that import each other, with many types that refer to each other's; the first file."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        others = sorted({(number * 7 + 1) % files, (number * 3 + 2) % files, (number + 1) % files} - {number})
        prefixes = " ".join(f'xmlns:m{other}="urn:n{other}"' for other in others)
        imports = "".join(f'<xs:import namespace="urn:n{other}" schemaLocation="n{other}.xsd"/>' for other in others)
        body = "".join(_type_of_crowd(number, kind, types, others) for kind in range(types))
        (folder / f"n{number}.xsd").write_text(xsd(imports + body, f"urn:n{number}", prefixes))
    return folder / "n0.xsd"


def _type_of_crowd(number: int, kind: int, types: int, others: list[int]) -> str:
    own = "".join(
        f'<xs:element name="e{each}" type="t:S{kind}" minOccurs="0"><xs:annotation><xs:documentation>What e{each} of'
        f" {number} means.</xs:documentation></xs:annotation></xs:element>"
        for each in range(8)
    )
    refs = "".join(
        f'<xs:element ref="m{other}:g{(kind * 5 + shift) % types}" minOccurs="0" maxOccurs="unbounded"/>'
        for shift, other in enumerate(others)
    )
    return (
        f'<xs:complexType name="T{kind}"><xs:sequence>{own}{refs}</xs:sequence><xs:attribute name="id" type="xs:ID"/>'
        f'</xs:complexType><xs:element name="g{kind}" type="t:T{kind}"/><xs:simpleType name="S{kind}">'
        '<xs:restriction base="xs:token"><xs:enumeration value="a"/><xs:enumeration value="b"/></xs:restriction>'
        "</xs:simpleType>"
    )


def group_bomb(depth: int, width: int) -> str:
    """Groups that hold the next group many times: ``width ** depth`` elements if they were written out."""
    inner = [f'<xs:group ref="g{level + 1}"/>' * width for level in range(depth)]
    groups = "".join(
        f'<xs:group name="g{level}"><xs:sequence>{each}</xs:sequence></xs:group>' for level, each in enumerate(inner)
    )
    last = f'<xs:group name="g{depth}"><xs:sequence><xs:element name="x" type="xs:string"/></xs:sequence></xs:group>'
    return f'{groups}{last}<xs:element name="r"><xs:complexType><xs:group ref="g0"/></xs:complexType></xs:element>'


def tree_bomb(depth: int, width: int) -> str:
    """Types that hold many elements of the next type: ``width ** depth`` elements, none of them recursive."""
    types = "".join(
        f'<xs:complexType name="T{level}"><xs:sequence>'
        + "".join(f'<xs:element name="e{each}" type="T{level + 1}"/>' for each in range(width))
        + "</xs:sequence></xs:complexType>"
        for level in range(depth)
    )
    last = f'<xs:simpleType name="T{depth}"><xs:restriction base="xs:int"/></xs:simpleType>'
    return f'{types}{last}<xs:element name="r" type="T0"/>'


def wide_substitution(heads: int, members: int) -> str:
    """Substitution groups within choices: each of the members holds a choice of all heads."""
    choice = "".join(f'<xs:element ref="h{head}"/>' for head in range(heads))
    holder = (
        f'<xs:complexType name="H"><xs:choice minOccurs="0" maxOccurs="unbounded">{choice}</xs:choice></xs:complexType>'
    )
    declared = "".join(
        f'<xs:element name="h{head}" type="H" abstract="true"/>'
        + "".join(
            f'<xs:element name="m{head}_{each}" substitutionGroup="h{head}"><xs:complexType><xs:complexContent>'
            f'<xs:extension base="H"><xs:attribute name="a{each}"/></xs:extension></xs:complexContent></xs:complexType>'
            "</xs:element>"
            for each in range(members)
        )
        for head in range(heads)
    )
    return f'{holder}{declared}<xs:element name="r" type="H"/>'
