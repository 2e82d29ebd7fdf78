"""Small feeds of invented files, run for real in this process: a landing folder, a database, and the stages between."""

from __future__ import annotations

import datetime as dt
import io
import itertools
import os
import re
import zipfile
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.datetime import DateLoader

from sluice import ledger
from sluice.errors import RunFailed
from sluice.feed.keys import keys_table, quoted_keys_table
from sluice.feed.loading import load_feed
from sluice.feed.model import Feed
from sluice.manifest import read_manifest
from sluice.pipeline import run_feed
from sluice.publishing import Published
from sluice.records import Cut, RunRequest, Selection
from sluice.sources import Clients
from sluice.stages.fetch import fetch
from sluice.stages.load import load
from sluice.stages.parse import parse
from sluice.stages.reconcile import RunSummary, reconcile
from sluice.stages.split import split
from sluice.stages.validate import validate
from sluice.tools import Tools
from sluice.workfiles import WorkFiles

DAY = dt.date(2026, 3, 1)
MOMENT = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)

# A table called `parts`, as one of the ledger's, is no accident: feeds may call their tables what they like.
CHILDREN = """
  parts:
    parent: items
    rows: Part
    columns: {code: "@code"}
  marks:
    parent: parts
    rows: Mark
    columns: {mark: .}
"""
ITEMS = f"""
tables:
  items:
    record: /Items/Item
    key: id
    version: rev
    columns: {{id: "@id", rev: {{path: "@rev", type: integer}}, name: Name}}
{CHILDREN}"""
DATED = ITEMS.replace("version: rev", "version: file_date")
KEYLESS = ITEMS.replace("    key: id\n    version: rev\n", "")
# With both ways to delete a key.
DELETING = ITEMS.replace("name: Name}", 'name: Name, status: "@status"}').replace(
    "    version: rev\n",
    """    version: rev
    deletes: {column: status, values: D, record: /Items/Gone, columns: {id: "@id", rev: "@rev"}}
""",
)


