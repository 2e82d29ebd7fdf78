"""A feed file is read strictly, and every mistake in it is told with its place and, if there is one, the right word."""

from __future__ import annotations

import copy
import datetime as dt
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.feed_language.conftest import HERE, ORDERS, WriteFeed, assert_one_mistake, problems_of

from sluice.errors import FeedInvalid, FeedProblem
from sluice.feed.loading import feed_names, feeds_root, load_feed, load_feeds
from sluice.feed.model import Feed
from sluice.feed.rules import OWN_DAGS
from sluice.plan import Plan


def test_sound_feed(write_feed: WriteFeed) -> None:
    """A sound feed says what its file says; short forms and defaults are filled in."""
    feed = load_feed(write_feed())
    orders = feed.tables["orders"]
    assert feed.schema_name == "sales"
    assert feed.schedule.start == dt.date(2024, 1, 1)
    assert feed.namespaces == {"default": ("urn:shop:1", "urn:shop:2"), "ext": ("urn:shop:ext",)}
    assert (orders.key, orders.version) == (("id",), ("changed", "revision"))
    assert orders.columns["id"].path == ("@id",)
    assert orders.columns["total"].type == "numeric(18,2)"
    assert orders.columns["revision"].null == ("", "n/a")
    assert orders.indexes == (("total",), ("ordered_on", "total"))
    assert [(item.type, item.severity) for item in orders.expectations] == [
        ("expect_column_values_to_be_between", "warning"),
        ("expect_column_values_to_not_be_null", "critical"),
    ]
    assert [(table, item.arguments) for table, item in feed.run.expectations] == [("orders", {"min_value": 1})]
    assert feed.family_of("orders") == ["orders", "lines", "notes"]
    assert (feed.rejects.max_files, feed.malformed, feed.xsd) == (None, "reject", None)
    assert feed.folder.is_absolute()


