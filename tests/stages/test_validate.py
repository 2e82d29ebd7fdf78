"""validate: row-level expectations reject records, the others hold files, and both are written down."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sluice import reading
from sluice.errors import MalformedXML, PermanentError, WorkFilesGone
from sluice.reading import Section, Unreadable
from sluice.records import Cut, LedgerFile, Part
from sluice.sources import Clients, UriPattern, source_for
from sluice.stages import validate
from sluice.tools import Tools
from sluice.workfiles import WorkFiles

from .batch_on_disk import NUMBER, RUN_ID, BatchOnDisk, ledger_file, raw_record, shop_feed, shop_file, start_of

POSITIVE = {"expect_column_values_to_be_between": {"column": "amount", "min_value": 0}}
SOLD = {"expect_column_values_to_be_between": {"column": "qty", "min_value": 1}}
TOTAL = {"expect_column_sum_to_be_between": {"column": "amount", "max_value": 100}}


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The source, replaced: each part is a ``shop_file``. Gives the parts that were opened."""
    calls: list[int] = []

    def sections(tools: Tools, parts: Sequence[Part]) -> Iterator[Section]:
        for part in parts:
            calls.append(part.part_id)
            yield Section(part, "", io.BytesIO(shop_file()))

    monkeypatch.setattr(validate, "sections", sections)
    return calls


def run(batch: BatchOnDisk) -> validate.ValidateSummary:
    return validate.validate(batch.tools, RUN_ID, NUMBER)


def test_a_record_that_fails_is_rejected_with_its_place_its_bytes_and_the_reason(tmp_path: Path) -> None:
    """All that the quarantine needs, as parse's own rejects have it."""
    batch = BatchOnDisk(shop_feed([POSITIVE]), tmp_path)
    batch.add_part(1, ledger_file(1))
    batch.add_order(1, "5.00")
    bad = batch.add_order(1, "-0.01")
    summary = run(batch.write())
    assert batch.verdict["rejected"] == [bad]
    (reject,) = batch.rejects
    assert (reject["part_id"], reject["ordinal"], reject["line"]) == (1, bad + 1, bad + 2)
    assert (reject["start_byte"], reject["end_byte"]) == (start_of(bad), start_of(bad + 1))
    assert (reject["raw"], reject["raw_is_whole"], reject["context"]) == (raw_record(1).decode(), True, "<Shop>")
    (reason,) = reject["reasons"]
    assert (reason["code"], reason["table"], reason["column"]) == ("expectation_failed", "orders", "amount")
    assert reason["value"] == "-0.01"
    assert (summary.records, summary.accepted, summary.rejected, summary.held) == (2, 1, 1, 0)


def test_a_record_goes_with_its_child_rows_and_for_them(tmp_path: Path) -> None:
    """One bad line rejects its order; the order's other rows are out of every judgement on the batch."""
    lines = [SOLD, {"expect_table_row_count_to_equal": {"value": 1}}]
    orders = [{"expect_table_row_count_to_equal": {"value": 1}}]
    batch = BatchOnDisk(shop_feed(orders, lines), tmp_path)
    batch.add_part(1, ledger_file(1))
    bad = batch.add_order(1, "1", 1, 0, -1)
    batch.add_order(1, "1", 4)
    summary = run(batch.write())
    assert batch.verdict["rejected"] == [bad]
    assert batch.verdict["held_parts"] == []
    (reason,) = batch.rejects[0]["reasons"]
    assert (reason["table"], reason["value"]) == ("lines", "0")
    assert reason["message"].endswith("2 rows of the record")
    assert summary.accepted == 1


def test_reasons_come_from_all_tables(tmp_path: Path) -> None:
    """A record that is wrong in two tables is one reject with two reasons."""
    batch = BatchOnDisk(shop_feed([POSITIVE], [SOLD]), tmp_path)
    batch.add_part(1, ledger_file(1))
    batch.add_order(1, "-1", 0)
    run(batch.write())
    (reject,) = batch.rejects
    assert [reason["table"] for reason in reject["reasons"]] == ["orders", "lines"]