class Ground:
    """Where files land, what works on them, and the database that their rows end in."""

    def __init__(self, root: Path, dsn: str) -> None:
        self.root, self.dsn = root, dsn
        self.landing = root / "landing"
        self.landing.mkdir()
        self.work = WorkFiles(str(root / "work"))
        self._keys = (f"key {number}" for number in itertools.count(1))

    def feed(self, text: str, name: str = "items", source: str = "**", more: str = "") -> Feed:
        """The feed that is declared by ``text``, over the files that ``source`` matches in the landing folder."""
        folder = self.root / "feeds" / name
        folder.mkdir(parents=True, exist_ok=True)
        head = f"feed: {name}\nsource: {{uri: '{self.landing}/{source}'}}\n{more}\n"
        (folder / "feed.yaml").write_text(head + text, encoding="utf-8")
        return load_feed(folder)

    def tools(self, feed: Feed) -> Tools:
        return Tools(feed, self.dsn, self.work, Clients())

    def put(self, name: str, content: str | bytes | Mapping[str, str], modified: dt.datetime = MOMENT) -> Path:
        """Write a file as it would arrive: a text, bytes, or a zip of members."""
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = zipped(content) if isinstance(content, Mapping) else content
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        os.utime(path, (modified.timestamp(), modified.timestamp()))
        return path

    def uri(self, name: str) -> str:
        return f"file://{self.landing}/{name}"

    def request(self, feed: Feed, **options: Any) -> RunRequest:
        return RunRequest(
            **{"feed": feed.feed, "run_key": next(self._keys), "date_from": DAY, "date_to": DAY, **options}
        )

    def run(self, feed: Feed, **options: Any) -> str | None:
        """Run all stages; returns the error that reconcile raised."""
        try:
            run_feed(self.tools(feed), self.request(feed, **options))
        except RunFailed as failed:
            return str(failed)
        return None

    def replay(self, feed: Feed, dry_run: bool = False, **selected: Any) -> RunSummary:
        """Replay open entries of the quarantine; see ``Selection`` for which."""
        request = self.request(feed, reload="replay", dry_run=dry_run, selection=Selection(**selected))
        return run_feed(self.tools(feed), request)

    def summary(self, feed: Feed, **options: Any) -> RunSummary:
        """Run all stages; returns what reconcile says of a run that succeeds."""
        return run_feed(self.tools(feed), self.request(feed, **options))

    def prepare(
        self, feed: Feed, cuts: Mapping[str, Iterable[Cut]] | None = None, **options: Any
    ) -> tuple[int, list[int]]:
        """Run all stages up to load; returns the run and the numbers of its batches."""
        tools = self.tools(feed)
        run_id = fetch(tools, self.request(feed, **options)).run_id
        self.cut(run_id, cuts or {})
        numbers = [batch.number for batch in split(tools, run_id).batches]
        for number in numbers:
            parse(tools, run_id, number)
            validate(tools, run_id, number)
        return run_id, numbers

    def cut(self, run_id: int, cuts: Mapping[str, Iterable[Cut]]) -> None:
        """Cut new files of a run by hand, as split would if they were larger."""
        with psycopg.connect(self.dsn) as connection:
            for file, part_count in read_manifest(connection, run_id):
                name = file.uri.removeprefix(self.uri(""))
                if name in cuts and part_count is None:
                    ledger.store_cuts(connection, file, list(cuts[name]))

    def load(self, feed: Feed, run_id: int, number: int = 0) -> Published:
        return load(self.tools(feed), run_id, number).done

    def reconcile(self, feed: Feed, run_id: int) -> str | None:
        try:
            reconcile(self.tools(feed), run_id)
        except RunFailed as failed:
            return str(failed)
        return None

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values)
            return [] if cursor.description is None else cursor.fetchall()

    def keys(self, feed: Feed, root: str = "items") -> list[tuple[Any, ...]]:
        """The keys table of a root table, as in ``tables``: key, version, place, and whether it is deleted."""
        with psycopg.connect(self.dsn) as connection:
            return _read(connection, sql.Identifier("sluice", keys_table(feed, root)))

    def tables(self, feed: Feed) -> dict[str, list[tuple[Any, ...]]]:
        """All columns of all rows but _run and _loaded_at; in place of the file's number its URI and version."""
        with psycopg.connect(self.dsn) as connection:
            return {name: _read(connection, sql.Identifier(feed.schema_name, name)) for name in feed.tables}

    def ledger(self) -> list[tuple[Any, ...]]:
        """What each load of each part has counted: uri, start, edition, state, found, quarantined, inserted, …"""
        return self.sql(
            """SELECT f.uri, p.member, p.start_byte, l.edition, l.state, l.found, l.quarantined, l.inserted, l.updated,
                   l.unchanged, l.superseded FROM sluice.loads l JOIN sluice.parts p USING (part_id)
               JOIN sluice.files f USING (file_id) ORDER BY f.uri, f.version, p.part_id, l.loaded_at"""
        )

    def miscounted(self) -> list[tuple[Any, ...]]:
        """Loads that break promise 1: found = loaded + quarantined."""
        return self.sql("SELECT * FROM sluice.loads WHERE found <> loaded + quarantined")

    def forget_loads(self, feed: Feed, *more: str) -> None:
        """Back to where nothing was loaded; files, cuts and runs stay. ``more`` are further tables to empty."""
        tables = [f'"{feed.schema_name}"."{name}"' for name in feed.tables]
        tables += [quoted_keys_table(feed, name) for name, table in feed.roots.items() if table.deletes]
        self.sql(f"TRUNCATE {', '.join([*tables, 'sluice.loads', 'sluice.holds', 'sluice.quarantine', *more])}")

    def drop_ledger(self) -> None:
        """As it is before the first run ever."""
        self.sql("DROP SCHEMA sluice CASCADE")

    def clear_database(self) -> None:
        """As if nothing had run: an empty ledger, and no tables of feeds. (Emptied is quicker than made anew.)"""
        self.sql(_CLEAR)

    def forget_all(self, feed: Feed) -> None:
        ledger_tables = ("files", "parts", "manifest", "batches", "runs")
        self.forget_loads(feed, *(f"sluice.{name}" for name in ledger_tables))
        for path in sorted(self.landing.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


_OF_LEDGER = re.findall(r"CREATE TABLE IF NOT EXISTS sluice\.(\w+)", (files("sluice") / "ledger.sql").read_text())
_CLEAR = f"""
    DO $$ DECLARE made name;
    BEGIN
        PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend';
        FOR made IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$|public$|sluice$)' LOOP
            EXECUTE 'DROP SCHEMA ' || quote_ident(made) || ' CASCADE';
        END LOOP;
        FOR made IN SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('sluice') AND relkind = 'r' LOOP
            EXECUTE CASE WHEN made = ANY('{{{",".join(_OF_LEDGER)}}}') THEN 'DELETE FROM' ELSE 'DROP TABLE' END
                || ' sluice.' || quote_ident(made);
        END LOOP;
        PERFORM setval(oid, 1, false) FROM pg_class
        WHERE relnamespace = to_regnamespace('sluice') AND relkind = 'S';
    END $$"""


class _FileDate(DateLoader):
    """The date in a file's URI; PostgreSQL's -infinity, that there is none, is no date of Python's."""

    def load(self, data: Any) -> Any:
        return None if bytes(data) == b"-infinity" else super().load(data)


def _read(connection: psycopg.Connection, table: sql.Identifier) -> list[tuple[Any, ...]]:
    statement = sql.SQL("SELECT f.uri, f.version, t.* FROM {} t JOIN sluice.files f ON f.file_id = t._file").format(
        table
    )
    connection.adapters.register_loader("date", _FileDate)
    cursor = connection.execute(statement)
    kept = [i for i, c in enumerate(cursor.description or ()) if c.name not in ("_file", "_run", "_loaded_at")]
    return sorted((tuple(row[index] for index in kept) for row in cursor), key=repr)


def zipped(members: Mapping[str, str]) -> bytes:
    """The members as a zip that is the same whenever it is made."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content)
    return sink.getvalue()


def item(key: str, rev: int = 1, name: str = "n", parts: Iterable[tuple[str, Iterable[str]]] = ()) -> str:
    below = "".join(
        f'<Part code="{code}">{"".join(f"<Mark>{mark}</Mark>" for mark in marks)}</Part>' for code, marks in parts
    )
    return f'<Item id="{key}" rev="{rev}"><Name>{name}</Name>{below}</Item>'


def deleted(key: str, rev: int = 1) -> str:
    """An item that says of itself that it deletes. The rest of it is not looked at."""
    return f'<Item id="{key}" rev="{rev}" status=" D"><Name/><Name/><Part code="gone"/></Item>'


def gone(key: str, rev: int = 1) -> str:
    """A record that does nothing but delete."""
    return f'<Gone id="{key}" rev="{rev}"><Reason/></Gone>'


def items(*records: str) -> str:
    return f"<Items>{''.join(records)}</Items>"


def cut_items(records: Iterable[str], *sizes: int) -> list[Cut]:
    """The cuts of ``items(*records)`` into parts of so many records; the last part takes what is left."""
    left, cuts, start, first = list(records), [], 0, 1
    context, tail = b"<Items>", b"</Items>"
    for size in sizes:
        taken = left[:size]
        end = (start or len(context)) + len("".join(taken).encode())
        cuts.append(Cut("", start, end, context if start else b"", tail, first, 1))
        left, start, first = left[size:], end, first + size
    end = start + len("".join(left).encode()) + len(tail)
    return [*cuts, Cut("", start, end, context, b"", first, 1)]