SINGLE_MISTAKES = {
    # keys and types of values
    "unknown key": ("description: The", "¦descriptoin: The", "unknown key", "description"),
    "unknown key of a column": ("required: true", "¦requird: true", "unknown key", "required"),
    "unknown key of the source": ("settle_seconds", "¦settle_second", "unknown key", "settle_seconds"),
    "field name in place of its alias": ("  schema: sales", "  ¦db_schema: sales", "unknown key", "schema"),
    "key twice": ("      sku: Sku\n", "      sku: Sku\n      ¦sku: Sku\n", "stands here twice, first in line 38", None),
    "missing key": (
        "    columns:\n      sku: Sku\n      name: [Name, Label]\n  notes",
        "  notes",
        "'columns' is missing",
        None,
    ),
    "column without path": ("text: .", "¦text: {type: text}", "the key 'path' is missing", None),
    "text for a number": (
        "settle_seconds: 60",
        "settle_seconds: ¦soon",
        "must be a whole number, not the text 'soon'",
        None,
    ),
    "number below its limit": ("settle_seconds: 60", "settle_seconds: ¦-1", "must be at least 0, not -1", None),
    "number above its limit": ("max_share: 0.1", "max_share: ¦10", "must be at most 1", None),
    "number too small": ("run:", "max_record_bytes: ¦10\nrun:", "must be at least 1024", None),
    "yes is no boolean": ("trim: true", "trim: ¦yes", "must be true or false, not the text 'yes'", "true"),
    "number for a text": (
        "namespaces:",
        "owner: ¦7\nnamespaces:",
        "must be a text, not the number 7; put it in quotes",
        None,
    ),
    "number in a list of texts": ("[shop, daily]", "[shop, ¦2]", "must be a text, not the number 2", None),
    "mapping for a list of texts": (
        "[shop, daily]",
        "¦{shop: daily}",
        "a text or a list of texts, not a mapping",
        None,
    ),
    "text for a mapping": ("rejects: {max_share: 0.1, max_files: null}", "rejects: ¦none", "must be a mapping", None),
    "nothing for a column": ("text: .", "text: ¦~", "a column is a path, a list of paths, or a mapping", None),
    "no path": ("sku: Sku", "sku: ¦[]", "at least one is needed", None),
    "unknown choice": ("severity: warning", "severity: ¦warnning", "one of critical, warning, info", "warning"),
    "bad name of a column": ("sku: Sku", "¦Sku-No: Sku", "no name for PostgreSQL", "sku_no"),
    "bad name of a table": ("  notes:\n", "  ¦Notes:\n", "no name for PostgreSQL", "notes"),
    "bad date": ("start: 2024-01-01", "start: ¦2024-13-01", "is not a date", None),
    "bad time zone": ("Europe/Zurich", "¦Europe/Zurik", "unknown time zone", "Europe/Zurich"),
    "bad cron": ('"30 5 * * mon-fri"', '¦"30 5 * *"', "has 4 fields", None),
    "bad cron field": ('"30 5 * * mon-fri"', '¦"30 25 * * *"', "'25' is no hour", None),
    "bad cron preset": ('"30 5 * * mon-fri"', '¦"@dayly"', "unknown schedule", "@daily"),
    "date without a year": ("{date:%Y/%m/%d}", "{date:%m/%d}", "the date has no year", None),
    "bucket with a wildcard": ("s3://bucket/", "¦s3://*/", "needs the bucket's name", None),
    "bad scheme": ("uri: s3://", "uri: ¦htp://", "unknown scheme 'htp'", "http"),
    "bad placeholder": (
        "uri: s3://bucket/orders/{date:",
        "uri: ¦s3://bucket/orders/{day:",
        "dates are written like",
        None,
    ),
    "NUL in a text": ("description: One order.", 'description: ¦"a\\0b"', "NUL", None),
    "application tag": ("description: One order.", "description: ¦!secret x", "the tag '!secret'", None),
    # paths and types
    "bad path": ("sku: Sku", "sku: ¦Sku//No", "expected a name at position 5", None),
    "bad path in a list": ("[Name, Label]", "[Name, ¦'Label[1]']", "positions are not part of the path language", None),
    "absolute column path": ("sku: Sku", "sku: ¦/Orders/Sku", "starts at the root", None),
    "relative record path": ("record: /Orders", "record: ¦Orders", "starts at the document's root", "/Orders/Order"),
    "attribute as record": ("record: /Orders/Order", "record: ¦/Orders/Order/@id", "names elements only", None),
    "rows above": ("rows: Note", "rows: ¦../Note", "names elements below the parent's row", None),
    "path out of the document": (
        "../../../Author",
        "¦../../../../../Author",
        "out of the document: there are 4 elements above",
        "../../../../Author",
    ),
    "out of the document without an end": ("text: .", "text: ¦../../../../..", "leads out of the document", None),
    "text of the root": ("text: .", "text: ¦../../../..", "as in '../../../../@id'", None),
    "text above the record": ("sku: Sku", "sku: ¦../../..", "is an element above the record, and its text", None),
    "path to the records": (
        "sku: Sku",
        "sku: ¦../../../Order/@id",
        "leads to where the records '/Orders/Order' are",
        None,
    ),
    "unknown prefix": ("sku: Sku", "sku: ¦exd:Sku", "the prefix 'exd' is not declared", "ext"),
    "prefix of XML": ("namespaces:", "namespaces:\n  ¦xsi: urn:x", "has its meaning from XML itself", None),
    "prefix without URI": ("namespaces:", "namespaces:\n  a: ¦[]", "at least one namespace URI", None),
    "unknown type": ("type: integer", "type: ¦int", "unknown type 'int'", "integer"),
    "misspelt type": ("type: date,", "type: ¦dte,", "unknown type 'dte'", "date"),
    "type of a database": ('"numeric(18, 2)"', '¦"decimal(18,2)"', "unknown type", "numeric(18,2)"),
    "numeric without digits": ('"numeric(18, 2)"', "¦numeric", "numeric needs its digits", None),
    "format of another language": ('"%d.%m.%Y"', "¦dd.MM.yyyy", "no strptime directive", "%d.%m.%Y"),
    "unknown directive": ('"%d.%m.%Y"', '¦"%d.%m.%Q"', "strptime knows no %Q", None),
    "idle formats": ("path: Revision,", "path: Revision, ¦formats: '%Y',", "`formats` are for dates", None),
    "idle zone": ("path: Date,", "path: Date, ¦timezone: UTC,", "`timezone` is for timestamptz", None),
    "idle trim": ("path: Revision,", "path: Revision, ¦trim: true,", "`trim` is for text", None),
    "first of a list": ("path: Code,", "path: Code, ¦first: true,", "takes all elements", None),
    # rules between keys
    "unknown key column": ("key: id", "key: ¦idd", "no column 'idd' in the table 'orders'", "id"),
    "unknown version column": ("version: [changed, revision]", "version: [changed, ¦revison]", "no column", "revision"),
    "unknown index column": ("[ordered_on, total]", "[¦ordered, total]", "no column 'ordered'", "ordered_on"),
    "unknown column of a single index": ("indexes: [total,", "indexes: [¦totl,", "no column 'totl'", "total"),
    "column twice in the key": ("key: id", "key: [id, ¦id]", "'id' stands here twice", None),
    "file date beside columns": ("version: [changed, revision]", "version: [changed, ¦file_date]", "by itself", None),
    "key without version": (
        "    key: id\n    version: [changed, revision]",
        "    ¦key: id",
        "a key needs `version`",
        None,
    ),
    "version without key": ("    key: id\n    version: [", "    ¦version: [", "this table has no `key`", None),
    "key of a child": ("    rows: Note\n", "    rows: Note\n    ¦key: text\n", "has no `key` of its own", None),
    "parent of a root": (
        "    key: id\n",
        "    ¦parent: lines\n    key: id\n",
        "is a root table and has no `parent`",
        None,
    ),
    "rows without parent": ("    parent: lines\n", "", "`parent` and `rows` go together", None),
    "neither root nor child": ("    parent: lines\n    rows: Note\n", "", "a table is a root", None),
    "unknown parent": ("parent: lines", "parent: ¦line", "no table 'line'", "lines"),
    "own parent": ("parent: lines", "parent: ¦notes", "cannot hang on itself", None),
    "key column in a child": ("sku: Sku", "¦id: Sku", "is added to every table below it", None),
    "system column": ("sku: Sku", "¦xmin: Sku", "PostgreSQL has a system column", None),
    "xml in an index": (
        'path: Date, type: date, formats: "%d.%m.%Y"',
        "path: Date, type: xml",
        "are not compared",
        None,
    ),
    "reserved schema": ("schema: sales", "schema: ¦sluice", "is not free for tables", None),
    "two expectations in one": (
        "        severity: warning",
        "        ¦expect_column_to_exist: {column: id}",
        "begin this one with a dash of its own",
        None,
    ),
    "key beside an expectation": ("severity: warning", "¦severty: warning", "only `severity` may stand", "severity"),
    "severity as argument": ("min_value: 0}", "min_value: 0, ¦severity: info}", "stands beside the expectation", None),
    "no expectation": (
        "- expect_table_row_count_to_be_between: {min_value: 1}",
        "- ¦{min_value: 1}",
        "is `expect_",
        None,
    ),
    "arguments in a list": ("not_be_null: {column: ordered_on}", "not_be_null: ¦[ordered_on]", "are a mapping", None),
    "unknown column of an expectation": ("{column: ordered_on}", "{column: ¦orderd_on}", "no column", "ordered_on"),
    "uniqueness": (
        "- expect_column_values_to_not_be_null: {column: o",
        "- ¦expect_column_values_to_be_unique: {column: o",
        "`key`",
        None,
    ),
    "expectation for a batch on a run": (
        "- expect_table_row_count_to_be_between: {min_value: 1}",
        "- ¦expect_column_values_to_not_be_null: {column: id}",
        "no expectation on a whole run",
        None,
    ),
    "expectation on an unknown table": (
        "    orders:\n      - expect_table",
        "    ¦order:\n      - expect_table",
        "no table",
        "orders",
    ),
}


