"""Elements as text: with the namespaces that they use, and no others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lxml import etree

from sluice import spelling
from sluice.spelling import Speller, TooManyNamespaces

XSI = "http://www.w3.org/2001/XMLSchema-instance"
# Below them what is written is a copy.
MANY = " ".join(f"xmlns:m{number}='urn:m{number}'" for number in range(spelling.MAX_WRITTEN_NAMESPACES + 1))
Spell = Callable[[str], str]


@pytest.fixture(
    params=["", MANY, f"xmlns:m='urn:{'u' * (spelling.MAX_WRITTEN_CHARACTERS + 1)}'"], ids=["few", "many", "long"]
)
def spell(request: pytest.FixtureRequest) -> Spell:
    """The element ``x``, whatever its namespace, of a document in which there may be other declarations."""

    def spell_in(document: str) -> str:
        root = etree.fromstring(f"<top {request.param}>{document}</top>")
        element = next(root.iter("{*}x"))
        text = Speller().spell(element)
        again = etree.fromstring(text)
        assert etree.tostring(again, method="c14n", exclusive=True) == etree.tostring(
            element, method="c14n", exclusive=True, with_tail=False
        )
        return text

    return spell_in


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("<r><x>t<b/>u</x>tail</r>", "<x>t<b/>u</x>"),
        ("<r xmlns:p='urn:P' xmlns:q='urn:Q'><x p:a='1'><b/></x></r>", '<x xmlns:p="urn:P" p:a="1"><b/></x>'),
        ("<r xmlns:p='urn:P' xmlns:q='urn:Q'><x><p:b/></x></r>", '<x xmlns:p="urn:P"><p:b/></x>'),
        ("<r xmlns:p='urn:P'><p:x/></r>", '<p:x xmlns:p="urn:P"/>'),
        ("<r xmlns:p='urn:P' xmlns:q='urn:Q'><x a='1'><b/></x></r>", '<x a="1"><b/></x>'),
        ("<r xmlns='urn:D' xmlns:p='urn:P'><x><b/></x></r>", '<x xmlns="urn:D"><b/></x>'),
        ("<r xmlns='urn:D' xmlns:p='urn:P'><p:x><b/></p:x></r>", None),
        ("<r xmlns='urn:D'><q xmlns=''><x><b xmlns='urn:D'/></x></q></r>", None),
        ("<r xmlns:p='urn:P'><x><p:a/><y xmlns:p='urn:B'><p:b p:q='1'/></y></x></r>", None),
        ("<r xmlns:p='urn:A' xmlns:q='urn:A'><x p:a='1'><q:b/></x></r>", None),
        ("<r xmlns:p='urn:A'><s xmlns:p='urn:B'><x><p:b/></x></s></r>", '<x xmlns:p="urn:B"><p:b/></x>'),
        ("<r xmlns:p='urn:P'><x xmlns:own='urn:O'/></r>", '<x xmlns:own="urn:O"/>'),
        ("<r xmlns:p='urn:a&amp;b'><p:x c='&lt;&amp;&quot;&#10;'>&amp;&#13;</p:x></r>", None),
        ("<r xmlns:p='urn:P' xmlns:ä='urn:e'><ä:x/></r>", '<ä:x xmlns:ä="urn:e"/>'),
    ],
)  # fmt: skip
def test_an_element_declares_what_it_uses(document: str, expected: str | None, spell: Spell) -> None:
    """And is the same as in its document."""
    text = spell(document)
    assert expected is None or text == expected
    assert "urn:m" not in text
    assert "uuu" not in text


@pytest.mark.parametrize(
    ("inside", "kept"),
    [
        (f"xmlns:xsi='{XSI}' xsi:type='p:T'>", ["p"]),
        (">p:T q:U", ["p", "q"]),
        ("select='/p:a/@q:b'>", ["p", "q"]),
        (">ap:T ppp p", []),
        ("><y>p:T</y><y a='(q:f)'/>", ["p", "q"]),
    ],
)
def test_prefixes_in_values_keep_their_meaning(inside: str, kept: list[str], spell: Spell) -> None:
    """A value may name a type, or be a path."""
    text = spell(f"<r xmlns:p='urn:P' xmlns:q='urn:Q'><x {inside}</x></r>")
    assert [prefix for prefix in "pq" if f'xmlns:{prefix}="' in text] == kept


def test_the_default_namespace_stays_for_types_without_a_prefix(spell: Spell) -> None:
    document = f"<r xmlns='urn:D' xmlns:p='urn:P' xmlns:xsi='{XSI}'><p:x xsi:type='T'/></r>"
    assert 'xmlns="urn:D"' in spell(document)


def test_long_texts_take_no_square_of_their_length(spell: Spell) -> None:
    assert len(spell(f"<r xmlns:p='urn:P'><x>{'p' * 3_000_000}</x></r>")) == 3_000_007


def test_scopes_are_forgotten_one_by_one_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spelling, "MAX_REMEMBERED", 2)
    records = "".join(f"<a xmlns:q='urn:{number}'><x><q:b/><p:c/></x></a>" for number in range(5))
    speller = Speller()
    texts = [speller.spell(x) for x in etree.fromstring(f"<r xmlns:p='urn:P'>{records}</r>").iter("x")]
    assert [etree.fromstring(text)[0].tag for text in texts] == [f"{{urn:{number}}}b" for number in range(5)]


def test_a_large_element_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """All declarations are written for it once; below very many that takes too long."""
    monkeypatch.setattr(spelling, "MAX_COPIED_ELEMENTS", 3)
    monkeypatch.setattr(spelling, "_write_copy", None)
    x = etree.fromstring(f"<r {MANY}><x><m3:a/><a/><a/></x></r>")[0]
    assert Speller().spell(x) == '<x xmlns:m3="urn:m3"><m3:a/><a/><a/></x>'
    monkeypatch.setattr(spelling, "MAX_NAMESPACES", 3)
    with pytest.raises(TooManyNamespaces, match="more than 3 elements"):
        Speller().spell(x)
