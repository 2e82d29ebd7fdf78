"""The shell of ``sluice draft``: reads samples and XSDs, and writes the feed's folder, never over what is there."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from sluice.draft.declarations import key_hints
from sluice.draft.drafting import Draft, RecordUnclear, choose, draft_feed, with_keys
from sluice.draft.expectations import expect
from sluice.draft.golden import SAMPLE_DAY, make_golden, renew_golden
from sluice.draft.keys import KeyFound, find_key
from sluice.draft.notes import Outcome, write_notes
from sluice.draft.samples import Samples, local_samples, read_samples
from sluice.draft.schema_copies import read_declared, with_schema, write_copies
from sluice.draft.trial import run_trial
from sluice.draft.writing import write_feed
from sluice.errors import PermanentError
from sluice.feed.fields import IDENTIFIER
from sluice.feed.loading import FEED_FILE, feeds_root, load_feed
from sluice.spots import short_name
from sluice.wording import counted

NOTES_FILE = "NOTES.md"
MAX_FAULTS = 20  # so many samples are named that are malformed
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks for."""

    name: str
    samples: tuple[str, ...]
    xsds: tuple[str, ...]
    records: tuple[str, ...]
    folder: Path
    root: str | None = None  # the root element, where an XSD has several


def make_draft(request: Request, tell: Tell, show: Tell, ask: Callable[[tuple[str, ...]], str] | None) -> int:
    """Draft a feed; the exit code. ``tell`` gets what happens, ``show`` a difference to what is there; ``ask`` is given
    paths of which a person chooses one, None where nobody is there.
    """
    if not re.fullmatch(IDENTIFIER, request.name):
        raise PermanentError(f"{request.name!r} is no name of a feed: lower case letters, digits and _, a letter first")
    if request.folder.absolute().name != request.name:
        raise PermanentError(f"the folder of a feed is called like it: {request.folder / request.name}")
    if not request.samples and not request.xsds:
        raise PermanentError("give samples, an XSD, or both")
    samples = read_samples(local_samples(request.samples), tell)
    if samples.faults and not samples.sound:
        raise PermanentError(_all_malformed(samples))
    roots, declared = samples.roots, None
    if request.xsds:
        declared = read_declared(request.xsds, samples, request.root)
        roots = declared.roots
    try:
        choices = choose(roots, samples.largest, request.records, samples.roots)
    except RecordUnclear as unclear:
        if ask is None or not unclear.paths:
            raise
        tell(str(unclear))
        choices = choose(roots, samples.largest, [ask(unclear.paths)])
    draft = draft_feed(request.name, roots, samples, choices)
    if declared is not None:
        draft = with_schema(draft, declared)
    draft, outcome = _try_out(draft, samples)
    text = write_feed(draft)
    target = request.folder / FEED_FILE
    if target.exists():
        return _show_difference(target, text, show)
    request.folder.mkdir(parents=True, exist_ok=True)
    if declared is not None:
        write_copies(request.folder, declared)
    target.write_text(text, encoding="utf-8")
    notes = _free_name(request.folder / NOTES_FILE)
    notes.write_text(write_notes(draft, samples, outcome), encoding="utf-8")
    load_feed(request.folder)
    tell(f"drafted {short_name(str(target))}: {_summary(draft, outcome)}; see {notes.name} beside it")
    for path in _write_golden(request, samples):
        tell(f"wrote {short_name(str(path))}")
    return 0


def _all_malformed(samples: Samples) -> str:
    """Such files load nothing, so that a draft of what stood before their faults would say nothing either."""
    lines = "".join(f"\n  {fault.name}: {fault.why}" for fault in samples.faults[:MAX_FAULTS])
    rest = len(samples.faults) - MAX_FAULTS
    more = f"\n  and {rest:,} more" if rest > 0 else ""
    return f"nothing is drafted, for no sample could be read to its end:{lines}{more}"


