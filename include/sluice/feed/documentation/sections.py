"""What there is to say of a feed: what it is, where from, when, into which tables, by which rules."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.feed.documentation.blocks import (
    Block,
    Bullets,
    Facts,
    Grid,
    Heading,
    Listing,
    Prose,
    alternatives,
    code,
    codes,
    joined,
)
from sluice.feed.layout import LayoutColumn, column_layout, indexes, primary_key
from sluice.feed.model import Column, Expectation, Feed, Table, Total

COLUMNS = ("column", "type", "path", "notes")


def table_anchor(table: str) -> str:
    return f"table-{table}"


def column_anchor(table: str, column: str) -> str:
    return f"column-{table}.{column}"


def head(feed: Feed) -> Iterator[Block]:
    """Title, description, and the facts of the feed as a whole."""
    yield Heading(feed.feed, 1)
    if feed.description.strip():
        yield Prose(feed.description.strip())
    yield Facts(tuple((name, text) for name, text in _facts(feed).items() if text))


def table_sections(feed: Feed) -> Iterator[Block]:
    """All tables, parents before children."""
    for root in feed.roots:
        for name in feed.family_of(root):
            yield from _table_section(feed, name)


def run_rules(feed: Feed) -> Iterator[Block]:
    if feed.run.expectations:
        yield Heading("Rules on a whole run", 2)
        yield Bullets(tuple(f"{code(table)}: {_expectation(rule)}" for table, rule in feed.run.expectations))


def totals(feed: Feed) -> Iterator[Block]:
    if feed.totals:
        yield Heading("Totals that the sender states", 2)
        yield Prose("A run with a file in which another number is found fails.")
        yield Bullets(tuple(map(_total, feed.totals)))


def _total(total: Total) -> str:
    of = f"rows of {codes(total.counts)}" if total.counts else f"the sum of {codes(total.sums)}"
    return joined(f"{code(total.path)}: {of}", "" if total.required else "where it is stated")


def lineage(feed: Feed) -> Iterator[Block]:
    """The columns that all tables have, and how to get from a row to its file."""
    root = next(iter(feed.roots))
    columns = [column for column in column_layout(feed, root) if column.name.startswith("_")]
    yield Heading("Lineage", 2, "lineage")
    yield Prose(
        "Every row says where it comes from. Child tables without `_offset` have that of the row that they belong to."
    )
    yield Grid(
        ("column", "type", "meaning"), tuple((code(column.name), column.sql_type, column.comment) for column in columns)
    )
    yield Prose("The file, the run and the mapping of a row:")
    key = "".join(f't."{name}", ' for name in feed.tables[root].key)
    yield Listing(
        f"SELECT {key}f.uri, t._record, r.run_id, r.started_at, m.generation, m.hash\n"
        f'FROM "{feed.schema_name}"."{root}" t\n'
        "JOIN sluice.files f ON f.file_id = t._file\n"
        "JOIN sluice.runs r ON r.run_id = t._run\n"
        "JOIN sluice.mappings m ON (m.feed, m.generation) = (r.feed, r.generation);",
        "sql",
    )


# -- the feed as a whole ----------------------------------------------------------------------------------------------


def _facts(feed: Feed) -> dict[str, str]:
    return {
        "Source": code(feed.source.uri),
        "Schedule": _schedule(feed),
        "Target": f"schema {code(feed.schema_name)}, connection {code(feed.target.connection)}",
        "Namespaces": "; ".join(f"{code(prefix)} = {codes(uris)}" for prefix, uris in feed.namespaces.items()),
        "XSD": f"{codes(feed.xsd.files)}, checked per {feed.xsd.scope}" if feed.xsd else "",
        "Limits": _limits(feed),
        "Publishing": "all batches of a run at once, or nothing" if feed.publish == "run" else "",
        "Retention": _retention(feed),
        "Alerts": _alerts(feed),
    }


def _schedule(feed: Feed) -> str:
    schedule = feed.schedule
    cron, zone = schedule.cron, schedule.timezone
    return joined(
        f"{code(cron)} in {zone}" if cron else f"by hand only (days of {zone})",
        "and whenever files arrive" if feed.source.arrivals else "",
        f"backfills from {schedule.start}",
        f"each run also lists {schedule.lookback_days} earlier days" if schedule.lookback_days else "",
    )


def _limits(feed: Feed) -> str:
    limits = feed.rejects
    return joined(
        f"at most {limits.max_records} records rejected" if limits.max_records is not None else "",
        f"at most {limits.max_share:.2%} of the records rejected" if limits.max_share is not None else "",
        f"at most {limits.max_files} files quarantined" if limits.max_files is not None else "",
        f"records up to {feed.max_record_bytes:,} bytes",
        "of a malformed file, the records before the fault are kept" if feed.malformed == "keep_records" else "",
        "files without a record are accepted" if feed.allow_empty else "",
    )


def _retention(feed: Feed) -> str:
    days = feed.retention.quarantine_days
    return f"raw bytes and values in the quarantine for {days} days" if days is not None else ""


def _alerts(feed: Feed) -> str:
    alerts = feed.alerts
    channels = {
        "mail": ", ".join(alerts.mail or ()),
        "slack": alerts.slack,
        "sns": alerts.sns,
        "webhook": alerts.webhook,
    }
    return joined(
        *(f"{name} {code(value)}" for name, value in channels.items() if value),
        f"silent after {alerts.silence_hours} hours without a new file" if alerts.silence_hours else "",
        f"late {alerts.late_minutes} minutes after a run was queued" if alerts.late_minutes else "",
    )


# -- tables -----------------------------------------------------------------------------------------------------------


def _table_section(feed: Feed, name: str) -> Iterator[Block]:
    table = feed.tables[name]
    yield Heading(f"Table {feed.schema_name}.{name}", 2, table_anchor(name))
    for text in ((table.description or "").strip(), _origin(table), _deletes(table)):
        if text:
            yield Prose(text)
    yield _columns(feed, name)
    yield Prose(joined(f"Primary key: {codes(primary_key(feed, name))}", _indexes(feed, name)) + ".")
    if table.expectations:
        yield Prose("The gate:")
        yield Bullets(tuple(map(_expectation, table.expectations)))


def _origin(table: Table) -> str:
    if table.record is None:
        return f"One row per {code(table.rows or '')} in each row of {code(table.parent or '')}."
    if not table.key:
        record = code(table.record)
        return f"One row per {record}, without a key: a newer version of a file replaces the rows of the older."
    newest = f"the greatest {codes(table.version_columns)}" if table.version_columns else "the newest file"
    return f"One row per {code(table.record)}; of the same {codes(table.key)}, {newest} wins."


def _deletes(table: Table) -> str:
    if table.deletes is None:
        return ""
    deletes, ways = table.deletes, []
    if deletes.column:
        ways.append(f"a record whose {code(deletes.column)} is {codes(deletes.values)}")
    if deletes.record:
        ways.append(f"each {code(deletes.record)}")
    return f"Its key is deleted by {', and by '.join(ways)}, where that is newer."


def _columns(feed: Feed, name: str) -> Grid:
    """What the table gets from above, then what it declares; the lineage has a section of its own."""
    table = feed.tables[name]
    layout = [column for column in column_layout(feed, name) if _is_own(column)]
    rows = [
        _declared(column.name, table.columns[column.name], _role(table, column.name))
        if column.name in table.columns
        else (code(column.name), column.sql_type, "", column.comment)
        for column in layout
    ]
    return Grid(COLUMNS, tuple(rows), tuple(column_anchor(name, column.name) for column in layout))


def _is_own(column: LayoutColumn) -> bool:
    return not column.name.startswith("_") or column.name.startswith("_n")


def _role(table: Table, name: str) -> str:
    roles = ("key" if name in table.key else "", "version" if name in table.version_columns else "")
    return " and ".join(filter(None, roles))


def _declared(name: str, column: Column, role: str) -> tuple[str, ...]:
    notes = joined(
        role,
        "required" if column.required else "",
        f"default {code(column.default)}" if column.default is not None else "",
        f"null: {codes(column.null)}" if column.null else "",
        f"formats {codes(column.formats)}" if column.formats else "",
        f"in {column.timezone} where no zone is given" if column.timezone else "",
        "trimmed" if column.trim else "",
        "the first of several" if column.first else "",
    )
    description = (column.description or "").strip().rstrip(".")
    return code(name), column.type, alternatives(column.path), ". ".join(filter(None, [description, notes]))


def _indexes(feed: Feed, name: str) -> str:
    wanted = [index for index in indexes(feed) if index.table == name and index.method == "btree"]
    return f"indexes on {'; '.join(codes(index.columns) for index in wanted)}" if wanted else ""


def _expectation(expectation: Expectation) -> str:
    arguments = ", ".join(f"{name} = {value!r}" for name, value in expectation.arguments.items())
    severity = "" if expectation.severity == "critical" else f" ({expectation.severity}: reported only)"
    return " ".join(filter(None, [code(expectation.type), code(arguments) if arguments else ""])) + severity
