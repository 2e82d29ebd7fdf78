"""The path language: what it says, what it refuses, and the Clark names that its names stand for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.feed.paths import Name, Namespaces, Path, PathError, Predicate, Step, parse_path


def element(local: str, prefix: str = "") -> Step:
    return Step(Name(prefix, local))


PATHS = {
    "Amt": Path("Amt", False, 0, (element("Amt"),), None),
    "Amt/@Ccy": Path("Amt/@Ccy", False, 0, (element("Amt"),), Name("", "Ccy")),
    "@xlink:href": Path("@xlink:href", False, 0, (), Name("xlink", "href")),
    ".": Path(".", False, 0, (), None),
    "..": Path("..", False, 1, (), None),
    "../../h:Id": Path("../../h:Id", False, 2, (element("Id", "h"),), None),
    "../@id": Path("../@id", False, 1, (), Name("", "id")),
    "./Amt": Path("./Amt", False, 0, (element("Amt"),), None),
    "/Document/Stmt": Path("/Document/Stmt", True, 0, (element("Document"), element("Stmt")), None),
    "  Amt ": Path("Amt", False, 0, (element("Amt"),), None),
    "größe.2-b·": Path("größe.2-b·", False, 0, (element("größe.2-b·"),), None),
    "ArticleId[@IdType='doi']": Path(
        "ArticleId[@IdType='doi']",
        False,
        0,
        (Step(Name("", "ArticleId"), (Predicate((), Name("", "IdType"), "doi"),)),),
        None,
    ),
    "Bal[Tp/Cd = \"it's ]\"][@a='']/Amt": Path(
        "Bal[Tp/Cd = \"it's ]\"][@a='']/Amt",
        False,
        0,
        (
            Step(
                Name("", "Bal"),
                (Predicate((Name("", "Tp"), Name("", "Cd")), None, "it's ]"), Predicate((), Name("", "a"), "")),
            ),
            element("Amt"),
        ),
        None,
    ),
    "a[b/@c='d']": Path(
        "a[b/@c='d']", False, 0, (Step(Name("", "a"), (Predicate((Name("", "b"),), Name("", "c"), "d"),)),), None
    ),
}


@pytest.mark.parametrize(("text", "path"), PATHS.items(), ids=PATHS)
def test_path(text: str, path: Path) -> None:
    """A path says how far up, which elements down, under which conditions, and which attribute."""
    assert parse_path(text) == path


REFUSED = {
    "": "the path is empty",
    "  ": "the path is empty",
    "/": "expected a name at the end of '/'",
    "a/": "expected a name at the end of 'a/'",
    "./": "expected a name at the end of './'",
    "//a": "at position 2 of '//a'; `//` is not part of the path language",
    "a//b": "at position 3 of 'a//b'; `//` is not part of the path language",
    "a/*": "`*` is not part of the path language",
    "a/text()": "functions are not part of the path language",
    "a/..": "`..` stands at the start of a path only",
    "/../a": "`..` stands at the start of a path only",
    "...": "unexpected '.' at position 3",
    "a[1]": "positions are not part of the path language",
    "a[@b]": "expected ='value'] at position 5",
    "a[@b='c'": "expected ='value'] at position 5",
    "a[b=c]": "expected ='value']",
    "a[]": "expected a name at position 3",
    "@a/b": "unexpected '/b' at position 3",
    "a b": "unexpected ' b' at position 2",
    "a|b": "unexpected '|b'",
    "a:b:c": "unexpected ':c'",
    ":a": "expected a name at position 1",
    "1a": "expected a name at position 1",
    "-a": "expected a name at position 1",
    "a×b": "unexpected '×b'",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=[repr(text) for text in REFUSED])
def test_refused(text: str, message: str) -> None:
    """What is not a path is refused with its position, and with a hint where full XPath was meant."""
    with pytest.raises(PathError) as raised:
        parse_path(text)
    assert message in str(raised.value)


@given(st.text(alphabet="ab:/@.[]='\" *1", max_size=12))
def test_any_text(text: str) -> None:
    """Any text is a path or a PathError, and a path written out is the same path."""
    try:
        path = parse_path(text)
    except PathError:
        return
    assert parse_path(str(path)) == path


def test_prefixes() -> None:
    """A path knows all prefixes in it, also those in predicates."""
    assert parse_path("../a:b[c:d/e='x'][f/@g:h='y']/i/@j:k").prefixes == {"a", "c", "g", "j"}
    assert parse_path("a/@b").prefixes == frozenset()


class TestNamespaces:
    """Prefixes stand for one or several URIs."""

    names = Namespaces({"default": ("urn:1", "urn:2"), "x": ("urn:x", ""), "none": ("",)})

    def test_default(self) -> None:
        """A name without a prefix is in the namespaces of `default`; an attribute never is."""
        assert self.names.element_names(Name("", "a")) == ("{urn:1}a", "{urn:2}a")
        assert self.names.attribute_names(Name("", "a")) == ("a",)

    def test_no_default(self) -> None:
        """Without `default`, a name without a prefix is in no namespace."""
        assert Namespaces({}).element_names(Name("", "a")) == ("a",)

    def test_prefix(self) -> None:
        """A prefix stands for all its URIs, and '' for no namespace, for elements and attributes alike."""
        assert self.names.element_names(Name("x", "a")) == ("{urn:x}a", "a")
        assert self.names.attribute_names(Name("x", "a")) == ("{urn:x}a", "a")

    def test_prefixes_of_xml(self) -> None:
        """`xml` and `xsi` need no declaration."""
        assert self.names.attribute_names(Name("xml", "lang")) == ("{http://www.w3.org/XML/1998/namespace}lang",)
        assert self.names.attribute_names(Name("xsi", "nil")) == ("{http://www.w3.org/2001/XMLSchema-instance}nil",)

    def test_unknown(self) -> None:
        """An undeclared prefix is an error."""
        with pytest.raises(PathError, match="'y' is not declared"):
            self.names.element_names(Name("y", "a"))
