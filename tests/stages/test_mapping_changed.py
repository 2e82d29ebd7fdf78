"""A run uses the mapping that fetch froze: under another one its stages refuse to go on, and nothing is lost."""

from __future__ import annotations

import pytest
from tests.small_feeds import ITEMS, Ground, item, items

from sluice.errors import MappingChanged
from sluice.stages.fetch import fetch
from sluice.stages.load import load
from sluice.stages.parse import parse
from sluice.stages.split import split
from sluice.stages.validate import validate

NEW = ITEMS.replace("name: Name", "name: {path: Name, null: [n]}")


@pytest.mark.parametrize("options", [{}, {"reload": "all"}, {"dry_run": True}], ids=str)
def test_stages_refuse_another_mapping(ground: Ground, options: dict[str, object]) -> None:
    """A dry run keeps no mapping; its stages hold to that of split."""
    ground.put("a.xml", items(item("a")))
    old = ground.tools(ground.feed(ITEMS))
    run_id = fetch(old, ground.request(old.feed, **options)).run_id
    new = ground.tools(ground.feed(NEW))
    if not options.get("dry_run"):
        with pytest.raises(MappingChanged, match=r"feed items: its mapping .* has changed since this run's fetch"):
            split(new, run_id)
    split(old, run_id)
    for stage in (parse, validate, load):
        with pytest.raises(MappingChanged):
            stage(new, run_id, 0)
        stage(old, run_id, 0)
    assert ground.reconcile(new.feed, run_id) is None  # which only counts
    assert ground.reconcile(old.feed, run_id) is None


def test_what_decides_no_rows_may_change_at_any_time(ground: Ground) -> None:
    ground.put("a.xml", items(item("a")))
    run_id, _ = ground.prepare(ground.feed(ITEMS))
    assert ground.load(ground.feed(ITEMS, more="owner: somebody\nrejects: {max_files: 9}"), run_id).counts.inserted == 1


def test_a_batch_from_the_ledger_is_held_to_the_mapping_too(ground: Ground) -> None:
    ground.put("a.xml", items(item("a")))
    run_id, _ = ground.prepare(ground.feed(ITEMS))
    ground.work.remove_run("items", run_id)
    with pytest.raises(MappingChanged):
        parse(ground.tools(ground.feed(NEW)), run_id, 0)
    assert parse(ground.tools(ground.feed(ITEMS)), run_id, 0).records == 1


def test_a_run_that_publishes_as_one_is_left_and_the_next_takes_its_files(ground: Ground) -> None:
    """Putting the old mapping back and clearing reconcile would publish it as well."""
    more = "publish: run"
    ground.put("a.xml", items(item("a")))
    run_id, _ = ground.prepare(ground.feed(ITEMS, more=more))
    error = ground.reconcile(ground.feed(NEW, more=more), run_id)
    assert error is not None
    assert "nothing was published: feed items: its mapping" in error
    assert ground.sql("SELECT state FROM sluice.runs") == [("failed",)]
    assert ground.sql("SELECT FROM sluice.loads") == []
    assert ground.run(ground.feed(NEW, more=more)) is None
    assert ground.sql("SELECT id, name FROM items.items") == [("a", None)]


def test_the_old_mapping_put_back_ends_the_run_as_it_began(ground: Ground) -> None:
    more = "publish: run"
    ground.put("a.xml", items(item("a")))
    run_id, _ = ground.prepare(ground.feed(ITEMS, more=more))
    assert ground.reconcile(ground.feed(NEW, more=more), run_id) is not None
    assert ground.reconcile(ground.feed(ITEMS, more=more), run_id) is None
    assert ground.sql("SELECT id, name FROM items.items") == [("a", "n")]