@pytest.mark.parametrize(("old", "new", "message", "suggestion"), SINGLE_MISTAKES.values(), ids=SINGLE_MISTAKES)
def test_single_mistake(write_feed: WriteFeed, old: str, new: str, message: str, suggestion: str | None) -> None:
    assert_one_mistake(write_feed, ORDERS, old, new, message, suggestion)


def test_all_mistakes_at_once(write_feed: WriteFeed) -> None:
    """Mistakes in different places do not hide each other, and come in the order of the file."""
    text = ORDERS
    changes = (
        ("mon-fri", "mondays"),
        ("key: id", "key: idd"),
        ("type: integer", "type: int"),
        ("parent: lines", "parent: line"),
    )
    for old, new in (*changes, ("sku: Sku", "sku: x:Sku"), ("rejects: {", "rejects: {max_record: 1, ")):
        text = text.replace(old, new)
    found = problems_of(write_feed(text))
    assert [problem.where for problem in found] == [
        "schedule.cron",
        "tables.orders.key",
        "tables.orders.columns.revision.type",
        "tables.lines.columns.sku",
        "tables.notes.parent",
        "rejects.max_record",
    ]


def test_more_columns_than_a_table_takes(write_feed: WriteFeed) -> None:
    """PostgreSQL would refuse to make the table, in the first run."""
    many = "".join(f"      x{number}: X{number}\n" for number in range(1600))
    problems = problems_of(write_feed(ORDERS.replace("      sku: Sku\n", f"      sku: Sku\n{many}")))
    assert [problem.where for problem in problems] == ["tables.lines.columns"]
    assert "a table takes 1,550" in problems[0].message


