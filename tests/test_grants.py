"""The roles that docs/running.md makes are enough for Sluice, for analysts, and for no more."""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.small_feeds import ITEMS, Ground, item, items

from sluice.retention import tidy

DOCS = (Path(__file__).parent.parent / "docs/running.md").read_text()
BEFORE, AFTER = re.findall(r"```sql\n(.+?)```", DOCS.split("## Grants")[1].split("\n## ")[0], re.DOTALL)
PASSWORD = re.search(r"PASSWORD '(.+?)'", BEFORE)


class Roles:
    """The documented roles, under names of their own, since roles belong to the server."""

    def __init__(self, owner: psycopg.Connection, dsn: str) -> None:
        self.owner, self.suffix = owner, secrets.token_hex(4)
        self.loader = make_conninfo(dsn, user=self.name("loader"), password=PASSWORD[1] if PASSWORD else "")

    def name(self, role: str) -> str:
        return f"sluice_{role}_{self.suffix}"

    def adapt(self, statements: str) -> bytes:
        text = re.sub(r"\bsluice_(loader|analyst|steward)\b", lambda found: self.name(found[1]), statements)
        return text.replace("bank_statements", "items").encode()

    def grant(self) -> None:
        """What the documentation does as the loader after the first run."""
        with psycopg.connect(self.loader, autocommit=True) as connection:
            connection.execute(self.adapt(AFTER))

    def may(self, role: str, statement: str) -> bool:
        """Whether the role is allowed to; nothing is done."""
        try:
            with self.owner.transaction(force_rollback=True):
                self.owner.execute(f"SET LOCAL ROLE {self.name(role)}".encode())
                self.owner.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            return False
        return True


@pytest.fixture
def roles(database: str) -> Iterator[Roles]:
    """A database in which nobody may do anything but by the documented grants."""
    with psycopg.connect(database, autocommit=True) as owner:
        made = Roles(owner, database)
        name = owner.info.dbname
        owner.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC".encode())
        owner.execute(made.adapt(BEFORE.replace("DATABASE warehouse", f"DATABASE {name}")))
        yield made
        for role in map(made.name, ("loader", "steward", "analyst")):
            owner.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}".encode())


@pytest.fixture
def loader(roles: Roles, tmp_path: Path) -> Ground:
    """Sluice, with the documented role."""
    return Ground(tmp_path, roles.loader)


def test_the_whole_chain_runs_as_the_documented_role(loader: Ground) -> None:
    """First tables, later columns, a reload, a reject, its replay, drift, expectations of a run, housekeeping."""
    limits = "rejects: {max_records: 9}\nretention: {quarantine_days: 1}"
    feed = loader.feed(ITEMS, more=limits)
    loader.put("a.xml", items(item("a", parts=[("p", ["m"])]), item("b").replace('rev="1"', 'rev="x"')))
    assert loader.run(feed) is None
    changed = ITEMS.replace("name: Name}", "name: Name, size: Size}\n    indexes: [[name]]")
    rule = "run: {expectations: {items: [{expect_table_row_count_to_be_between: {min_value: 1}}]}}"
    feed = loader.feed(changed, more=f"{limits}\n{rule}")
    loader.put("b.xml", items(item("c").replace("</Name>", "</Name><Size>9</Size><New/>")))
    assert loader.run(feed, reload="changed") is None
    assert loader.run(feed, dry_run=True) is None
    loader.replay(feed)
    assert tidy(loader.tools(feed), dt.datetime.now(dt.UTC) + dt.timedelta(days=9)).entries == 1
    assert loader.sql("SELECT id, size FROM items.items ORDER BY id") == [("a", None), ("c", "9")]
    assert loader.sql("SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user") == [
        (False,)
    ]


def test_analysts_read_all_but_raw_values_and_stewards_these_too(loader: Ground, roles: Roles) -> None:
    feed = loader.feed(ITEMS, more="rejects: {max_records: 9}")
    loader.put("a.xml", items(item("a"), item("b").replace('rev="1"', 'rev="x"')))
    loader.run(feed)
    roles.grant()
    made = loader.sql(
        "SELECT relname FROM pg_class WHERE relnamespace = 'sluice'::regnamespace AND relkind IN ('r', 'v') ORDER BY 1"
    )
    assert len(made) > 10
    assert [name for (name,) in made if not roles.may("analyst", f'SELECT * FROM sluice."{name}"')] == [
        "parts",
        "quarantine",
    ]
    assert roles.may("analyst", "SELECT FROM items.items JOIN sluice.files ON file_id = _file")
    assert roles.may("analyst", "SELECT code, message, ordinal, line FROM sluice.quarantine")
    assert roles.may("analyst", "SELECT part_id, first_line FROM sluice.parts")
    assert roles.may("steward", "SELECT * FROM sluice.parts")
    for column in ("raw", "context", "reasons", "*"):
        assert not roles.may("analyst", f"SELECT {column} FROM sluice.quarantine")
        assert roles.may("steward", f"SELECT {column} FROM sluice.quarantine")
    for role in ("analyst", "steward"):
        assert not roles.may(role, "DELETE FROM items.items")
        assert not roles.may(role, "UPDATE sluice.quarantine SET state = 'dismissed'")
        assert not roles.may(role, "CREATE SCHEMA mine")


def test_what_comes_later_is_granted_too(loader: Ground, roles: Roles) -> None:
    """A table that the feed adds, and the views that a new release makes anew."""
    loader.run(loader.feed(ITEMS))
    roles.grant()
    loader.sql("COMMENT ON SCHEMA sluice IS 'of an older release'")
    more = "  sizes:\n    parent: items\n    rows: Size\n    columns: {size: .}\n"
    loader.run(loader.feed(ITEMS.rstrip(" ") + more))
    assert roles.may("analyst", "SELECT FROM items.sizes")
    assert roles.may("analyst", "SELECT FROM sluice.file_states")
    assert not roles.may("analyst", "SELECT raw FROM sluice.quarantine")


def test_comments_wait_for_the_owner_of_the_tables(loader: Ground, roles: Roles) -> None:
    """Whoever owns the tables keeps their comments; a changed description is no reason for a run to fail."""
    loader.put("a.xml", items(item("a")))
    loader.run(loader.feed(ITEMS))
    table = roles.owner.execute("SELECT current_user").fetchone()
    assert table is not None
    roles.owner.execute(f"GRANT {roles.name('loader')} TO {table[0]}".encode())
    roles.owner.execute(f"ALTER TABLE items.items OWNER TO {table[0]}".encode())
    roles.owner.execute(f"GRANT ALL ON items.items TO {roles.name('loader')}".encode())
    loader.put("b.xml", items(item("b")))
    described = loader.feed(ITEMS.replace("  items:\n", "  items:\n    description: Things.\n", 1))
    assert loader.run(described) is None
    comment = "SELECT obj_description('items.items'::regclass)"
    assert "Things." not in loader.sql(comment)[0][0]
    roles.owner.execute(f"ALTER TABLE items.items OWNER TO {roles.name('loader')}".encode())
    assert loader.run(described) is None
    assert "Things." in loader.sql(comment)[0][0]
