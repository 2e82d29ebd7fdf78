"""The totals that a sender states, run for real: header, trailer, cut files, archives, and what is wrong with them."""

from __future__ import annotations

import gzip
from decimal import Decimal

import psycopg
import pytest
from tests.small_feeds import Ground, zipped

from sluice.alerts.causes import Evidence, FailedRun, RunLinks
from sluice.alerts.evidence import read_evidence
from sluice.alerts.problems import Problem
from sluice.errors import RunFailed
from sluice.feed.model import Feed
from sluice.records import Cut
from sluice.stages.fetch import fetch
from sluice.stages.parse import parse
from sluice.stages.split import split
from sluice.stages.validate import validate

TABLES = """
tables:
  payments:
    record: /Batch/Payment
    columns:
      id: "@id"
      amount: {path: Amount, type: "numeric(18,2)", required: true}
  fees:
    parent: payments
    rows: Fee
    columns: {cents: {path: ., type: integer}}
"""
COUNT, SUM = "/Batch/Trailer/Count", "/Batch/Trailer/Sum"
TOTALS = f"""
totals:
  - {{path: {COUNT}, counts: payments}}
  - {{path: {SUM}, sums: payments.amount}}
"""


@pytest.fixture(params=["fast", "record by record"])
def feed(ground: Ground, request: pytest.FixtureRequest) -> Feed:
    """As the fast tier reads it, and with a column that this does not know."""
    more = "" if request.param == "fast" else "\n      all: {path: ., type: markup}"
    return ground.feed(TABLES.replace('id: "@id"', f'id: "@id"{more}') + TOTALS, name="payments")


def feed_with(ground: Ground, *totals: str, more: str = "") -> Feed:
    return ground.feed(f"{TABLES}\ntotals: [{', '.join(totals)}]", name="payments", more=more)


def payment(number: int, amount: str, *cents: object) -> str:
    fees = "".join(f"<Fee>{fee}</Fee>" for fee in cents)
    return f'<Payment id="{number}"><Amount>{amount}</Amount>{fees}</Payment>'


def trailer(count: object, total: object) -> str:
    return f"<Trailer><Count>{count}</Count><Sum>{total}</Sum></Trailer>"


def batch(*content: str) -> str:
    return f"<Batch>{''.join(content)}</Batch>"


def of_files(ground: Ground) -> list[tuple[object, ...]]:
    """Stated and found, by file, member and measure."""
    return ground.sql(
        "SELECT regexp_replace(uri, '.*/', ''), member, measure, stated, found, unreadable, is_complete"
        " FROM sluice.file_totals ORDER BY uri, member, measure, path"
    )


def stated_and_found(ground: Ground) -> list[tuple[object, ...]]:
    return [(stated, found) for _, _, _, stated, found, _, _ in of_files(ground)]


# -- right and wrong --------------------------------------------------------------------------------------------------


def test_what_is_right_is_kept_and_not_told(ground: Ground, feed: Feed) -> None:
    """Decimals are exact: 0.10 + 0.20 is 0.3."""
    ground.put("a.xml", batch(payment(1, "0.10"), payment(2, "0.20"), trailer(2, "0.3")))
    assert ground.run(feed) is None
    assert of_files(ground) == [
        ("a.xml", "", "count of payments", 2, 2, 0, True),
        ("a.xml", "", "sum of payments.amount", Decimal("0.3"), Decimal("0.30"), 0, True),
    ]


def test_a_wrong_count_fails_the_run_and_the_rows_stay(ground: Ground, feed: Feed) -> None:
    ground.put("a.xml", batch(payment(1, "1.00"), trailer(2, "1")))
    ground.put("b.xml", batch(payment(2, "1.00"), trailer(1, "1")))
    error = ground.run(feed)
    assert error is not None
    assert error.endswith(
        "run 1: 1 stated total is not what was found"
        f" ({ground.uri('a.xml')}: {COUNT} says 2, but the count of payments is 1)"
    )
    assert ground.sql("SELECT count(*) FROM payments.payments") == [(2,)]
    assert ground.sql("SELECT state FROM sluice.runs") == [("failed",)]
    ground.put("c.xml", batch(payment(3, "1.00"), trailer(1, "1")))
    assert ground.run(feed) is None, "each run answers for its own files"


