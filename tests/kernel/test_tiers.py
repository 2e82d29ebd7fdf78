"""The fast tier gives what the reference tier gives: the same rows, rejects, places and counts, for any input."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
from tests.kernel.documents import TEXTS, WRONG, Sender, feed_text
from tests.kernel.tiers import assert_same, counted_leaps, parse_by_both, small_pieces
from tests.parsed import write_feed

VARIANTS = [("reject", True), ("reject", False), ("keep_records", False)]
DOCUMENTS = 60


@pytest.mark.parametrize(("malformed", "required"), VARIANTS)
@pytest.mark.parametrize("wrongness", [0.0, 0.2])
def test_both_tiers_agree(tmp_path: Path, malformed: str, required: bool, wrongness: float) -> None:
    feed = write_feed(tmp_path, feed_text(malformed, is_required=required))
    taken = 0
    for seed in range(DOCUMENTS):
        data = Sender(random.Random(f"{malformed}/{required}/{wrongness}/{seed}"), wrongness).document()
        fast, reference = parse_by_both(feed, tmp_path, data)
        try:
            assert_same(fast, reference)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {data!r}") from error
        taken += fast.summary.fast_pieces
    # A test in which the fast tier declines everything would prove nothing.
    assert taken > DOCUMENTS / 10


@pytest.mark.parametrize("malformed", ["reject", "keep_records"])
@pytest.mark.parametrize("wrongness", [0.0, 0.1])
def test_both_tiers_agree_on_short_documents_that_nobody_has_scanned(
    tmp_path: Path, malformed: str, wrongness: float
) -> None:
    """Such a document is given to the fast tier whole; what stands above a record is looked up for its reject only."""
    feed = write_feed(tmp_path, feed_text(malformed, many=True, upward=False))
    with counted_leaps() as leaps:
        rejects = 0
        for seed in range(DOCUMENTS):
            data = Sender(random.Random(f"short/{malformed}/{wrongness}/{seed}"), wrongness).document()
            before = leaps[0]
            fast, reference = parse_by_both(feed, tmp_path, data)
            assert_same(fast, reference)
            rejects += len(fast.rejects) if leaps[0] > before else 0
    assert leaps[0] > DOCUMENTS / 10
    assert rejects > 0


@pytest.mark.parametrize("wrongness", [0.0, 0.02])
def test_both_tiers_agree_on_long_documents(tmp_path: Path, wrongness: float) -> None:
    """Many pieces: most are cut at a guess, which the tokenizer has to prove, or the scanner has to make good."""
    feed = write_feed(tmp_path, feed_text("keep_records", many=True))
    leaps = 0
    for seed in range(DOCUMENTS // 2):
        pick = random.Random(f"long/{wrongness}/{seed}")
        data = Sender(pick, wrongness).document(most_records=60)
        with small_pieces(pick.choice((600, 1500)), pick.choice((400, 1000))), counted_leaps() as count:
            fast, reference = parse_by_both(feed, tmp_path, data)
        try:
            assert_same(fast, reference)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {data!r}") from error
        leaps += count[0]
    assert leaps > DOCUMENTS / 10


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"<r>%s<!-- <a> -->%s</r>", "a guess may lie in a comment"),
        (b"<r>%s<a><![CDATA[<a>]]></a>%s</r>", "or in a CDATA section"),
        (b"<r>%s<a x='<a>'/>%s</r>", "or in a value, where it is malformed"),
        (b"<r>%s<a><a><a/></a></a>%s</r>", "or in a record of the same name"),
        (b"<r>%s</r><r>%s</r>", "or behind the end of a document"),
        (b"<r>%s<a>1</a></b><b><a>2</a>%s</r>", "or behind the end of nothing that was open"),
        (b"<r>%s<x:a xmlns:x='urn:x'>1</x:a>%s</r>", "a record may be in another namespace"),
        (b"<r>%s<z>\xc3\xa4</z><a>\xff</a>%s</r>", "what is no text is found"),
    ],
)
def test_a_guess_is_proven_or_made_good(tmp_path: Path, document: bytes, why: str) -> None:
    feed = write_feed(tmp_path, "tables: {t: {record: /r/a, columns: {x: {path: ., first: true}}}}")
    records = b"".join(b"<a>%d</a>" % number for number in range(1000))
    with small_pieces(200, 64):
        assert_same(*parse_by_both(feed, tmp_path, document % (records, records)))
        assert_same(*parse_by_both(feed, tmp_path, document % (records, b"")))


def test_ancestors_that_change_are_noticed(tmp_path: Path) -> None:
    """A stretch may end the parent of its records and begin another of the same name: later records stand in that."""
    feed = write_feed(tmp_path, "tables: {t: {record: /r/p/a, columns: {x: ., of: ../@n, head: ../h}}}")
    parents = b"".join(
        b"<p n='%d'><h>%d</h>%s</p>" % (number, number, b"<a>1</a>" * (number % 7 * 200)) for number in range(20)
    )
    with small_pieces(200, 64), counted_leaps() as count:
        fast, reference = parse_by_both(feed, tmp_path, b"<r>" + parents + b"</r>")
    assert_same(fast, reference)
    assert count[0] > 3
    assert {row["of"] for row in fast.rows()} == {str(number) for number in range(20) if number % 7}


def test_tables_grow_with_the_names_of_a_sender(tmp_path: Path) -> None:
    """Where they are full a piece goes the slow way; those that come then find larger ones."""
    feed = write_feed(tmp_path, "tables: {t: {record: /r/a, columns: {x: x}}}")
    names = b"".join(b"<n%d/>" % number for number in range(600))
    data = b"<r>" + b"".join(b"<a><x>%d</x>%s</a>" % (number, names) for number in range(60)) + b"</r>"
    with small_pieces(20_000, 9_000):
        fast, reference = parse_by_both(feed, tmp_path, data)
    assert_same(fast, reference)
    assert len(fast.drift) == 600
    assert 0 < fast.summary.pieces - fast.summary.fast_pieces < 10
    assert fast.summary.fast_pieces > 5


def test_a_feed_with_names_without_end_is_read_the_slow_way(tmp_path: Path) -> None:
    feed = write_feed(tmp_path, "tables: {t: {record: /r/a, columns: {x: x}}}")
    records = (b"<a><x>1</x>" + b"".join(b"<n%d_%d/>" % (r, n) for n in range(300)) + b"</a>" for r in range(40))
    with small_pieces(20_000, 9_000):
        assert_same(*parse_by_both(feed, tmp_path, b"<r>" + b"".join(records) + b"</r>"))


@pytest.mark.parametrize(
    "place", ["<y>a%sb</y>", "<u>%s</u>", "<y v='%s'/>", "</rec>%s<rec>", "<o k='a'>%s</o>", "<p><v>%s</v></p>"]
)
def test_each_oddity_is_seen_alike(tmp_path: Path, place: str) -> None:
    """Alone in a document that is sound but for it: in a text that is read, in one that is not, in a value, ..."""
    feed = write_feed(tmp_path, feed_text(many=True))
    document = f"<root xmlns:q='urn:q'><rec x='1'>{place}</rec></root>"
    for oddity in (*TEXTS, *WRONG, "plain"):
        data = (document % oddity).encode("utf-8", "surrogatepass")
        fast, reference = parse_by_both(feed, tmp_path, data)
        try:
            assert_same(fast, reference)
        except AssertionError as error:
            raise AssertionError(f"{oddity!r} in {place}") from error
    assert fast.summary.fast_pieces == 1


def test_a_leap_ends_where_records_stand_in_other_ancestors(tmp_path: Path) -> None:
    """Record paths may lead to different depths: a leap among the ones must not take the others for theirs."""
    tables = "tables: {t: {record: /a/r, columns: {c: .}}, u: {record: /a/s/t, columns: {x: ../@x}}}"
    feed = write_feed(tmp_path, tables)
    records = b"<r>1</r>" * 400
    data = b"<a x='A'>" + records + b"<s x='1'><t/></s>" + records + b"<s x='2'><t/><t/></s>" + records + b"</a>"
    with small_pieces(1000, 400), counted_leaps() as count:
        fast, reference = parse_by_both(feed, tmp_path, data)
    assert_same(fast, reference)
    assert [row["x"] for row in fast.rows("u")] == ["1", "2", "2"]
    assert count[0] > 1


def test_records_before_a_fault_of_the_stream_are_kept_among_leaps(tmp_path: Path) -> None:
    feed = write_feed(tmp_path, "malformed: keep_records\ntables: {t: {record: /a/r, columns: {c: .}}}")
    data = gzip.compress(b"<a>" + b"".join(b"<r>%d</r>" % (n * n) for n in range(30_000)) + b"</a>")
    with small_pieces(9_000, 4_000), counted_leaps() as count:
        fast, reference = parse_by_both(feed, tmp_path, data[: len(data) // 2])
    assert_same(fast, reference)
    assert len(fast.rows()) > 5_000
    assert count[0] > 3


def test_an_attribute_of_many_namespaces_may_fill_a_list(tmp_path: Path) -> None:
    uris = [f"urn:u{number}" for number in range(40)]
    tables = 'tables: {t: {record: /a/r, columns: {l: {path: "@p:k", type: "text[]"}}}}'
    feed = write_feed(tmp_path, f"namespaces: {{p: [{', '.join(uris)}]}}\n{tables}")
    declared = " ".join(f"xmlns:p{number}='{uri}'" for number, uri in enumerate(uris))
    record = "<r " + " ".join(f"p{number}:k='{number}'" for number in range(40)) + "/>"
    fast, reference = parse_by_both(feed, tmp_path, f"<a {declared}>{record * 2000}</a>".encode())
    assert_same(fast, reference)
    assert fast.summary.fast_pieces
    assert len(fast.rows()[7]["l"]) == 40