def test_problem_as_text(write_feed: WriteFeed) -> None:
    """A problem is one line: file, line, column, where, what is wrong, and what was meant."""
    folder = write_feed(ORDERS.replace("type: integer", "type: integr"))
    line = str(problems_of(folder)[0])
    assert line.startswith(f"{folder / 'feed.yaml'}:25:40: tables.orders.columns.revision.type: unknown type 'integr'")
    assert line.endswith("(did you mean 'integer'?)")
    assert "\n" not in line


def test_no_words_of_pydantic(write_feed: WriteFeed) -> None:
    """Whatever has the wrong type, the message is in plain words."""
    for value in ("~", "[]", "{}", "3", "3.5", "true", "text", "[[]]", "[{}]", "{a: {b: c}}"):
        for key in Feed.model_fields:
            folder = write_feed(f"{key}: {value}\n")
            message = "\n".join(problem.message for problem in problems_of(folder))
            assert not any(
                word in message for word in ("Input", "valid ", "pydantic", "instance", "is not allowed here")
            )


def test_whatever_is_written(write_feed: WriteFeed) -> None:
    """A feed spoilt anywhere, in any way, loads or answers with problems that lie in the file; it never crashes."""
    chance = random.Random(1)
    document = yaml.safe_load(ORDERS)
    for _ in range(400):
        spoilt = copy.deepcopy(document)
        place, key = chance.choice(list(_places(spoilt)))
        place[key] = chance.choice(
            [None, 1, 2.5, False, "", "x", "a:b/@c", [], {}, ["id", "id"], [[]], {"x": {}}, [{"path": []}]]
        )
        folder = write_feed(yaml.safe_dump(spoilt, sort_keys=False))
        lines = (folder / "feed.yaml").read_text().splitlines()
        outside = [problem for problem in _load(folder) if not 1 <= problem.column <= len(lines[problem.line - 1]) + 1]
        assert outside == []