def test_a_wrong_sum_is_told_without_the_values(ground: Ground, feed: Feed) -> None:
    """The sum of a file of one record is that record's value, which no log and no alert holds."""
    ground.put("a.xml", batch(payment(1, "12345.67"), trailer(1, "12345.66")))
    error = ground.run(feed) or ""
    assert f"{SUM} is not the sum of payments.amount" in error
    assert "12345" not in error
    assert stated_and_found(ground) == [(1, 1), (Decimal("12345.66"), Decimal("12345.67"))]


def test_nothing_is_published_where_a_run_is_published_as_one(ground: Ground) -> None:
    feed = feed_with(ground, f"{{path: {COUNT}, counts: payments}}", more="publish: run")
    ground.put("a.xml", batch(payment(1, "1.00"), trailer(2, "1")))
    error = ground.run(feed) or ""
    assert "nothing was published: 1 stated total is not what was found" in error
    assert ground.sql("SELECT count(*) FROM payments.payments") == [(0,)]
    assert of_files(ground) == []
    ground.sql("UPDATE sluice.holds SET is_released = true")
    assert ground.run(feed, takes_left=True) is None, "a person may let it pass all the same"
    assert stated_and_found(ground) == [(2, 1)]


def test_a_dry_run_compares_as_well(ground: Ground, feed: Feed) -> None:
    ground.put("a.xml", batch(payment(1, "1.00"), trailer(2, "1")))
    assert f"{COUNT} says 2" in (ground.run(feed, dry_run=True) or "")
    assert of_files(ground) == []


@pytest.mark.parametrize("written", ["", "<Count/>", "<Count> </Count>"])
def test_a_total_that_is_not_stated_fails_the_run_unless_it_need_not_be(ground: Ground, written: str) -> None:
    ground.put("a.xml", batch(payment(1, "1.00"), f"<Trailer>{written}</Trailer>"))
    wanted = feed_with(ground, f"{{path: {COUNT}, counts: payments}}")
    assert f"a.xml: nothing is stated at {COUNT}" in (ground.run(wanted) or "")
    optional = feed_with(ground, f"{{path: {COUNT}, counts: payments, required: false}}")
    assert ground.run(optional, reload="all") is None
    ground.put("b.xml", batch(payment(2, "1.00"), trailer(5, 1)))
    assert f"b.xml: {COUNT} says 5" in (ground.run(optional) or ""), "where it is stated it is compared"


@pytest.mark.parametrize("written", ["two", "1,000", "0x2", "1e0", "&what;", "1" * 101, "1" * 70_000])
def test_what_is_no_number_is_told_without_being_shown(ground: Ground, written: str) -> None:
    doctype = "<!DOCTYPE Batch [<!ENTITY what '1'>]>" if "&" in written else ""
    feed = feed_with(ground, f"{{path: {COUNT}, counts: payments, required: false}}")
    ground.put("a.xml", doctype + batch(payment(1, "1.00"), trailer(written, 1)))
    error = ground.run(feed) or ""
    assert f"a.xml: what stands at {COUNT} is no number" in error
    assert written not in error


