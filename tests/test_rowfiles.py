"""The files of rows: what is written comes back, in groups, and nothing else of it is held."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest

from sluice.rowfiles import GROUP_BYTES, GROUP_ROWS, RowWriter, read_groups, read_rows

ROWS = pa.table({"number": pa.array([1, None, 3]), "text": pa.array(["a", "", None]), "items": [["x"], [], None]})


def written(*tables: pa.Table, is_packed: bool = False) -> io.BytesIO:
    file = io.BytesIO()
    writer = RowWriter(file, tables[0].schema, is_packed=is_packed)
    for table in tables:
        writer.write(table)
    writer.finish()
    return file


@pytest.mark.parametrize("is_packed", [False, True])
def test_rows_come_back_as_they_were(is_packed: bool) -> None:
    file = written(ROWS, ROWS.slice(0, 0), ROWS.slice(1), is_packed=is_packed)
    assert read_rows(file).equals(pa.concat_tables([ROWS, ROWS.slice(1)]))
    assert read_rows(file, ["text", "number"]).equals(
        pa.concat_tables([ROWS, ROWS.slice(1)]).select(["text", "number"])
    )
    assert [group.column_names for group in read_groups(file, without=["text"])] == [["number", "items"]]


def test_a_file_without_rows_has_its_columns() -> None:
    file = written(ROWS.slice(0, 0))
    assert read_rows(file, ["items"]).equals(ROWS.slice(0, 0).select(["items"]))


def test_packed_rows_are_smaller() -> None:
    many = pa.table({"text": ["the same"] * 1000})
    assert len(written(many, is_packed=True).getvalue()) * 2 < len(written(many).getvalue())


@pytest.mark.parametrize("text", ["", "x" * 5000])
def test_groups_are_bounded_and_small_ones_are_joined(text: str) -> None:
    one = pa.table({"number": range(100), "text": [text] * 100})
    groups = list(read_groups(written(*[one] * 500)))
    assert sum(group.num_rows for group in groups) == 50_000
    assert all(group.num_rows < GROUP_ROWS + 100 for group in groups)
    assert all(group.nbytes < GROUP_BYTES + one.nbytes for group in groups)
    assert len(groups) < 500 / 3


def test_a_column_that_is_kept_does_not_keep_the_others() -> None:
    file = written(pa.table({"number": range(1000), "text": ["x" * 1000] * 1000}))
    before = pa.total_allocated_bytes()
    kept = [group.select(["number"]) for group in read_groups(file)]
    assert sum(table.num_rows for table in kept) == 1000
    assert pa.total_allocated_bytes() - before < 100_000


def test_a_file_that_was_not_finished_is_none() -> None:
    file = io.BytesIO()
    RowWriter(file, ROWS.schema, is_packed=False).write(ROWS)
    with pytest.raises(pa.ArrowInvalid):
        read_rows(file)
