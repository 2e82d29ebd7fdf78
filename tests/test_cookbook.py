"""Every recipe of docs/cookbook.md does what it says: its feed loads, and its files become exactly its rows."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import psycopg
import pytest
from tests.cookbook import PAGE, Cells, Grid, Recipe, read_recipes
from tests.small_feeds import Ground
from tests.xml_server import server_with_xml

from sluice import warehouse
from sluice.feed.checking import check_expectations
from sluice.feed.document import read_document
from sluice.feed.layout import PLACE, column_layout, primary_key
from sluice.feed.loading import feeds_root, load_feed
from sluice.feed.model import Feed
from sluice.feed.schema import SCHEMA_FILE
from sluice.feed.types import ColumnType

# all in one process, which then starts one server
pytestmark = pytest.mark.xdist_group("cookbook")

RECIPES = read_recipes(PAGE.read_text())
ASKING = [recipe for recipe in RECIPES if recipe.questions]
ARRIVING = [recipe for recipe in RECIPES if len(recipe.files) > 1]
FIRST, LAST = dt.date(2026, 3, 1), dt.date(2026, 3, 7)
LANDING = "s3://landing"
"""Where files land by a recipe that says so; all others take whatever lies in their folder."""


class Kitchen:
    """Where recipes are cooked, each once: its feed loaded strictly, its files loaded into PostgreSQL."""

    def __init__(self, root: Path, embedded: str, with_xml: str | None) -> None:
        self._root, self._embedded, self._with_xml = root, embedded, with_xml
        self._cooked: dict[int, tuple[Ground, Feed]] = {}

    def lacks_libxml(self, recipe: Recipe) -> bool:
        """A recipe about xml is cooked all the same where there is no libxml, its xml columns as texts."""
        return recipe.wants_libxml and self._with_xml is None

    def serve(self, recipe: Recipe) -> tuple[Ground, Feed]:
        if recipe.number not in self._cooked:
            with pytest.MonkeyPatch.context() as patch:
                if self.lacks_libxml(recipe):
                    _take_xml_for_text(patch)
                self._cooked[recipe.number] = self._cook(recipe, [recipe.files])
        return self._cooked[recipe.number]

    def serve_backwards(self, recipe: Recipe) -> tuple[Ground, Feed]:
        """The files one after another, each in a run of its own, the last one first."""
        other = replace(recipe, number=recipe.number + 100)
        return self._cook(other, [{name: content} for name, content in reversed(recipe.files.items())])

    def _cook(self, recipe: Recipe, arrivals: list[dict[str, str]]) -> tuple[Ground, Feed]:
        root = self._root / recipe.name
        root.mkdir()
        ground = Ground(root, self._with_xml if recipe.wants_libxml and self._with_xml else self._embedded)
        feed = load_feed(write_feed(recipe, root, str(ground.landing)))
        assert check_expectations(feed) == []
        failures = []
        for files in arrivals:
            for name, content in files.items():
                ground.put(name, content)
            failure = ground.run(feed, date_from=FIRST, date_to=LAST)
            failures += [failure.replace(ground.uri(""), "")] if failure else []
        assert [recipe.failure in failure for failure in failures] == ([True] if recipe.failure else [])
        return ground, feed


def write_feed(recipe: Recipe, root: Path, landing: str) -> Path:
    """The whole feed file of a recipe, in a folder of its name."""
    folder = root / recipe.name
    folder.mkdir()
    text = recipe.feed.replace(LANDING, landing)
    source = "" if text.startswith("source:") else f"source: {{uri: '{landing}/**'}}\n"
    (folder / "feed.yaml").write_text(f"feed: {recipe.name}\n{source}{text}")
    return folder


def _take_xml_for_text(patch: pytest.MonkeyPatch) -> None:
    sql = ColumnType.sql.fget  # type: ignore[attr-defined]
    patch.setattr(ColumnType, "sql", property(lambda kind: sql(kind).replace("xml", "text")))
    patch.setattr(warehouse, "_check_xml", lambda connection, feed: None)


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory, shared_database: str) -> Iterator[Kitchen]:
    """One database for all recipes, and one on a server with libxml, where this machine has one."""
    with server_with_xml() as server:
        yield Kitchen(tmp_path_factory.mktemp("cookbook"), shared_database, server.dsn("postgres") if server else None)


def ask(ground: Ground, feed: Feed, question: str) -> Grid:
    """The answer with its values as PostgreSQL spells them, instants in UTC."""
    with psycopg.connect(ground.dsn) as connection:
        connection.execute(f"SET search_path = \"{feed.schema_name}\"; SET timezone = 'UTC'")
        names = [column.name for column in connection.execute(question).description or ()]
        spelled = ", ".join(f'"{name}"::text' for name in names)
        rows = connection.execute(f"SELECT {spelled} FROM ({question}) AS answer").fetchall()
    return Grid(names, [list(row) for row in rows])


def rows_of(ground: Ground, feed: Feed, table: str, header: list[str]) -> list[Cells]:
    columns = ", ".join(f'"{name}"' for name in header)
    return in_order(ask(ground, feed, f'SELECT {columns} FROM "{table}"').rows)


def rejects_of(ground: Ground, feed: Feed, header: list[str]) -> list[Cells]:
    """One for each reason: the file's name, the record's ordinal, the code, table and column, the value."""
    rows = ground.sql(
        "SELECT f.uri, q.ordinal, q.reasons FROM sluice.quarantine q JOIN sluice.files f USING (file_id)"
        " WHERE q.feed = %s",
        feed.feed,
    )
    found = []
    for uri, ordinal, reasons in rows:
        for reason in reasons:
            column = ".".join(filter(None, (reason["table"], reason["column"])))
            cells = {**reason, "file": uri.rpartition("/")[2], "record": str(ordinal), "column": column}
            found.append([cells[name] for name in header])
    return in_order(found)


def in_order(rows: list[Cells]) -> list[Cells]:
    return sorted(rows, key=repr)


def own_columns(feed: Feed, table: str) -> set[str]:
    """All that a recipe must show of a table: its key (but for the place of a record without one), its columns."""
    declared = {column.name for column in column_layout(feed, table) if not column.name.startswith("_")}
    return declared | (set(primary_key(feed, table)) - set(PLACE))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_rows(kitchen: Kitchen, recipe: Recipe) -> None:
    """Its files become these rows in these tables, and these rejects, and nothing in them is left over."""
    ground, feed = kitchen.serve(recipe)
    assert list(recipe.tables) == list(feed.tables)
    for table, grid in recipe.tables.items():
        assert set(grid.header) >= own_columns(feed, table)
        assert rows_of(ground, feed, table, grid.header) == in_order(grid.rows)
    assert ground.sql("SELECT drift -> 'findings' FROM sluice.runs WHERE feed = %s", feed.feed) == [([],)]
    rejects = recipe.rejects or Grid(["code"], [])
    assert rejects_of(ground, feed, rejects.header) == in_order(rejects.rows)


@pytest.mark.parametrize("recipe", ARRIVING, ids=lambda recipe: recipe.title)
def test_order_does_not_matter(kitchen: Kitchen, recipe: Recipe) -> None:
    """Several files give the same rows, whichever comes first."""
    ground, feed = kitchen.serve_backwards(recipe)
    for table, grid in recipe.tables.items():
        assert rows_of(ground, feed, table, grid.header) == in_order(grid.rows)


@pytest.mark.parametrize("recipe", ASKING, ids=lambda recipe: recipe.title)
def test_questions(kitchen: Kitchen, recipe: Recipe) -> None:
    """Its SQL gives these answers."""
    if kitchen.lacks_libxml(recipe):
        pytest.skip("asks PostgreSQL about values of type xml, and no server here was built with libxml")
    ground, feed = kitchen.serve(recipe)
    for question, answer in recipe.questions:
        assert ask(ground, feed, question) == answer


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_feed_fits_the_json_schema(recipe: Recipe, tmp_path: Path) -> None:
    """So an editor finds no fault in what is copied from the page."""
    document = read_document(write_feed(recipe, tmp_path, "/landing") / "feed.yaml")
    schema = json.loads((feeds_root() / SCHEMA_FILE).read_text())
    jsonschema.Draft202012Validator(schema).validate(document.data)


def test_the_page_lists_its_recipes() -> None:
    """They are numbered from 1, at least twenty, and its contents lead to each of them."""
    text = PAGE.read_text()
    assert [recipe.number for recipe in RECIPES] == list(range(1, len(RECIPES) + 1))
    assert len(RECIPES) >= 20
    listed = re.findall(r"^(\d+)\. \[(.+?)\]\(#(\S+)\)", text, re.MULTILINE)
    anchors = [
        re.sub(r"[^\w -]", "", f"{recipe.number}. {recipe.title}".lower()).replace(" ", "-") for recipe in RECIPES
    ]
    assert listed == [
        (str(recipe.number), recipe.title, anchor) for recipe, anchor in zip(RECIPES, anchors, strict=True)
    ]
    fences = len(re.findall(r"^```\w+$", text, re.MULTILINE))
    assert fences == sum(len(recipe.files) + 1 + len(recipe.questions) + bool(recipe.failure) for recipe in RECIPES), (
        "one YAML each"
    )