def test_the_alert_asks_for_what_differs_by_an_index(ground: Ground) -> None:
    """Also a total of which one value is no number while the others add up; not those of other runs."""
    feed = feed_with(ground, f"{{path: {COUNT}, counts: payments}}")
    ground.put("a.xml", batch(payment(1, "1.00"), trailer(2, 1)))
    assert ground.run(feed) is not None
    ground.put("b.xml", batch(payment(2, "1.00"), trailer(1, 1), trailer("x", 1)))
    ground.put("c.xml", batch(payment(3, "1.00"), trailer(1, 1)))
    error = ground.run(feed)
    problem = Problem("reconcile", "RunFailed", error or "", breaches=(("totals", error or ""),))
    run = FailedRun("payments", RunLinks("", "payments", ""), "", (problem,), Evidence(2))
    (alert,) = run.alerts()
    assert [(uri, stated, found, unreadable) for uri, *_, stated, found, unreadable in ground.sql(alert.sql)] == [
        (ground.uri("b.xml"), 1, 1, 1)
    ]
    with psycopg.connect(ground.dsn) as connection:
        connection.execute("SET enable_seqscan = off")  # the ledger is small
        plan = connection.execute(f"EXPLAIN {alert.sql}".encode()).fetchall()
    assert "totals_run_idx" in str(plan)


def test_what_the_ledger_knows_of_the_run_is_that_totals_differ(ground: Ground) -> None:
    """For the alert of a run of which the DAG processor could not tell; not that a limit was passed."""
    feed = feed_with(ground, f"{{path: {COUNT}, counts: payments}}")
    ground.put("a.xml", batch(payment(1, "1.00"), trailer(2, 1)))
    assert ground.run(feed, run_key="late") is not None
    with psycopg.connect(ground.dsn) as connection:
        breach = read_evidence(connection, "payments", "late").breach
    assert breach is not None
    assert breach[0] == "totals"


# -- what is found ----------------------------------------------------------------------------------------------------


def test_rejected_records_count_and_are_mentioned(ground: Ground, feed: Feed) -> None:
    """Of their values, what could be read; the rest is why the sum differs."""
    bad, good = payment(2, "much", "5"), payment(3, "3.00", "five")
    ground.put("a.xml", batch(payment(1, "1.00"), bad, good, trailer(3, "4.5")))
    error = ground.run(feed) or ""
    assert "1 stated total is not" in error, "the count is right"
    assert error.partition("; see")[0].endswith("payments.amount (of its records 2 were rejected))")
    assert stated_and_found(ground) == [(3, 3), (Decimal("4.5"), Decimal("4.00"))]


def test_a_record_that_is_too_large_counts(ground: Ground) -> None:
    feed = feed_with(ground, f"{{path: {COUNT}, counts: payments}}", more="max_record_bytes: 1024")
    ground.put("a.xml", batch(payment(1, "1.00"), payment(2, "2" * 2000), trailer(2, 1)))
    assert ground.run(feed) is None
    assert stated_and_found(ground) == [(2, 2)]


def test_rows_of_child_tables_are_counted_and_summed_up(ground: Ground) -> None:
    feed = feed_with(
        ground,
        "{path: /Batch/@fees, counts: fees}",
        "{path: /Batch/@all, counts: [payments, fees]}",
        "{path: /Batch/@cents, sums: fees.cents}",
    )
    records = payment(1, "1.00", 3, 4), payment(2, "2.00", -1)
    ground.put("a.xml", f'<Batch fees="3" all="5" cents="6">{"".join(records)}</Batch>')
    assert ground.run(feed) is None
    assert stated_and_found(ground) == [(3, 3), (5, 5), (6, 6)]


def test_sums_of_the_longest_numbers_are_exact(ground: Ground) -> None:
    """Arrow's sums of decimals of 76 digits begin anew below zero, without a word."""
    text = "tables: {n: {record: /Batch/N, columns: {n: {path: ., type: 'numeric(76,0)'}}}}\n"
    feed = ground.feed(f"{text}totals: [{{path: /Batch/@sum, sums: n.n}}]")
    number = int("9" * 76)
    ground.put("a.xml", f'<Batch sum="{8 * number}">{f"<N>{number}</N>" * 8}</Batch>')
    assert ground.run(feed) is None
    assert stated_and_found(ground) == [(8 * number, 8 * number)]


