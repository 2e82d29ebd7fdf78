"""What an XSD says, as shapes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.draft.schemas import occurs, read, tree, write, xsd

from sluice.draft.schema import Schema, choose_root, grow, read_schema
from sluice.draft.shape import Declared, Shape, SimpleType
from sluice.errors import PermanentError

COMPLEX = "<xs:complexType><xs:sequence>{}</xs:sequence></xs:complexType>"


def root_of(content: str, rest: str = "") -> str:
    return f'<xs:element name="r"><xs:complexType>{content}</xs:complexType></xs:element>{rest}'


def whole(schema: Schema, root: str) -> Shape:
    shape = schema.root(root)
    assert not grow(schema, shape)
    return shape


def declared(shape: Shape, *way: str) -> Declared:
    for name in way:
        shape = shape.children[name]
    assert shape.declared is not None
    return shape.declared


def simple(shape: Shape, *way: str) -> SimpleType:
    found = declared(shape, *way).simple
    assert found is not None
    return found


# -- content models ---------------------------------------------------------------------------------------------------


MANY = ' maxOccurs="unbounded"'
KEY_AND_A = '<xs:sequence><xs:element name="k"/><xs:element name="a"/></xs:sequence>'
KEYS_ALONE = '<xs:sequence><xs:element name="k" maxOccurs="2"/></xs:sequence>'


def sequence(*elements: str, kind: str = "sequence", occurs: str = "") -> str:
    """A content model of elements, each as its name and what else stands in its tag."""
    inner = "".join(f'<xs:element name="{each[0]}"{each[1:]}/>' for each in elements)
    return f"<xs:{kind}{occurs}>{inner}</xs:{kind}>"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (sequence("a", 'b minOccurs="0"'), {"a": (1, 1), "b": (0, 1)}),
        (sequence("a", "b", kind="choice"), {"a": (0, 1), "b": (0, 1)}),
        (sequence("a", kind="choice"), {"a": (1, 1)}),
        (sequence("a", "b", kind="choice", occurs=MANY), {"a": (0, None), "b": (0, None)}),
        (sequence("a", 'b minOccurs="0"', kind="all"), {"a": (1, 1), "b": (0, 1)}),
        (sequence("a", "b", "a"), {"a": (2, 2), "b": (1, 1)}),
        (sequence('a maxOccurs="2"', occurs=' minOccurs="2" maxOccurs="3"'), {"a": (2, 6)}),
        (sequence('a minOccurs="0" maxOccurs="0"', "b"), {"b": (1, 1)}),
        (sequence(f"a{MANY}", occurs=' minOccurs="0"'), {"a": (0, None)}),
        (f"<xs:choice>{KEY_AND_A}{KEYS_ALONE}</xs:choice>", {"k": (1, 2), "a": (0, 1)}),
    ],
)
def test_how_often_an_element_may_be_there(
    content: str, expected: dict[str, tuple[int, int | None]], tmp_path: Path
) -> None:
    """Least and most over all the ways through the content model."""
    assert occurs(tree(tmp_path, root_of(content))) == expected


def test_groups_and_attribute_groups_are_written_out(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        root_of(
            '<xs:sequence><xs:group ref="g" minOccurs="0" maxOccurs="5"/></xs:sequence><xs:attributeGroup ref="ag"/>',
            '<xs:group name="g"><xs:sequence><xs:element name="a"/><xs:group ref="h"/></xs:sequence></xs:group>'
            '<xs:group name="h"><xs:choice><xs:element name="b"/><xs:element name="c"/></xs:choice></xs:group>'
            '<xs:attributeGroup name="ag"><xs:attribute name="x" use="required"/><xs:attributeGroup ref="ah"/>'
            '</xs:attributeGroup><xs:attributeGroup name="ah"><xs:attribute name="y" default="1" type="xs:int"/>'
            "</xs:attributeGroup>",
        ),
    )
    assert occurs(root) == {"a": (0, 5), "b": (0, 5), "c": (0, 5)}
    told = {
        name: (use.declared.min_occurs, use.declared.default) for name, use in root.attributes.items() if use.declared
    }
    assert told == {"x": (1, None), "y": (0, "1")}


def test_extensions_add_and_restrictions_say_anew(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        '<xs:complexType name="Base"><xs:sequence><xs:element name="a" minOccurs="0"/><xs:element name="b" '
        'minOccurs="0"/>'
        '</xs:sequence><xs:attribute name="p"/><xs:attribute name="q"/></xs:complexType>'
        '<xs:complexType name="More"><xs:complexContent><xs:extension base="Base"><xs:sequence><xs:element name="c"/>'
        '</xs:sequence><xs:attribute name="s"/></xs:extension></xs:complexContent></xs:complexType>'
        '<xs:complexType name="Less"><xs:complexContent><xs:restriction base="Base"><xs:sequence><xs:element name="a"/>'
        '</xs:sequence><xs:attribute name="p" use="required"/><xs:attribute name="q" use="prohibited"/>'
        "</xs:restriction>"
        "</xs:complexContent></xs:complexType>"
        + root_of(
            '<xs:sequence><xs:element name="more" type="More"/><xs:element name="less" type="Less"/></xs:sequence>'
        ),
    )
    assert occurs(root.children["more"]) == {"a": (0, 1), "b": (0, 1), "c": (1, 1)}
    assert list(root.children["more"].attributes) == ["p", "q", "s"]
    assert occurs(root.children["less"]) == {"a": (1, 1)}
    assert list(root.children["less"].attributes) == ["p"]


def test_text_with_attributes(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        '<xs:complexType name="Amount"><xs:simpleContent><xs:extension base="Number"><xs:attribute name="ccy" '
        'use="required" type="xs:token"/></xs:extension></xs:simpleContent></xs:complexType><xs:simpleType '
        'name="Number">'
        '<xs:restriction base="xs:decimal"><xs:totalDigits value="18"/><xs:fractionDigits value="5"/></xs:restriction>'
        "</xs:simpleType>"
        '<xs:complexType name="Small"><xs:simpleContent><xs:restriction base="Amount"><xs:maxInclusive value="9"/>'
        "</xs:restriction></xs:simpleContent></xs:complexType>"
        + root_of('<xs:sequence><xs:element name="a" type="Amount"/><xs:element name="s" type="Small"/></xs:sequence>'),
    )
    assert (simple(root, "a").base, simple(root, "a").total_digits, simple(root, "a").fraction_digits) == (
        "decimal",
        18,
        5,
    )
    assert list(root.children["a"].attributes) == ["ccy"]
    assert (simple(root, "s").maximum, simple(root, "s").total_digits) == ("9", 18)
    assert list(root.children["s"].attributes) == ["ccy"]


def test_what_stands_for_a_head_is_an_alternative(tmp_path: Path) -> None:
    """Also what stands for what stands for it; an abstract one never stands in a document."""
    root = tree(
        tmp_path,
        '<xs:element name="head" type="xs:string" abstract="true"/>'
        '<xs:element name="one" substitutionGroup="head"/>'
        '<xs:element name="two" substitutionGroup="head" abstract="true"/>'
        '<xs:element name="three" substitutionGroup="two"/>'
        '<xs:element name="solid"/><xs:element name="alone" abstract="true"/>'
        '<xs:element name="only" type="xs:int" substitutionGroup="alone"/>'
        + root_of(
            '<xs:sequence><xs:element ref="head" maxOccurs="9"/><xs:element ref="solid"/><xs:element ref="alone"/>'
            "</xs:sequence>"
        ),
    )
    assert occurs(root) == {"one": (0, 9), "three": (0, 9), "solid": (1, 1), "only": (1, 1)}
    assert [declared(root, name).head for name in root.children] == ["head", "head", "", "alone"]
    assert simple(root, "three").base == "string"


def test_types_that_may_stand_for_the_declared_one_bring_their_elements(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        '<xs:complexType name="Party" abstract="true"><xs:sequence><xs:element name="id"/></xs:sequence>'
        "</xs:complexType>"
        + "".join(
            f'<xs:complexType name="{name}"><xs:complexContent><xs:extension base="{base}"><xs:sequence><xs:element '
            f'name="{added}"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>'
            for name, base, added in [("Person", "Party", "born"), ("Firm", "Party", "lei"), ("Bank", "Firm", "bic")]
        )
        + root_of('<xs:sequence><xs:element name="party" type="Party"/></xs:sequence>'),
    )
    assert declared(root, "party").variants == ("Person", "Firm", "Bank")
    assert occurs(root.children["party"]) == {"id": (1, 1), "born": (0, 1), "lei": (0, 1), "bic": (0, 1)}
    assert [declared(root, "party", name).variant_of for name in ("id", "born", "lei", "bic")] == [
        "",
        "Person",
        "Firm",
        "Bank",
    ]


def test_what_repeats_an_ancestor_folds_into_it(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        '<xs:element name="section"><xs:complexType><xs:sequence><xs:element name="title"/><xs:element ref="section" '
        'minOccurs="0" maxOccurs="unbounded"/><xs:element name="box" minOccurs="0">'
        + COMPLEX.format('<xs:element ref="section"/>')
        + "</xs:element></xs:sequence></xs:complexType></xs:element>"
        + root_of('<xs:sequence><xs:element ref="section"/></xs:sequence>'),
    )
    section = root.children["section"]
    assert section.folds_into is None
    assert section.children["section"].folds_into is section
    assert section.children["box"].children["section"].folds_into is section
    assert not section.children["section"].children


def test_wildcards_and_content_that_is_not_declared_say_that_anything_may_come(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        '<xs:complexType name="Open"><xs:sequence><xs:element name="a"/><xs:any processContents="lax" minOccurs="0"/>'
        "</xs:sequence><xs:anyAttribute/></xs:complexType>"
        + root_of(
            '<xs:sequence><xs:element name="open" type="Open"/><xs:element name="untyped"/>'
            '<xs:element name="mixed"><xs:complexType mixed="true"><xs:sequence><xs:element name="b" minOccurs="0"/>'
            "</xs:sequence></xs:complexType></xs:element></xs:sequence>"
        ),
    )
    assert declared(root, "open").is_wildcard_parent
    assert declared(root, "open").has_any_attribute
    assert declared(root, "untyped").is_wildcard_parent
    assert declared(root, "untyped").is_mixed
    assert root.children["mixed"].is_mixed
    assert not declared(root, "mixed").is_wildcard_parent


def test_defaults_nil_and_documentation(tmp_path: Path) -> None:
    """The words beside an element count before those of its type."""
    note = "<xs:annotation><xs:documentation>{}</xs:documentation></xs:annotation>"
    root = tree(
        tmp_path,
        f'<xs:complexType name="T">{note.format("Any party.")}<xs:attribute name="a" fixed="EUR">'
        f"{note.format('Its currency.')}</xs:attribute></xs:complexType>"
        + root_of(
            f'<xs:sequence><xs:element name="own" type="T" nillable="true">'
            f"{note.format('Who  <b>pays</b> .')}</xs:element>"
            '<xs:element name="plain" type="T"/><xs:element name="d" type="xs:int" default="7"/></xs:sequence>'
        ),
    )
    assert [declared(root, name).documentation for name in ("own", "plain", "d")] == ["Who pays .", "Any party.", ""]
    assert declared(root, "own").is_nillable
    assert declared(root, "d").default == "7"
    attribute = root.children["own"].attributes["a"].declared
    assert attribute is not None
    assert (attribute.default, attribute.documentation) == ("EUR", "Its currency.")


# -- simple types -----------------------------------------------------------------------------------------------------


def test_facets_of_all_steps_of_a_derivation(tmp_path: Path) -> None:
    """Values and bounds are those of the last step, patterns those of all."""
    root = tree(
        tmp_path,
        '<xs:simpleType name="A"><xs:restriction base="xs:token"><xs:maxLength value="20"/><xs:pattern value="[A-Z]+"/>'
        '</xs:restriction></xs:simpleType><xs:simpleType name="B"><xs:restriction base="A"><xs:minLength value="2"/>'
        '<xs:pattern value="A.*"/><xs:pattern value="B.*"/><xs:enumeration value="AB"/><xs:enumeration value="BA"/>'
        '</xs:restriction></xs:simpleType><xs:element name="r" type="B"/>',
    )
    assert simple(root) == SimpleType(
        "token", "B", ("AB", "BA"), ("[A-Z]+", "(A.*)|(B.*)"), min_length=2, max_length=20
    )


def test_lists_and_unions(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        '<xs:simpleType name="Codes"><xs:list itemType="xs:int"/></xs:simpleType>'
        '<xs:simpleType name="Few"><xs:restriction base="Codes"><xs:maxLength value="3"/></xs:restriction>'
        "</xs:simpleType>"
        '<xs:simpleType name="One"><xs:restriction base="xs:string"><xs:enumeration value="x"/></xs:restriction>'
        "</xs:simpleType>"
        '<xs:simpleType name="U"><xs:union memberTypes="One"><xs:simpleType><xs:restriction base="xs:string">'
        "<xs:enumeration "
        'value="y"/></xs:restriction></xs:simpleType></xs:union></xs:simpleType>'
        '<xs:simpleType name="Wide"><xs:union memberTypes="One xs:date"/></xs:simpleType>'
        + root_of(
            '<xs:sequence><xs:element name="codes" type="Few"/><xs:element name="refs" type="xs:IDREFS"/>'
            '<xs:element name="u" type="U"/><xs:element name="w" type="Wide"/></xs:sequence>'
        ),
    )
    assert (simple(root, "codes").base, simple(root, "codes").is_list, simple(root, "codes").max_length) == (
        "int",
        True,
        None,
    )
    assert (simple(root, "refs").base, simple(root, "refs").is_list) == ("IDREF", True)
    assert (simple(root, "u").base, simple(root, "u").enumeration) == ("string", ("x", "y"))
    assert [member.base for member in simple(root, "w").members] == ["string", "date"]
    assert simple(root, "w").enumeration == ()


# -- files and namespaces ---------------------------------------------------------------------------------------------


def test_names_are_in_the_namespaces_that_the_schema_says(tmp_path: Path) -> None:
    """Local names by `form` and its default, references in their own; a file without a namespace in its includer's."""
    main, *_ = write(
        tmp_path,
        main=xsd(
            '<xs:import namespace="urn:b" schemaLocation="b.xsd"/><xs:include schemaLocation="part.xsd"/>'
            '<xs:element name="r"><xs:complexType><xs:sequence><xs:element ref="b:e"/><xs:element name="own" '
            'type="t:Part"/>'
            '<xs:element name="bare" form="unqualified" type="xs:int"/></xs:sequence><xs:attribute name="plain"/>'
            '<xs:attribute ref="b:a"/><xs:attribute ref="xml:lang"/></xs:complexType></xs:element>',
            "urn:a",
            'xmlns:b="urn:b"',
        ),
        b=xsd('<xs:element name="e" type="xs:date"/><xs:attribute name="a" type="xs:int"/>', "urn:b"),
        part='<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified">'
        '<xs:complexType name="Part">'
        '<xs:sequence><xs:element name="x" type="Text"/></xs:sequence></xs:complexType><xs:simpleType name="Text">'
        '<xs:restriction base="xs:string"/></xs:simpleType></xs:schema>',
    )
    schema = read_schema([main])
    root = whole(schema, "{urn:a}r")
    assert list(root.children) == ["{urn:b}e", "{urn:a}own", "bare"]
    assert list(root.children["{urn:a}own"].children) == ["{urn:a}x"]
    assert simple(root, "{urn:a}own", "{urn:a}x").name == "{urn:a}Text"
    assert list(root.attributes) == ["plain", "{urn:b}a", "{http://www.w3.org/XML/1998/namespace}lang"]
    assert len(schema.notes) == 1  # nobody imports the namespace of xml:lang
    assert schema.roots == ("{urn:a}r",)


