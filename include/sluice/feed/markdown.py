"""A feed's declaration as a page of Markdown: the documentation of its DAG in the Airflow UI."""

from __future__ import annotations

from collections.abc import Iterable

from sluice.feed.model import Column, Expectation, Feed, Table


def feed_page(feed: Feed) -> str:
    """The page of ``feed``: what it is, where from, when, into which tables, by which rules."""
    sections = [
        f"# {feed.feed}",
        feed.description.strip(),
        _facts(feed),
        *(_table_section(feed, name, table) for name, table in feed.tables.items()),
        _run_rules(feed),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _facts(feed: Feed) -> str:
    schedule = feed.schedule
    when = (
        f"`{schedule.cron}` in {schedule.timezone}" if schedule.cron else f"by hand only (days of {schedule.timezone})"
    )
    lookback = f", each run also lists {schedule.lookback_days} earlier days" if schedule.lookback_days else ""
    facts = {
        "Source": f"`{feed.source.uri}`",
        "Schedule": f"{when}, backfills from {schedule.start}{lookback}",
        "Target": f"schema `{feed.schema_name}`, connection `{feed.target.connection}`",
        "Namespaces": "; ".join(f"`{prefix}` = {_codes(uris)}" for prefix, uris in feed.namespaces.items()),
        "XSD": f"{_codes(feed.xsd.files)}, checked per {feed.xsd.scope}" if feed.xsd else "",
        "Limits": _limits(feed),
        "Alerts": _alerts(feed),
    }
    return "\n".join(f"- **{name}:** {text}" for name, text in facts.items() if text)


def _limits(feed: Feed) -> str:
    limits = feed.rejects
    texts = [
        f"at most {limits.max_records} records rejected" if limits.max_records is not None else "",
        f"at most {limits.max_share:.2%} of the records rejected" if limits.max_share is not None else "",
        f"at most {limits.max_files} files quarantined" if limits.max_files is not None else "",
        f"records up to {feed.max_record_bytes:,} bytes",
        "of a malformed file, the records before the fault are kept" if feed.malformed == "keep_records" else "",
        "files without a record are accepted" if feed.allow_empty else "",
    ]
    return ", ".join(filter(None, texts))


def _alerts(feed: Feed) -> str:
    alerts = feed.alerts
    channels = {
        "mail": ", ".join(alerts.mail or ()),
        "slack": alerts.slack,
        "sns": alerts.sns,
        "webhook": alerts.webhook,
    }
    texts = [
        *(f"{name} `{value}`" for name, value in channels.items() if value),
        f"silent after {alerts.silence_hours} hours without a new file" if alerts.silence_hours else "",
        f"late {alerts.late_minutes} minutes after a run was queued" if alerts.late_minutes else "",
    ]
    return ", ".join(filter(None, texts))


def _table_section(feed: Feed, name: str, table: Table) -> str:
    parts = [
        f"## Table {feed.schema_name}.{name}",
        (table.description or "").strip(),
        _origin(table),
        _deletes(table),
        _columns(table.columns),
        _expectations(table.expectations),
    ]
    return "\n\n".join(filter(None, parts))


def _origin(table: Table) -> str:
    if not table.is_root:
        return f"One row per `{table.rows}` in each row of `{table.parent}`."
    if not table.key:
        return f"One row per `{table.record}`, without a key: a newer version of a file replaces the rows of the older."
    newest = f"the greatest {_codes(table.version_columns)}" if table.version_columns else "the newest file"
    return f"One row per `{table.record}`; of the same {_codes(table.key)}, {newest} wins."


def _deletes(table: Table) -> str:
    if table.deletes is None:
        return ""
    deletes, ways = table.deletes, []
    if deletes.column:
        ways.append(f"a record whose `{deletes.column}` is {_codes(deletes.values)}")
    if deletes.record:
        ways.append(f"each `{deletes.record}`")
    return f"Its key is deleted by {', and by '.join(ways)}, where that is newer."


def _columns(columns: dict[str, Column]) -> str:
    rows = [
        f"| `{name}` | {column.type} | {'<br>'.join(f'`{_cell(path)}`' for path in column.path)} | {_notes(column)} |"
        for name, column in columns.items()
    ]
    return "\n".join(["| column | type | path | notes |", "|---|---|---|---|", *rows])


def _notes(column: Column) -> str:
    notes = [
        "required" if column.required else "",
        f"default `{column.default}`" if column.default is not None else "",
        f"null: {_codes(column.null)}" if column.null else "",
        f"formats {_codes(column.formats)}" if column.formats else "",
        f"in {column.timezone} where no zone is given" if column.timezone else "",
        "the first of several" if column.first else "",
    ]
    description = (column.description or "").strip().rstrip(".")
    return _cell(". ".join(filter(None, [description, ", ".join(filter(None, notes))])))


def _expectations(expectations: Iterable[Expectation]) -> str:
    lines = [f"- {_expectation(expectation)}" for expectation in expectations]
    return "\n".join(["The gate:", "", *lines]) if lines else ""


def _expectation(expectation: Expectation) -> str:
    arguments = ", ".join(f"{name} = {value!r}" for name, value in expectation.arguments.items())
    severity = "" if expectation.severity == "critical" else f" ({expectation.severity}: reported only)"
    return f"`{expectation.type}` {f'`{arguments}`' if arguments else ''}".rstrip() + severity


def _run_rules(feed: Feed) -> str:
    lines = [f"- `{table}`: {_expectation(expectation)}" for table, expectation in feed.run.expectations]
    return "\n".join(["## Rules on a whole run", "", *lines]) if lines else ""


def _codes(texts: Iterable[str]) -> str:
    return ", ".join(f"`{text}`" for text in texts)


def _cell(text: str) -> str:
    """``text`` inside a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")