def test_a_default_counts_where_it_fills_one_in(ground: Ground) -> None:
    text = TABLES.replace("required: true", 'default: "5.00"')
    feed = ground.feed(f"{text}totals: [{{path: {SUM}, sums: payments.amount}}]", name="payments")
    ground.put("a.xml", batch('<Payment id="1"/>', payment(2, "1.00"), trailer(2, "6.00")))
    assert ground.run(feed) is None


def test_deletes_count_as_records(ground: Ground) -> None:
    text = """
tables:
  items:
    record: /Items/Item
    key: id
    version: rev
    deletes: {column: status, values: D, record: /Items/Gone, columns: {id: "@id", rev: "@rev"}}
    columns: {id: "@id", rev: {path: "@rev", type: integer}, status: "@status"}
totals: [{path: /Items/@number, counts: items}]
"""
    feed = ground.feed(text)
    gone = '<Item id="b" rev="2" status="D"/><Gone id="c" rev="2"/>'
    ground.put("a.xml", f'<Items number="3"><Item id="a" rev="1"/>{gone}</Items>')
    assert ground.run(feed) is None


def test_records_of_several_kinds_are_counted_apart(ground: Ground) -> None:
    text = """
tables:
  credits: {record: /Batch/Credit, columns: {amount: {path: ., type: bigint}}}
  debits: {record: /Batch/Debit, columns: {amount: {path: ., type: bigint}}}
totals:
  - {path: "/Batch/Total[@of='credits']", counts: credits}
  - {path: "/Batch/Total[@of='debits']", counts: debits}
  - {path: "/Batch/Total[@of='amounts']", sums: [credits.amount, debits.amount]}
"""
    feed = ground.feed(text)
    records = f"<Credit>{2**63 - 1}</Credit><Debit>5</Debit><Credit>{2**63 - 1}</Credit>"
    totals = {"credits": 2, "debits": 1, "amounts": 2**64 + 3}
    stated = "".join(f'<Total of="{name}">{number}</Total>' for name, number in totals.items())
    ground.put("a.xml", batch(stated, records))
    assert ground.run(feed) is None


# -- where it stands --------------------------------------------------------------------------------------------------


def test_values_of_groups_and_of_several_documents_are_added_up(ground: Ground) -> None:
    text = TABLES.replace("/Batch/Payment", "/Batch/Group/Payment")
    feed = ground.feed(f"{text}\ntotals: [{{path: /Batch/Group/Count, counts: payments}}]", name="payments")
    first = batch(f"<Group><Count>2</Count>{payment(1, '1')}{payment(2, '1')}</Group><Group>{payment(3, '1')}")
    ground.put("a.xml", first.replace("</Batch>", "<Count>1</Count></Group></Batch>"))
    ground.put("b.xml", batch(f"<Group>{payment(4, '1')}<Count>1</Count></Group>") * 2)
    assert ground.run(feed) is None
    assert stated_and_found(ground) == [(3, 3), (2, 2)]


def test_namespaces_are_told_apart_and_names_below_the_path_do_not_count(ground: Ground) -> None:
    text = TABLES.replace("/Batch/Payment", "/p:Batch/p:Payment").replace("Amount", "p:Amount").replace("Fee", "p:Fee")
    feed = ground.feed(
        f"namespaces: {{p: 'urn:p'}}\n{text}\ntotals: [{{path: '/p:Batch/p:Count', counts: payments}}]", name="payments"
    )
    other = '<x:Count xmlns:x="urn:x">7</x:Count><Deep><Count>7</Count></Deep><!-- <Count>7</Count> -->'
    content = f'{other}{payment(1, "1")}<Count xmlns="urn:p"> 0<!-- ! -->1 </Count>'
    ground.put("a.xml", f'<Batch xmlns="urn:p">{content}</Batch>')
    assert ground.run(feed) is None
    assert stated_and_found(ground) == [(1, 1)]