def test_several_root_tables_are_told_apart(tmp_path: Path, opened: list[int]) -> None:
    """Records of different kinds share the batch; each is found in its own table, and a part is read once."""
    notes = [{"expect_column_value_lengths_to_be_between": {"column": "body", "min_value": 3}}]
    batch = BatchOnDisk(shop_feed([POSITIVE], notes=notes), tmp_path)
    batch.add_part(1, ledger_file(1))
    order = batch.add_order(1, "-1")
    note = batch.add_note(1, "no")
    batch.add_note(1, "long enough")
    summary = run(batch.write())
    assert [reject["ordinal"] for reject in batch.rejects] == [order + 1, note + 1]
    assert [reject["reasons"][0]["table"] for reject in batch.rejects] == ["orders", "notes"]
    assert [reject["raw"] for reject in batch.rejects] == [raw_record(0).decode(), raw_record(1).decode()]
    assert opened == [1]
    assert (summary.records, summary.rejected) == (3, 2)


def test_parts_that_parse_gave_up_are_left_out(tmp_path: Path) -> None:
    """Rows that were written before a part failed are judged by nobody and counted nowhere."""
    batch = BatchOnDisk(shop_feed([POSITIVE, TOTAL]), tmp_path)
    batch.add_part(1, ledger_file(1))
    batch.add_part(2, ledger_file(2), failed=True)
    batch.add_order(1, "1")
    batch.add_order(2, "-5")
    batch.add_order(2, "9999")
    summary = run(batch.write())
    assert (batch.verdict["rejected"], batch.verdict["held_parts"]) == ([], [])
    assert summary.records == 1


def test_records_that_parse_rejected_are_not_counted_again(tmp_path: Path) -> None:
    """``records`` are those that came to the gate."""
    batch = BatchOnDisk(shop_feed([POSITIVE]), tmp_path, rejected_by_parse=4)
    batch.add_part(1, ledger_file(1))
    batch.add_order(1, "1")
    assert run(batch.write()).records == 1


def test_only_the_guilty_files_are_held(tmp_path: Path) -> None:
    """All parts of a file that fails alone are held; the other files of the batch go on."""
    batch = BatchOnDisk(shop_feed([TOTAL]), tmp_path)
    for part_id, file_id in ((1, 1), (2, 2), (3, 2), (4, 3)):
        batch.add_part(part_id, ledger_file(file_id))
    batch.add_order(1, "10")
    batch.add_order(2, "60")
    batch.add_order(3, "60")
    batch.add_order(4, "99")
    summary = run(batch.write())
    assert batch.verdict["held_parts"] == [2, 3]
    assert batch.verdict["reason"] == (
        "orders: expect_column_sum_to_be_between(column=amount, max_value=100) failed, observed 229;"
        " held: s3://in/file-2.xml of 3 files"
    )
    assert (summary.accepted, summary.held) == (2, 2)
    assert batch.rejects == []


def test_all_files_are_held_where_none_fails_alone(tmp_path: Path) -> None:
    """The fault lies in their sum, so no file can be let through."""
    batch = BatchOnDisk(shop_feed([TOTAL]), tmp_path)
    for part_id in (1, 2):
        batch.add_part(part_id, ledger_file(part_id))
        batch.add_order(part_id, "60")
    summary = run(batch.write())
    assert batch.verdict["held_parts"] == [1, 2]
    assert "no file fails alone, so all 2 are held" in (summary.reason or "")


def test_a_batch_of_one_file_is_held_whole(tmp_path: Path) -> None:
    """There is nobody else to suspect; a part that parse gave up is quarantined, not held."""
    batch = BatchOnDisk(shop_feed([TOTAL]), tmp_path)
    batch.add_part(1, ledger_file(1))
    batch.add_part(2, ledger_file(1))
    batch.add_part(3, ledger_file(1), failed=True)
    batch.add_order(1, "60")
    batch.add_order(2, "60")
    summary = run(batch.write())
    assert batch.verdict["held_parts"] == [1, 2]
    assert summary.held == 2