def test_a_redefinition_means_the_original_by_its_own_name(tmp_path: Path) -> None:
    main, *_ = write(
        tmp_path,
        main=xsd(
            '<xs:redefine schemaLocation="old.xsd"><xs:complexType name="T"><xs:complexContent><xs:extension base="T">'
            '<xs:sequence><xs:element name="new"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>'
            '<xs:group name="g"><xs:sequence><xs:group ref="g"/><xs:element name="also"/></xs:sequence></xs:group>'
            "</xs:redefine>"
        ),
        old=xsd(
            '<xs:complexType name="T"><xs:sequence><xs:element name="old"/><xs:group ref="g"/></xs:sequence>'
            "</xs:complexType>"
            '<xs:group name="g"><xs:sequence><xs:element name="in"/></xs:sequence></xs:group>'
            '<xs:element name="r" type="T"/>'
        ),
    )
    root = whole(read_schema([main]), "r")
    assert list(root.children) == ["old", "in", "also", "new"]
    assert not declared(root).variants


def test_files_are_found_on_this_machine_only(tmp_path: Path) -> None:
    """By a relative address below the given folders, by name, or by namespace; well-known attributes need no file."""
    web = "http://127.0.0.1:9/schemas"
    (main,) = write(
        tmp_path / "a",
        main=xsd(
            f'<xs:import namespace="urn:b" schemaLocation="{web}/renamed.xsd"/>'
            f'<xs:include schemaLocation="{web}/deep/part.xsd"/><xs:include schemaLocation="sub/part2.xsd"/>'
            f'<xs:import namespace="http://www.w3.org/XML/1998/namespace" schemaLocation="{web}/xml.xsd"/>'
            f'<xs:import namespace="http://www.w3.org/1999/xlink"/>'
            + root_of(
                '<xs:attribute ref="xml:lang"/><xs:attribute ref="xlink:href"/><xs:attributeGroup '
                'ref="xml:specialAttrs"/>'
            ),
            "urn:a",
            'xmlns:xlink="http://www.w3.org/1999/xlink"',
        ),
    )
    write(tmp_path / "a", part=xsd("", "urn:a"), by_namespace=xsd("", "urn:b"))
    write(tmp_path / "a" / "sub", part2=xsd('<xs:include schemaLocation="../part.xsd"/>', "urn:a"))
    schema = read_schema([main])
    assert schema.notes == ()
    assert [file.name for file in schema.files.files] == [
        "main.xsd",
        "by_namespace.xsd",
        "part.xsd",
        "part2.xsd",
        "xml.xsd",
        "xlink.xsd",
    ]
    assert {name.rpartition("}")[2] for name in schema.root("{urn:a}r").attributes} == {
        "lang",
        "href",
        "base",
        "space",
        "id",
    }