@pytest.mark.parametrize("packed", ["zip", "gz"])
def test_each_member_of_an_archive_is_compared_by_itself(ground: Ground, feed: Feed, packed: str) -> None:
    good, bad = batch(payment(1, "1.00"), trailer(1, 1)), batch(payment(2, "2.00"), trailer(2, 2))
    if packed == "gz":
        ground.put("a.xml.gz", gzip.compress(bad.encode()))
        name, expected = "a.xml.gz", ["a.xml.gz"] * 2
    else:
        ground.put("a.zip", zipped({"bad.xml": bad, "good.xml": good}))
        name, expected = "a.zip!bad.xml", ["a.zip"] * 4
    error = ground.run(feed) or ""
    assert f"1 stated total is not what was found ({ground.uri(name)}: {COUNT} says 2" in error
    assert [file for file, *_ in of_files(ground)] == expected


def test_an_archive_that_nobody_has_looked_into_is_compared_by_member(ground: Ground, feed: Feed) -> None:
    """Its name says nothing, so that split leaves it whole."""
    good, bad = batch(payment(1, "1.00"), trailer(1, 1)), batch(payment(2, "2.00"), trailer(2, 2))
    ground.put("parcel", zipped({"bad.xml": bad, "good.xml": good}))
    error = ground.run(feed) or ""
    assert f"1 stated total is not what was found ({ground.uri('parcel!bad.xml')}: {COUNT} says 2" in error


def test_other_encodings(ground: Ground, feed: Feed) -> None:
    ground.put("a.xml", batch(payment(1, "1.00"), trailer(1, 1)).encode("utf-16"))
    assert ground.run(feed) is None
    assert stated_and_found(ground) == [(1, 1), (1, 1)]


def test_of_a_truncated_file_the_trailer_is_missed(ground: Ground) -> None:
    """Where the feed keeps the records before the fault, too."""
    feed = feed_with(ground, f"{{path: {COUNT}, counts: payments}}", more="malformed: keep_records")
    ground.put("a.xml", batch(payment(1, "1.00"), trailer(1, 1)).partition("<Count>")[0])
    assert f"a.xml: nothing is stated at {COUNT}" in (ground.run(feed) or "")


def test_a_file_without_records_may_say_so(ground: Ground) -> None:
    feed = feed_with(
        ground,
        f"{{path: {COUNT}, counts: payments}}",
        f"{{path: {SUM}, sums: payments.amount}}",
        more="allow_empty: true",
    )
    ground.put("a.xml", batch(trailer(0, "0.00")))
    assert ground.run(feed) is None
    assert stated_and_found(ground) == [(0, 0), (0, 0)]


# -- cut files --------------------------------------------------------------------------------------------------------


def cuts_of(text: str, *ends: int) -> list[Cut]:
    """The cuts of a batch at these places, each the end of a record; the header is context."""
    context = text[: text.index("<Payment")].encode()
    starts, stops = [0, *ends], [*ends, len(text)]
    return [
        Cut("", start, stop, context if start else b"", b"" if stop == len(text) else b"</Batch>", 1, 1)
        for start, stop in zip(starts, stops, strict=True)
    ]


def cut_batch(count: int = 3, total: str = "6.00") -> tuple[str, list[Cut]]:
    """A batch in three parts, with totals before, between and after the records."""
    records = [payment(number, f"{number}.00") for number in (1, 2, 3)]
    first = f"<Batch><Count>{count}</Count>{records[0]}<Between>1</Between>"
    text = f"{first}{records[1]}{records[2]}<Between>2</Between>{trailer(count, total)}</Batch>"
    return text, cuts_of(text, text.index(records[1]), text.index(records[2]))


CUT_TOTALS = (
    "{path: /Batch/Count, counts: payments}",
    "{path: /Batch/Between, counts: payments}",
    f"{{path: {SUM}, sums: payments.amount}}",
)