def test_a_file_without_rows_is_guilty_only_of_their_number(tmp_path: Path) -> None:
    """A file may hold no line at all; only an expectation on the row count minds."""
    mean = {"expect_column_mean_to_be_between": {"column": "qty", "max_value": 5}}
    batch = BatchOnDisk(shop_feed([], [mean]), tmp_path)
    batch.add_part(1, ledger_file(1))
    batch.add_part(2, ledger_file(2))
    batch.add_order(1, "1")
    batch.add_order(2, "1", 50)
    run(batch.write())
    assert batch.verdict["held_parts"] == [2]


def test_each_expectation_finds_its_own_guilty(tmp_path: Path) -> None:
    """What one file fails alone does not clear the others of what they fail together."""
    count = {"expect_table_row_count_to_be_between": {"max_value": 2}}
    batch = BatchOnDisk(shop_feed([TOTAL, count]), tmp_path)
    for part_id in (1, 2, 3):
        batch.add_part(part_id, ledger_file(part_id))
    batch.add_order(1, "500")
    batch.add_order(2, "1")
    batch.add_order(3, "1")
    run(batch.write())
    assert batch.verdict["held_parts"] == [1, 2, 3]
    held = {result["type"]: len(result["held_files"]) for result in batch.verdict["results"]}
    assert held == {"expect_column_sum_to_be_between": 1, "expect_table_row_count_to_be_between": 3}


def test_a_held_file_is_held_with_its_rejects(tmp_path: Path, opened: list[int]) -> None:
    """They do not count as rejected while it waits as a whole; somebody may release it, without them."""
    batch = BatchOnDisk(shop_feed([POSITIVE, TOTAL]), tmp_path)
    batch.add_part(1, ledger_file(1))
    batch.add_part(2, ledger_file(2))
    waiting = batch.add_order(1, "-1")
    batch.add_order(1, "500")
    bad = batch.add_order(2, "-1")
    summary = run(batch.write())
    assert (summary.records, summary.accepted, summary.rejected, summary.held) == (3, 0, 1, 2)
    assert [reject["ordinal"] for reject in batch.rejects] == [waiting + 1, bad + 1]
    assert opened == [1, 2]


@pytest.mark.parametrize("severity", ["warning", "info"])
def test_what_is_not_critical_is_only_reported(tmp_path: Path, severity: str) -> None:
    """It is in the verdict and in the line, and changes nothing."""
    batch = BatchOnDisk(shop_feed([{**POSITIVE, "severity": severity}, {**TOTAL, "severity": severity}]), tmp_path)
    batch.add_part(1, ledger_file(1))
    batch.add_order(1, "-1")
    batch.add_order(1, "500")
    summary = run(batch.write())
    assert (batch.verdict["rejected"], batch.verdict["held_parts"], batch.verdict["reason"]) == ([], [], None)
    assert [result["success"] for result in batch.verdict["results"]] == [False, False]
    assert summary.warnings == 2
    assert "2 expectations" in summary.line()
    assert "2 with a warning" in summary.line()


def test_the_line_tells_it_all() -> None:
    """One line for the task log."""
    summary = validate.ValidateSummary(3, 12400, 12398, 2, 0, 8, 0, 0.42)
    assert summary.line() == (
        "validate: batch 3: 12,400 records, 12,398 accepted, 2 rejected by the gate, 0 held; 8 expectations in 0.4 s"
    )