def test_what_is_missing_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    """Also what lies outside the folders: a schema cannot reach for other files."""
    write(tmp_path, outside=xsd(""))
    (main,) = write(
        tmp_path / "in",
        main=xsd(
            '<xs:include schemaLocation="../outside.xsd"/><xs:import namespace="urn:x" schemaLocation="x.xsd"/>'
            + root_of('<xs:sequence><xs:element name="a" type="Nowhere"/><xs:group ref="no"/></xs:sequence>')
        ),
    )
    schema = read_schema([main])
    root = whole(schema, "r")
    assert declared(root, "a").is_wildcard_parent
    assert declared(root).is_wildcard_parent
    assert [note.partition(": ")[2] for note in schema.notes] == [
        "include of ../outside.xsd: no such file beside the given ones",
        "import of x.xsd: no such file beside the given ones",
        "there is no group 'no'",
        "there is no type 'Nowhere'",
    ]


# -- roots and keys ---------------------------------------------------------------------------------------------------


def test_the_root_is_the_element_that_nothing_refers_to(tmp_path: Path) -> None:
    one = read(
        tmp_path,
        root_of(
            '<xs:sequence><xs:element ref="a"/></xs:sequence>',
            '<xs:element name="a"/><xs:element name="code" type="xs:int"/>',
        ),
    )
    assert choose_root(one, None) == ("r",)
    assert choose_root(one, "a") == ("a",)
    several = read(tmp_path, "".join(root_of("").replace('"r"', f'"{name}"') for name in ("r", "s")))
    with pytest.raises(PermanentError, match=r"choose one with --root: r, s"):
        choose_root(several, None)
    with pytest.raises(PermanentError, match=r"declares no element 'x'; choose one with --root: r, s"):
        choose_root(several, "x")
    assert choose_root(several, "s") == ("s",)