def test_parts_of_a_cut_file_are_added_up(ground: Ground) -> None:
    """What stands before the records is context of each part, and counts once."""
    text, cuts = cut_batch()
    feed = feed_with(ground, *CUT_TOTALS)
    ground.put("a.xml", text)
    run_id, numbers = ground.prepare(feed, {"a.xml": cuts})
    for number in numbers:
        ground.load(feed, run_id, number)
    assert ground.reconcile(feed, run_id) is None
    assert stated_and_found(ground) == [(3, 3), (3, 3), (6, 6)]
    assert ground.sql("SELECT count(*) FROM sluice.totals") == [(9,)]


def test_the_trailer_of_a_cut_file_is_about_all_its_parts(ground: Ground) -> None:
    text, cuts = cut_batch(4, "6.01")
    feed = feed_with(ground, *CUT_TOTALS)
    ground.put("a.xml", text)
    run_id, numbers = ground.prepare(feed, {"a.xml": cuts})
    for number in numbers:
        ground.load(feed, run_id, number)
    error = ground.reconcile(feed, run_id) or ""
    assert "2 stated totals are not what was found" in error
    assert "/Batch/Count says 4, but the count of payments is 3" in error
    assert f"{SUM} is not the sum" in error


def test_split_cuts_and_the_totals_are_found(ground: Ground) -> None:
    """A file that split cuts by itself, in several batches."""
    feed = feed_with(ground, f"{{path: {COUNT}, counts: payments}}", f"{{path: {SUM}, sums: payments.amount}}")
    records = [payment(number, "0.01") for number in range(60_000)]
    text = batch(*records, " " * 100, trailer(60_000, "600"))
    ground.put("a.xml", text)
    assert ground.run(feed, batch_mb=1) is None
    assert ground.sql("SELECT count(*) > 2 FROM sluice.parts") == [(True,)]
    assert stated_and_found(ground) == [(60_000, 60_000), (600, 600)]


@pytest.mark.parametrize("packed", ["gz", "zip"])
def test_cut_archives(ground: Ground, packed: str) -> None:
    """What is unpacked and cut: its parts are pieces of their own."""
    feed = feed_with(ground, f"{{path: {COUNT}, counts: payments}}", f"{{path: {SUM}, sums: payments.amount}}")
    text = batch(*(payment(number, "0.01") for number in range(60_000)), trailer(60_001, "600"))
    if packed == "gz":
        ground.put("a.xml.gz", gzip.compress(text.encode()))
    else:
        ground.put("a.zip", zipped({"a.xml": text, "b.xml": batch(payment(1, "1"), trailer(1, 1))}))
    error = ground.run(feed, batch_mb=1) or ""
    assert ground.sql("SELECT count(*) > 2 FROM sluice.parts") == [(True,)]
    assert "1 stated total is not what was found" in error
    assert f"{COUNT} says 60001, but the count of payments is 60000" in error
    assert stated_and_found(ground)[:2] == [(60_001, 60_000), (600, 600)]


@pytest.mark.parametrize("count", [3, 4])
def test_a_dry_run_compares_a_file_with_what_is_loaded_of_it(ground: Ground, count: int) -> None:
    """A gate had held one part; the other parts are in no batch of the run that would load it."""
    text, cuts = cut_batch(count)
    feed = feed_with(ground, *CUT_TOTALS)
    ground.put("a.xml", text)
    run_id = fetch(ground.tools(feed), ground.request(feed)).run_id
    ground.cut(run_id, {"a.xml": cuts})
    ground.sql("INSERT INTO sluice.holds SELECT max(part_id), 1, 1, 1, 'the gate is shut' FROM sluice.parts")
    for batch_of_run in split(ground.tools(feed), run_id).batches:
        parse(ground.tools(feed), run_id, batch_of_run.number)
        validate(ground.tools(feed), run_id, batch_of_run.number)
        ground.load(feed, run_id, batch_of_run.number)
    assert ground.run(feed, dry_run=True) is None, "what is held now is not known: the file is not compared"
    ground.sql("UPDATE sluice.holds SET generation = 0")
    error = ground.run(feed, dry_run=True)
    if count == 3:
        assert error is None
    else:
        assert "/Batch/Count says 4, but the count of payments is 3" in (error or "")