def test_a_rerun_overwrites_its_own_output(tmp_path: Path) -> None:
    """The same batch gives the same verdict; nothing of an earlier one stays."""
    batch = BatchOnDisk(shop_feed([POSITIVE]), tmp_path)
    batch.add_part(1, ledger_file(1))
    batch.add_order(1, "-1")
    run(batch.write())
    first = (batch.verdict, batch.rejects)
    run(batch)
    assert (batch.verdict, batch.rejects) == first
    batch.rows["orders"][0]["amount"] = "1"
    run(batch.write())
    assert (batch.verdict["rejected"], batch.rejects) == ([], [])


def test_a_page_is_kept_for_each_judged_table(tmp_path: Path) -> None:
    """Data Docs, as HTML and as JSON, without any value of the data."""
    secret = "4929-8842"
    notes = [{"expect_column_values_to_be_in_set": {"column": "body", "value_set": ["fine"]}}]
    batch = BatchOnDisk(shop_feed([POSITIVE], notes=notes), tmp_path)
    batch.add_part(1, ledger_file(1))
    batch.add_order(1, "-77123.45")
    batch.add_note(1, secret)
    run(batch.write())
    pages = sorted((tmp_path / "data_docs" / "shop" / str(RUN_ID)).iterdir())
    assert [page.name for page in pages] == [
        f"batch-0003-{table}.{kind}" for table in ("notes", "orders") for kind in ("html", "json")
    ]
    texts = "".join(page.read_text() for page in pages) + json.dumps(batch.verdict)
    assert secret not in texts
    assert "77123" not in texts
    assert "shop.orders" in pages[2].read_text()


def test_a_wrong_expectation_fails_the_task(tmp_path: Path) -> None:
    """It is nobody's data that is wrong, so nothing is rejected for it."""
    batch = BatchOnDisk(shop_feed([{"expect_column_values_to_be_nul": {"column": "amount"}}]), tmp_path)
    batch.add_part(1, ledger_file(1))
    with pytest.raises(PermanentError, match=r"table orders: expect_column_values_to_be_nul: .*did you mean"):
        run(batch.write())


def test_missing_work_files_are_told_with_what_to_clear(tmp_path: Path) -> None:
    """Another try would not find them either."""
    batch = BatchOnDisk(shop_feed([POSITIVE]), tmp_path)
    batch.add_part(1, ledger_file(1))
    batch.write()
    Path(batch.work.table("shop", RUN_ID, NUMBER, "orders")).unlink()
    with pytest.raises(WorkFilesGone, match="clear the run"):
        run(batch)


def test_a_batch_of_which_nothing_is_left_is_judged_all_the_same(tmp_path: Path) -> None:
    """All parts failed: zero rows, no verdict against anybody."""
    batch = BatchOnDisk(shop_feed([POSITIVE, TOTAL]), tmp_path)
    batch.add_part(1, ledger_file(1), failed=True)
    summary = run(batch.write())
    assert (summary.records, summary.reason) == (0, None)


def test_without_expectations_the_gate_stands_open(tmp_path: Path, opened: list[int]) -> None:
    """The verdict is trivial, no row is read, and Great Expectations is not even imported."""
    batch = BatchOnDisk(shop_feed([]), tmp_path)
    batch.add_part(1, ledger_file(1))
    batch.add_order(1, "-1")
    batch.write()
    for table in batch.feed.tables:
        Path(batch.work.table("shop", RUN_ID, NUMBER, table)).unlink()
    summary = run(batch)
    assert batch.verdict == {"rejected": [], "held_parts": [], "results": [], "reason": None}
    assert (batch.rejects, opened) == ([], [])
    assert (summary.accepted, summary.expectations) == (1, 0)
    program = "import sys; import sluice.stages.validate; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_bytes_of_a_reject_come_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real source: what lies at the record's place in the file is what the quarantine gets."""
    monkeypatch.undo()
    xml = tmp_path / "in.xml"
    record = b'<Order id="0"><Amt>-1</Amt></Order>'
    xml.write_bytes(b"<Shop>" + record + b"</Shop>")
    work = WorkFiles(str(tmp_path / "work"))
    (listed,) = source_for(str(xml), Clients(), work, "shop").list_files(UriPattern(str(xml)), [])
    file = ledger_file(1, listed.uri)
    file = type(file)(1, listed.uri, listed.version, listed.size_bytes, listed.modified_at, None)
    batch = BatchOnDisk(shop_feed([POSITIVE]), tmp_path / "work")
    batch.add_part(1, file)
    batch.add_order(1, "-1")
    batch.rows["orders"][0].update(_offset=6, _length=len(record))
    run(batch.write())
    (reject,) = batch.rejects
    assert reject["raw"].encode() == record
    assert reject["raw_is_whole"]