def test_a_root_in_several_namespaces_is_one(tmp_path: Path) -> None:
    paths = write(tmp_path, **{f"v{n}": xsd(root_of(""), f"urn:v{n}") for n in (1, 2)})
    assert choose_root(read_schema(paths), None) == ("{urn:v1}r", "{urn:v2}r")


def test_keys_that_the_schema_declares(tmp_path: Path) -> None:
    from sluice.draft.schema_keys import declared_keys

    item = COMPLEX.format('<xs:element name="id"/>').replace(
        "</xs:complexType>", '<xs:attribute name="n"/></xs:complexType>'
    )
    items = COMPLEX.format(f'<xs:element name="item" maxOccurs="9">{item}</xs:element>')
    root = tree(
        tmp_path,
        '<xs:element name="r">'
        + COMPLEX.format(
            f'<xs:element name="items">{items}</xs:element><xs:element name="box" maxOccurs="2">{items}'
            '<xs:unique name="u"><xs:selector xpath="item"/><xs:field xpath="id"/></xs:unique></xs:element>'
        )
        + '<xs:key name="k"><xs:selector xpath="items/item"/><xs:field xpath="@n"/><xs:field xpath="id"/></xs:key>'
        '<xs:unique name="any"><xs:selector xpath=".//item"/><xs:field xpath="./id"/></xs:unique>'
        '<xs:key name="odd"><xs:selector xpath="*"/><xs:field xpath="@n"/></xs:key></xs:element>',
    )
    item_shape = root.children["items"].children["item"]
    assert list(declared_keys(item_shape)) == [(("@n",), ("id",)), (("id",),)]
    # unique in its box only
    assert list(declared_keys(root.children["box"].children["item"])) == [(("id",),)]