def test_a_file_with_a_part_that_is_lost_is_not_compared(ground: Ground) -> None:
    """That the part is lost is told; nobody knows what it would have held."""
    text, cuts = cut_batch()
    feed = feed_with(ground, *CUT_TOTALS)
    ground.put("a.xml", text.replace("<Amount>2.00</Amount>", "<Amount>2.00</Amoun >"))
    run_id, numbers = ground.prepare(feed, {"a.xml": cuts})
    for number in numbers:
        ground.load(feed, run_id, number)
    error = ground.reconcile(feed, run_id) or ""
    assert "1 file quarantined" in error
    assert "stated total" not in error
    assert {is_complete for *_, is_complete in of_files(ground)} == {False}


# -- again ------------------------------------------------------------------------------------------------------------


def test_a_retry_of_any_stage_changes_nothing(ground: Ground) -> None:
    text, cuts = cut_batch(4)
    feed = feed_with(ground, *CUT_TOTALS)
    ground.put("a.xml", text)
    run_id, numbers = ground.prepare(feed, {"a.xml": cuts})
    for number in numbers:
        parse(ground.tools(feed), run_id, number)
        validate(ground.tools(feed), run_id, number)
        ground.load(feed, run_id, number)
    first, kept = ground.reconcile(feed, run_id), of_files(ground)
    for number in numbers:
        ground.load(feed, run_id, number)
    assert (ground.reconcile(feed, run_id), of_files(ground)) == (first, kept)


def test_a_retry_of_reconcile_after_a_later_run_has_loaded_the_file_again_changes_nothing(ground: Ground) -> None:
    feed = feed_with(ground, f"{{path: {COUNT}, counts: payments}}")
    ground.put("a.xml", batch(payment(1, "1.00"), trailer(2, 1)))
    run_id, numbers = ground.prepare(feed)
    for number in numbers:
        ground.load(feed, run_id, number)
    first = ground.reconcile(feed, run_id)
    assert first is not None
    assert ground.run(feed, reload="all") is not None
    assert ground.reconcile(feed, run_id) == first


def test_loading_again_replaces_what_was_kept(ground: Ground, feed: Feed) -> None:
    ground.put("a.xml", batch(payment(1, "1.00", 5), trailer(1, 1)))
    assert ground.run(feed) is None
    other = feed_with(ground, f"{{path: {COUNT}, counts: fees}}")
    assert ground.run(other, reload="all") is None
    assert of_files(ground) == [("a.xml", "", "count of fees", 1, 1, 0, True)]


def test_a_file_that_a_replay_loads_whole_is_compared_then(ground: Ground) -> None:
    """In its own run it was quarantined, so that nothing was known of it."""
    feed = feed_with(ground, f"{{path: {COUNT}, counts: payments}}", more="max_record_bytes: 2048")
    ground.put("a.xml", batch(payment(1, "1.00"), "<Pad>", "x" * 8_000_000, "</Pad>", trailer(2, 1)))
    assert "too_large" in (ground.run(feed) or "")
    assert of_files(ground) == []
    wider = feed_with(ground, f"{{path: {COUNT}, counts: payments}}", more="max_record_bytes: 16777216")
    with pytest.raises(RunFailed, match=r"Count says 2, but the count of payments is 1"):
        ground.replay(wider)


def test_a_replay_of_records_leaves_what_was_found(ground: Ground, feed: Feed) -> None:
    ground.put("a.xml", batch(payment(1, "1.00"), payment(2, "x"), trailer(2, 1)))
    assert ground.run(feed) is None
    mended = TABLES.replace("required: true", "null: x") + TOTALS
    assert "1 of 1 entry passed" in ground.replay(ground.feed(mended, name="payments")).line()
    assert stated_and_found(ground) == [(2, 2), (1, 1)]