def _free_name(path: Path) -> Path:
    """The path, or where something is there already, one with a number: a person may have written it."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free


def _write_golden(request: Request, samples: Samples) -> Iterator[Path]:
    """A few records as samples of the feed, and the golden case of them; never over what is there."""
    with TemporaryDirectory(prefix="sluice-draft-") as scratch:
        golden = make_golden(request.folder, samples.paths, Path(scratch))
    if golden is None:
        return
    cases = _cases_folder(request.folder)
    files = {request.folder / "samples" / SAMPLE_DAY / name: data for name, data in golden.samples.items()}
    files[cases / "drafted" / "case.yaml"] = golden.case.encode()
    files[cases / "ddl.sql"] = golden.ddl.encode()
    for path, data in files.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            yield path


def renew(folder: Path, tell: Tell) -> int:
    """Write the golden case of a drafted feed anew, after a person has changed the feed file; the exit code."""
    paths = sorted(path for path in (folder / "samples" / SAMPLE_DAY).glob("*") if path.is_file())
    if not paths:
        raise PermanentError(f"{folder / 'samples' / SAMPLE_DAY} holds no samples that a draft has written")
    golden, cases = renew_golden(folder, paths), _cases_folder(folder)
    for path, text in ((cases / "drafted" / "case.yaml", golden.case), (cases / "ddl.sql", golden.ddl)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        tell(f"wrote {short_name(str(path))}")
    return 0


def _cases_folder(folder: Path) -> Path:
    """Where the golden cases of a feed are: with the tests, for a feed in its place; else in its folder."""
    tests = folder.absolute().parents[2] / "tests" / "feeds"
    is_in_place = folder.absolute().parent == feeds_root().absolute()
    return tests / folder.name if is_in_place and tests.is_dir() else folder / "golden"


def _try_out(draft: Draft, samples: Samples) -> tuple[Draft, Outcome]:
    """Run the draft over its samples, to find keys in its rows and to learn what it does not take."""
    outcome = Outcome()
    if samples.paths:
        # what the XSD says of the samples is in the notes already: all rows of them count for keys
        with run_trial(draft.name, write_feed(replace(draft, xsd_files=())), samples.paths) as trial:
            keys = {
                table.name: find_key(table, partial(trial.table, table.name)) for table in draft.tables if table.is_root
            }
            outcome = Outcome(
                trial.found,
                trial.rows,
                trial.rejects.most_common(),
                trial.first_rejects,
                sorted(trial.unread.items()),
                {name: found.others for name, found in keys.items()},
            )
        draft = with_keys(draft, {name: _with_hints(draft, name, found) for name, found in keys.items()})
    else:
        nothing = KeyFound(note="No key: without samples nothing says what identifies a record.")
        roots = [table.name for table in draft.tables if table.is_root]
        draft = with_keys(draft, {name: _with_hints(draft, name, nothing) for name in roots})
    return replace(draft, expectations={table.name: tuple(expect(table)) for table in draft.tables}), outcome


def _with_hints(draft: Draft, name: str, found: KeyFound) -> KeyFound:
    """The key with what the XSD says of it."""
    record = next(table.shape for table in draft.tables if table.name == name)
    return replace(found, note=" ".join([found.note, *key_hints(record)]))


def _summary(draft: Draft, outcome: Outcome) -> str:
    columns = sum(len(table.columns) for table in draft.tables)
    told = f"{counted(len(draft.tables), 'table')}, {counted(columns, 'column')}"
    if outcome.rows:
        rejected = sum(count for _, count in outcome.rejects)
        told += f"; {counted(outcome.found, 'record')} in the samples, {counted(rejected, 'fault')}"
        if outcome.found and not any(outcome.rows.get(table.name) for table in draft.tables if table.is_root):
            told += ", and none of the records would be loaded"
    return told


def _show_difference(target: Path, text: str, show: Tell) -> int:
    """What a new draft would have otherwise than the feed file that is there; that stays as it is."""
    present = target.read_text(encoding="utf-8")
    if present == text:
        show(f"{short_name(str(target))} is there already, and a new draft would be the same")
        return 0
    lines = difflib.unified_diff(present.splitlines(), text.splitlines(), str(target), "a new draft", lineterm="", n=2)
    for line in lines:
        show(line)
    return 1