def _load(folder: Path) -> list[FeedProblem]:
    try:
        load_feed(folder)
    except FeedInvalid as error:
        return error.problems
    return []


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """All containers of a document with the keys in them."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from _places(inner)


@pytest.mark.parametrize(
    "uri",
    ["data/{date:%Y}/*.xml", "${LANDING}/x.xml", "${LANDING:-s3://landing}/{date:%Y%m%d}.xml", "https://x.org/a?b=c"],
)
def test_uri(write_feed: WriteFeed, uri: str) -> None:
    """A sound pattern stays as it is written; whether a variable is set is a matter of the run."""
    text = ORDERS.replace("s3://bucket/orders/{date:%Y/%m/%d}/*.xml", f'"{uri}"')
    assert load_feed(write_feed(text)).source.uri == uri


@pytest.mark.parametrize(
    "path", ["..", "../..", "../../..", "../../../@id", "../../../../@id", "../../../../Sender/Id"]
)
def test_upward_paths(write_feed: WriteFeed, path: str) -> None:
    """Within the record a path takes whole elements, above it attributes, and elements that no record lies in."""
    feed = load_feed(write_feed(ORDERS.replace("text: .", f"text: {path}")))
    assert feed.tables["notes"].columns["text"].path == (path,)
    Plan(feed)


TWO_ROOTS = """\
feed: orders
source: {uri: /landing/*}
namespaces: {a: urn:a, b: urn:b}
tables:
  first: {record: ¦%s, columns: {c: "@c"}}
  second: {record: ¦%s, columns: {c: "@c"}}
"""


@pytest.mark.parametrize(
    ("first", "second", "wrong", "hint"),
    [
        ("/r/rec", "/r/rec/sub", 1, "make 'second' a child table: `parent: first`, `rows: sub`"),
        ("/r/rec/a/b:sub", "/r/rec", 0, "make 'first' a child table: `parent: second`, `rows: a/b:sub`"),
        ("/r", "/r/rec", 1, "make 'second' a child table: `parent: first`, `rows: rec`"),
        ("/a:r/rec", "/b:r/rec/sub", 1, "make 'second' a child table: `parent: first`, `rows: sub`"),
    ],
)
def test_records_within_records(write_feed: WriteFeed, first: str, second: str, wrong: int, hint: str) -> None:
    """The inner table is told to be a child, whichever stands first; records are found by their local names."""
    text = TWO_ROOTS % (first, second)
    before = HERE.join(text.split(HERE)[: wrong + 1]).replace(HERE, "")
    (problem,) = problems_of(write_feed(text.replace(HERE, "")))
    assert problem.message.endswith(f"and a record holds no other records; {hint}")
    assert (problem.line, problem.column) == (before.count("\n") + 1, len(before) - before.rfind("\n"))


def test_records_beside_records(write_feed: WriteFeed) -> None:
    """Names that only begin alike are others, and so are those below another element."""
    for second in ("/r/record", "/r/group/rec", "/r/group/rec2/sub", "/s/rec/sub"):
        feed = load_feed(write_feed((TWO_ROOTS % ("/r/rec", second)).replace(HERE, "")))
        assert list(feed.roots) == ["first", "second"]


def test_circle_of_parents(write_feed: WriteFeed) -> None:
    """Parents that form a circle are told, at each table of it."""
    found = problems_of(write_feed(ORDERS.replace("parent: orders", "parent: notes")))
    assert [problem.where for problem in found] == ["tables.lines.parent", "tables.notes.parent"]
    assert all("form a circle" in problem.message for problem in found)


def test_no_root(write_feed: WriteFeed) -> None:
    """A feed needs a table that takes its rows from the records."""
    found = problems_of(
        write_feed("feed: orders\nsource: {uri: x}\ntables:\n  a: {parent: b, rows: x, columns: {c: d}}\n")
    )
    assert "no table has a `record`" in found[0].message
    assert (found[0].line, found[0].column) == (3, 1)


def test_file_date_column(write_feed: WriteFeed) -> None:
    """`file_date` means the date in the URI; a column of that name cannot be meant beside it."""
    text = ORDERS.replace("version: [changed, revision]", "version: file_date")
    assert load_feed(write_feed(text)).tables["orders"].version_columns == ()
    found = problems_of(write_feed(text.replace("codes: {", "file_date: {")))
    assert [problem.where for problem in found] == ["tables.orders.version"]


BILLION_LAUGHS = "a: &a [ha, ha]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


class TestYaml:
    """The text itself: YAML 1.2, one document, each key once."""

    def test_core_schema(self, write_feed: WriteFeed) -> None:
        """`no`, `on` and dates are texts; octals begin with 0o; keys are texts whatever they look like."""
        arguments = "{value_set: [no, on, 2024-01-01, 0o17, 0x1F, 1e3, .5, ~, TRUE, 1_000], null: x, 12: y}"
        text = ORDERS.replace("{column: ordered_on}", arguments)
        expectation = load_feed(write_feed(text)).tables["orders"].expectations[1]
        values = ["no", "on", "2024-01-01", 15, 31, 1000.0, 0.5, None, True, "1_000"]
        assert expectation.arguments == {"value_set": values, "null": "x", "12": "y"}

    def test_aliases(self, write_feed: WriteFeed) -> None:
        """An anchor may be repeated; a mistake in it is told where it is written."""
        text = ORDERS.replace("sku: Sku", "sku: &sku {path: Sku}").replace("text: .", "text: *sku")
        assert load_feed(write_feed(text)).tables["notes"].columns["text"].path == ("Sku",)
        found = problems_of(write_feed(text.replace("{path: Sku}", "{path: Sku, x: 1}")))
        assert {(problem.line, problem.where) for problem in found} == {
            (38, "tables.lines.columns.sku.x"),
            (38, "tables.notes.columns.text.x"),
        }

    @pytest.mark.parametrize("text", ["feed: &a {x: *a}\n", BILLION_LAUGHS])
    def test_endless_aliases(self, write_feed: WriteFeed, text: str) -> None:
        """An alias inside itself, or aliases that multiply, end in a problem and not in the memory."""
        assert any("repeats its content without end" in problem.message for problem in problems_of(write_feed(text)))

    def test_syntax(self, write_feed: WriteFeed) -> None:
        """What is not YAML is told with its place."""
        (problem,) = problems_of(write_feed("feed: orders\nsource: {uri: x\ntables: {}\n"))
        assert (problem.line, "this is not YAML" in problem.message) == (3, True)

    def test_tab(self, write_feed: WriteFeed) -> None:
        """A tab as indentation is called by its name."""
        (problem,) = problems_of(write_feed("feed: orders\nsource:\n\turi: x\n"))
        assert (problem.line, problem.column, problem.message) == (3, 1, "a tab stands where YAML wants spaces")

    def test_two_documents(self, write_feed: WriteFeed) -> None:
        """A second document is a mistake."""
        (problem,) = problems_of(write_feed(f"{ORDERS}---\nfeed: more\n"))
        assert "single document" in problem.message

    @pytest.mark.parametrize("text", ["", "# only a comment\n"])
    def test_empty(self, write_feed: WriteFeed, text: str) -> None:
        """An empty file is called empty."""
        assert "the file is empty" in [problem.message for problem in problems_of(write_feed(text))]

    @pytest.mark.parametrize("text", ["- feed: orders\n", "orders\n"])
    def test_no_mapping(self, write_feed: WriteFeed, text: str) -> None:
        """A list or a text is no feed."""
        (problem,) = problems_of(write_feed(text))
        assert "must be a mapping" in problem.message

    def test_not_utf8(self, write_feed: WriteFeed) -> None:
        """Another encoding is told at the first byte that does not fit."""
        folder = write_feed()
        (folder / "feed.yaml").write_bytes(b"feed: orders\ndescription: caf\xe9\n")
        (problem,) = problems_of(folder)
        assert (problem.line, problem.column, problem.message) == (2, 17, "the file is not UTF-8")

    def test_control_character(self, write_feed: WriteFeed) -> None:
        """A character that YAML forbids is told with its place."""
        (problem,) = problems_of(write_feed("feed: orders\ndescription: a\x01b\n"))
        assert (problem.line, problem.column) == (2, 15)

    def test_byte_order_mark(self, write_feed: WriteFeed) -> None:
        """A byte order mark, as some editors write it, does no harm."""
        assert load_feed(write_feed(f"\ufeff{ORDERS}")).feed == "orders"


class TestFolder:
    """The folder that a feed lies in."""

    def test_missing_file(self, tmp_path: Path) -> None:
        """A folder without feed.yaml is a problem of that file."""
        (problem,) = problems_of(tmp_path)
        assert problem.source.endswith("feed.yaml")
        assert "no feed here" in problem.message

    def test_other_name(self, write_feed: WriteFeed) -> None:
        """The folder is named like the feed."""
        (problem,) = problems_of(write_feed(name="invoices"))
        assert (problem.line, problem.column, problem.suggestion) == (1, 7, "invoices")

    @pytest.mark.parametrize("name", sorted(OWN_DAGS))
    def test_name_of_a_dag(self, write_feed: WriteFeed, name: str) -> None:
        """A feed's DAG has its name, and these are taken."""
        (problem,) = problems_of(write_feed(ORDERS.replace("feed: orders", f"feed: {name}"), name))
        assert (problem.line, problem.column, problem.suggestion) == (1, 7, f"{name}_feed")
        assert f"{name!r} is a DAG of Sluice's own" in problem.message

    def test_schema_files(self, write_feed: WriteFeed) -> None:
        """XSDs lie in the folder, and exist."""
        folder = write_feed(ORDERS.replace("tables:", "xsd: {files: [order.xsd, types/base.xsd]}\ntables:", 1))
        (folder / "types").mkdir()
        (folder / "types" / "base.xsd").touch()
        (folder / "orders.xsd").touch()
        (problem,) = problems_of(folder)
        assert (problem.where, problem.suggestion) == ("xsd.files[0]", "orders.xsd")

    @pytest.mark.parametrize("file", ["../other/x.xsd", "/etc/passwd", "link.xsd"])
    def test_schema_files_outside(self, write_feed: WriteFeed, tmp_path: Path, file: str) -> None:
        """No path, and no link, leads out of the folder."""
        folder = write_feed(ORDERS.replace("tables:", f"xsd: {{files: {file}}}\ntables:", 1))
        (tmp_path / "elsewhere.xsd").touch()
        (folder / "link.xsd").symlink_to(tmp_path / "elsewhere.xsd")
        (problem,) = problems_of(folder)
        assert "lies outside the feed's folder" in problem.message

    @pytest.mark.parametrize("file", ["a" * 300, "circle.xsd"])
    def test_schema_files_that_are_none(self, write_feed: WriteFeed, file: str) -> None:
        """What the system has against a name is told like any mistake."""
        folder = write_feed(ORDERS.replace("tables:", f"xsd: {{files: {file}}}\ntables:", 1))
        (folder / "circle.xsd").symlink_to("circle.xsd")
        (problem,) = problems_of(folder)
        assert (problem.where, "this is no name of a file" in problem.message) == ("xsd.files", True)


class TestFeeds:
    """All feeds of a folder."""

    def test_sorted_by_name(self, write_feed: WriteFeed, tmp_path: Path) -> None:
        """Folders that hold a feed file count, others do not."""
        for name in ("zebra", "apple"):
            write_feed(ORDERS.replace("feed: orders", f"feed: {name}"), name)
        (tmp_path / "no_feed").mkdir()
        (tmp_path / "file").touch()
        assert feed_names(tmp_path) == ["apple", "zebra"]
        assert list(load_feeds(tmp_path)) == ["apple", "zebra"]

    def test_mistakes_of_all(self, write_feed: WriteFeed, tmp_path: Path) -> None:
        """The mistakes of all feeds are told together."""
        for name in ("a", "b"):
            write_feed("feed: x\n", name)
        with pytest.raises(FeedInvalid) as raised:
            load_feeds(tmp_path)
        assert {Path(problem.source).parent.name for problem in raised.value.problems} == {"a", "b"}

    def test_no_folder(self, tmp_path: Path) -> None:
        """A root that does not exist holds no feeds."""
        assert feed_names(tmp_path / "nowhere") == []

    def test_root(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """SLUICE_FEEDS names the root; without it, it is the folder beside the package."""
        monkeypatch.setenv("SLUICE_FEEDS", str(tmp_path))
        assert feeds_root() == tmp_path
        monkeypatch.delenv("SLUICE_FEEDS")
        assert feeds_root().parts[-2:] == ("include", "feeds")
