"""The commands about a feed's declaration: ``check``, ``ddl``, ``schema``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sluice.cli.entries import printable
from sluice.wording import SAMPLE_PATHS, counted

if TYPE_CHECKING:
    from sluice.checks.report import Report
    from sluice.feed.model import Feed
    from sluice.findings import Finding, Severity
    from sluice.tryout.trial import Counts

FAILED, WRONG_USAGE = 1, 2
SHOWN = {"error": 50, "warning": 20, "note": 3}
"""How many findings of one code are shown, by severity."""


def declare_feed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feed", metavar="FEED", help="name of a feed, or its folder")


# -- check ------------------------------------------------------------------------------------------------------------


def declare_check(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exit code: 0 no errors, 1 errors, 2 wrong usage. What it finds is explained in docs/trying.md."
    parser.add_argument("feeds", nargs="*", metavar="FEED", help="names of feeds, or their folders; all by default")
    samples = parser.add_mutually_exclusive_group()
    samples.add_argument(
        "--samples",
        nargs="+",
        metavar="PATH",
        help=f"try the one feed on these: {SAMPLE_PATHS}; by default each feed is tried on its own samples/",
    )
    samples.add_argument("--no-samples", action="store_true", help="look at the feed files only")
    parser.add_argument("--strict", action="store_true", help="warnings are errors")
    parser.add_argument("--all", action="store_true", help="show all findings, not only the first of each kind")
    parser.add_argument("--hide-values", action="store_true", help="show no value out of the samples")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def check(chosen: argparse.Namespace) -> int:
    from sluice.checks.report import check_feed
    from sluice.findings import count_severities
    from sluice.tryout.samples import SamplesMissing

    folders = _feed_folders(chosen.feeds)
    if chosen.samples and len(folders) != 1:
        return _misused(f"--samples are for one feed, and {counted(len(folders), 'feed')} would be tried on them")
    for folder in folders:
        if not folder.is_dir():
            return _misused(_no_feed(folder))
    samples = () if chosen.no_samples else chosen.samples
    try:
        reports = [_without_values(check_feed(folder, samples), chosen.hide_values) for folder in folders]
    except SamplesMissing as error:
        return _misused(str(error))
    counts = count_severities(finding for report in reports for finding in report.findings)
    if chosen.json:
        _print_json(reports, counts)
    else:
        for line in _tell(reports, chosen.all):
            print(printable(line))
    return FAILED if counts["error"] or (chosen.strict and counts["warning"]) else 0


def _misused(message: str) -> int:
    print(f"sluice check: {message}", file=sys.stderr)
    return WRONG_USAGE


def _no_feed(folder: Path) -> str:
    from sluice.feed.faults import nearest
    from sluice.feed.loading import feed_names

    known = feed_names(folder.parent)
    meant = nearest(folder.name, known)
    hint = f"; did you mean {meant!r}?" if meant else f"; there are {', '.join(known)}" if known else ""
    return f"there is no feed in {folder}{hint}"


def _without_values(report: Report, hides: bool) -> Report:
    if not hides:
        return report
    return replace(report, findings=tuple(replace(finding, value=None) for finding in report.findings))


def _print_json(reports: Sequence[Report], counts: Mapping[Severity, int]) -> None:
    from sluice.checks.report import FORMAT, report_json

    totals = {f"{severity}s": count for severity, count in counts.items()}
    print(json.dumps({"format": FORMAT, **totals, "feeds": list(map(report_json, reports))}, indent=2))


def _tell(reports: Sequence[Report], shows_all: bool) -> Iterator[str]:
    for report in reports:
        yield from _tell_some(report.findings, shows_all)
        tried = _spell_counts(report.counts) if report.counts else "not tried on samples"
        yield f"{report.feed}: {_spell_findings(report.findings)}; {tried}"


def _tell_some(findings: Iterable[Finding], shows_all: bool) -> Iterator[str]:
    """The first findings of each code, and how many there are besides."""
    by_kind: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault((finding.severity, finding.code), []).append(finding)
    for (severity, code), found in by_kind.items():
        limit = len(found) if shows_all else SHOWN[severity]
        yield from (finding.line() for finding in found[:limit])
        if len(found) > limit:
            yield f"{severity}: … and {len(found) - limit:,} more of the kind {code} (--all)"


def _spell_findings(findings: Sequence[Finding]) -> str:
    from sluice.findings import count_severities

    counts = [counted(count, severity) for severity, count in count_severities(findings).items() if count]
    return ", ".join(counts) or "no mistakes"


def _spell_counts(counts: Counts) -> str:
    held = f", {counts.held:,} held" if counts.held else ""
    return (
        f"{counted(counts.files, 'file')}, {counted(counts.found, 'record')} found: "
        f"{counts.accepted:,} accepted, {counts.rejected:,} rejected{held}"
    )


# -- schema and ddl ---------------------------------------------------------------------------------------------------


def declare_schema(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reference", action="store_true", help="the same as a page of Markdown: every key and its meaning"
    )


def schema(chosen: argparse.Namespace) -> int:
    from sluice.feed.reference import reference_page
    from sluice.feed.schema import schema_text
    from sluice.gate import catalog

    if chosen.reference:
        print(reference_page(catalog.page_section()), end="")
    else:
        print(schema_text({offer.name: offer.json_schema() for offer in catalog.offers()}), end="")
    return 0


def ddl(chosen: argparse.Namespace) -> int:
    from sluice.feed.loading import folder_of, load_feed

    print(spell_ddl(load_feed(folder_of(chosen.feed))))
    return 0


def spell_ddl(feed: Feed) -> str:
    """The statements that make the tables of a feed, as psql takes them."""
    from sluice.feed.ddl import create_statements

    return "\n".join(f"{statement.rstrip(';')};" for statement in create_statements(feed))


def _feed_folders(names: Sequence[str]) -> list[Path]:
    from sluice.feed.loading import feed_names, feeds_root, folder_of

    return [folder_of(name) for name in names or feed_names(feeds_root())]