def test_rejects_are_written_slice_by_slice_from_one_pass(
    tmp_path: Path, opened: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many of a part there are, in the order of their places."""
    monkeypatch.setattr(validate, "_SLICE_RECORDS", 3)
    batch = BatchOnDisk(shop_feed([POSITIVE]), tmp_path)
    for part_id in (1, 2):
        batch.add_part(part_id, ledger_file(part_id))
    for number in range(16):
        batch.add_order(1 + number % 2, "-1" if number < 14 else "1")
    batch.rows["orders"].reverse()
    assert run(batch.write()).rejected == 14
    assert [reject["ordinal"] for reject in batch.rejects] == [*range(1, 15, 2), *range(2, 15, 2)]
    assert all(reject["raw"] == raw_record(reject["ordinal"] - 1).decode() for reject in batch.rejects)
    assert {reason["value"] for reject in batch.rejects for reason in reject["reasons"]} == {"-1.00"}
    assert opened == [1, 2]


def test_rejects_of_many_parts_are_told_apart(tmp_path: Path) -> None:
    """Each is given to its own part, however many parts have how many."""
    batch = BatchOnDisk(shop_feed([POSITIVE]), tmp_path)
    expected = []
    for number, part_id in enumerate(random.Random(1).sample(range(1, 1000), 60)):
        batch.add_part(part_id, ledger_file(part_id))
        expected += [(part_id, batch.add_order(part_id, "-1") + 1) for _ in range(1 + number % 3)]
    run(batch.write())
    assert sorted((reject["part_id"], reject["ordinal"]) for reject in batch.rejects) == sorted(expected)


def test_a_reject_whose_bytes_are_gone_is_written_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place and its reason are known all the same."""
    gone = MalformedXML("source_changed", "gone")
    monkeypatch.setattr(validate, "sections", lambda _, parts: (Unreadable(part, gone) for part in parts))
    batch = BatchOnDisk(shop_feed([POSITIVE]), tmp_path)
    batch.add_part(1, ledger_file(1))
    bad = batch.add_order(1, "-1")
    assert run(batch.write()).rejected == 1
    (reject,) = batch.rejects
    assert (reject["ordinal"], reject["raw"], reject["raw_is_whole"]) == (bad + 1, "", False)


def test_members_of_one_archive_are_read_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many of them have rejects."""
    monkeypatch.undo()
    passes: list[str] = []
    open_raw = reading.open_raw
    monkeypatch.setattr(reading, "open_raw", lambda *args: passes.append(args[1].uri) or open_raw(*args))
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20):
            archive.writestr(f"{number}.xml", shop_file(number + 1))
    work = WorkFiles(str(tmp_path / "work"))
    (listed,) = source_for(str(path), Clients(), work, "shop").list_files(UriPattern(str(path)), [])
    file = LedgerFile(1, listed.uri, listed.version, listed.size_bytes, listed.modified_at, None)
    batch = BatchOnDisk(shop_feed([POSITIVE]), tmp_path / "work")
    for number in range(20):
        batch.parts.append(Part(number, file, Cut(f"{number}.xml")))
        batch.add_order(number, "-1")
        batch.rows["orders"][-1]["_member"] = f"{number}.xml"
    run(batch.write())
    assert [reject["raw"] for reject in batch.rejects] == [raw_record(number).decode() for number in range(20)]
    assert len(passes) == 1
