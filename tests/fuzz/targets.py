"""What is fuzzed, and what must hold of any input: only declared errors, no other records than a plain parse finds."""

from __future__ import annotations

import io
import os
import re
import tempfile
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from xml.parsers.expat import ExpatError

import numpy as np
from tests.documents import (
    SHAPES,
    Record,
    RecordPath,
    Stream,
    canonical,
    documents_in,
    elements_at,
    is_well_formed,
    make_stream,
    records_of,
)
from tests.fuzz.mutations import FEEDS, MAX_BYTES, PARSER, SPLITTER, Mutator
from tests.parsed import Parsed, cut_parts, parse_data, parse_parts, tools_for, write_feed

from sluice import scanner, xmlio
from sluice.charsets import Utf8Stream
from sluice.compiled.words import HIGH, ONES
from sluice.errors import REJECT_CODES, FeedInvalid, MalformedXML
from sluice.feed.ddl import create_statements
from sluice.feed.loading import FEED_FILE, feed_names, feeds_root, load_feed
from sluice.feed.mapping import mapping_hash
from sluice.piece_reader import PieceReader
from sluice.pieces import OversizeRecord, Piece
from sluice.plan import Plan
from sluice.records import Cut
from sluice.scanner import PathTable, loop, passing

# What Sluice may refuse although it is well-formed: limits, and what nobody can read.
_REFUSED_ANYWAY = {"refused_dtd", "unresolved_entity", "too_deep", "too_large", "wrong_document", "no_records"}


class Disagreement(AssertionError):
    """Sluice and the reference do not say the same of an input."""


def open_scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder in memory where there is one: most of an input's time goes into its files."""
    memory = Path("/dev/shm")
    folder = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix="sluice-fuzz-", dir=folder)


class Target(Protocol):
    """Something that takes bytes; ``check`` raises for whatever is wrong."""

    name: str
    files: tuple[str, ...]
    mutator: Mutator

    def seeds(self) -> Sequence[bytes]: ...

    def check(self, data: bytes) -> None: ...


def _want(holds: object, message: str) -> None:
    if not holds:
        raise Disagreement(message)


# -- the reference ----------------------------------------------------------------------------------------------------


class Truth(NamedTuple):
    """What plain parsers say of a stream: whether it is well-formed, and its records; None where they cannot tell."""

    is_sound: bool | None
    records: list[Record] | None


def truth_of(data: bytes, paths: tuple[RecordPath, ...]) -> Truth:
    documents = documents_in(data)
    if documents is None:
        return Truth(None, None)
    if not is_well_formed(data):
        # Where two documents meet, expat does not see it behind a name that it does not know.
        return Truth(None if len(documents) == 1 and re.search(rb"[\xc3-\xf4]", data) else False, None)
    places, position = [], 0
    for document in documents:
        start = data.index(document, position)
        position = start + len(document)
        places.append((start, position))
    try:
        return Truth(True, records_of(Stream(paths, data.decode(), tuple(places))))
    except (AssertionError, UnicodeDecodeError, ExpatError):  # records of entities, names that expat does not know
        return Truth(True, None)


# -- the splitter -----------------------------------------------------------------------------------------------------


def _interpreted() -> Callable[..., Any]:
    """The scanner as plain Python, whose branches can be seen; it must do what the compiled one does."""
    names = vars(passing) | vars(loop)
    for name, value in list(names.items()):
        if hasattr(value, "py_func"):
            names[name] = types.FunctionType(value.py_func.__code__, names, name)
    # What only a compiler knows, and what NumPy would warn of: words are to wrap around.
    names |= {"borrowed": lambda array: array, "zeros": _zeros, "first_of": _first_of}
    return types.FunctionType(loop.scan.__code__, names)


def _zeros(word: Any) -> int:
    return (int(word) - int(ONES)) & ~int(word) & int(HIGH)


def _first_of(marks: int) -> int:
    return ((marks & -marks).bit_length() - 1) >> 3


class Splitter:
    """Scanner and pieces. An input is a shape of record paths, the size of pieces, that of reads, and a stream."""

    name = "splitter"
    files = (
        "sluice/scanner/loop.py",
        "sluice/scanner/passing.py",
        "sluice/pieces.py",
        "sluice/piece_reader.py",
        "sluice/piece_cutter.py",
        "sluice/stream_scan.py",
        "sluice/stream_buffer.py",
        "sluice/xmlio.py",
    )
    mutator = SPLITTER
    _scan = staticmethod(_interpreted())

    def seeds(self) -> Sequence[bytes]:
        heads = (b"\x00\x00\x40", b"\x00\x40\x01", b"\x00\xff\xff")
        streams = [make_stream(seed, 1 + seed % 3, seed % len(SHAPES)) for seed in range(24)]
        return [bytes([seed % len(SHAPES)]) + heads[seed % 3][1:] + stream.data for seed, stream in enumerate(streams)]

    def check(self, data: bytes) -> None:
        shape, piece_bytes, chunk, stream = data[:1], data[1:2], data[2:3], data[3:]
        paths = SHAPES[(shape or b"\0")[0] % len(SHAPES)]
        size = 1 + (chunk or b"\0")[0] * 7
        self._check_scanner(stream, PathTable(paths), size)
        self._check_pieces(stream, paths, 1 + (piece_bytes or b"\0")[0] * 4)

    def _check_scanner(self, data: bytes, paths: PathTable, size: int) -> None:
        compiled, interpreted = _scan_in(scanner.scan, data, paths, size), _scan_in(self._scan, data, paths, size)
        _want(compiled == interpreted, "the compiled scanner does other things than its source says")
        _want(compiled == _scan_in(scanner.scan, data, paths, len(data) or 1), "it matters where a buffer ends")

    def _check_pieces(self, data: bytes, paths: tuple[RecordPath, ...], piece_bytes: int) -> None:
        truth = truth_of(data, paths)
        reader = PieceReader(io.BytesIO(data), PathTable(paths), None, True, piece_bytes)
        found, fault = read_records(reader, paths)
        if fault is not None:
            _want(fault.code in REJECT_CODES, f"the code {fault.code} is not known")
            _want(fault.offset is None or 0 <= fault.offset <= len(data), f"place {fault.offset} lies outside the file")
            _want(not truth.is_sound or fault.code in _REFUSED_ANYWAY, f"sound, but refused: {fault.code} {fault}")
        else:
            _want(truth.is_sound is not False, "not well-formed, but taken for sound")
            _want(truth.records is None or found == truth.records, f"other records: {found} instead of {truth.records}")


def _scan_in(scan: Callable[..., Any], data: bytes, paths: PathTable, size: int) -> tuple[Any, ...]:
    state, stack = paths.new_state()
    events = np.zeros((64, 4), np.int64)
    found, position = [], 0
    for end in range(min(size, len(data)), len(data) + size, size):
        buffer, count = np.frombuffer(data[:end], np.uint8), -1
        while count:
            position, count = scan(paths, buffer, position, state, stack, events)
            found += events[:count].tolist()
        if state[scanner.ERROR]:
            break
    return found, int(position), int(state[scanner.ERROR])


def read_records(reader: PieceReader, paths: tuple[RecordPath, ...]) -> tuple[list[Record | None], MalformedXML | None]:
    """The records of a stream by Sluice's pieces, None for one that was left out; and what is wrong with the stream."""
    found: list[Record | None] = []
    try:
        for piece in reader:
            if isinstance(piece, OversizeRecord):
                found.append(None)
            else:
                found += _records_in(piece, paths, reader)
    except MalformedXML as fault:
        return found, fault
    return found, None


def _records_in(piece: Piece, paths: tuple[RecordPath, ...], reader: PieceReader) -> list[Record]:
    try:
        xmlio.parse_piece(piece)
    except MalformedXML as error:
        if piece.is_remnant and error.code == "truncated" and reader.fault:
            return []  # the reader says more
        raise
    elements = [] if piece.is_remnant else elements_at(piece.text, paths)
    if len(elements) != len(piece.starts):
        raise MalformedXML("refused_dtd", "records come out of entities")
    places = zip(piece.starts.tolist(), piece.ends.tolist(), piece.lines().tolist(), elements, strict=True)
    return [Record(start, end, line, canonical(element)) for start, end, line, element in places]


# -- the parser -------------------------------------------------------------------------------------------------------

_FEED = """
namespaces: {default: ['', urn:d, urn:p], q: urn:q}
malformed: %s
quotas: {max_depth: 40}
tables:
  things:
    record: /root/rec
    columns:
      x: {path: "@x", type: integer}
      y: {path: ["@q:y", o], first: true, default: none}
      t: {path: ., type: text, "null": ['', x]}
      d: {path: o/@x, type: "numeric(9,2)[]"}
      w: {path: re, type: timestamptz, timezone: UTC}
      j: {path: records, type: json}
      h: ../@x
      f: {path: rec, type: xml, first: true}
  parts: {parent: things, rows: o, columns: {k: "@x", u: ../@x}}
  gone: {record: /root/group/deleted, columns: {c: ., z: {path: "rec[@x='1']/@y", first: true}}}
"""


class Parser:
    """One file, from its bytes to the rows and rejects of its batch; as it is, and cut into parts."""

    name = "parser"
    files = (
        "sluice/charsets.py", "sluice/reading.py", "sluice/cutting.py", "sluice/stages/parse.py",
        "sluice/batch_parser.py", "sluice/plan.py",
        "sluice/walk.py", "sluice/convert.py", "sluice/values.py", "sluice/dates.py", "sluice/tabulate.py",
        "sluice/rejects.py",
    )  # fmt: skip
    mutator = PARSER

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._feeds = [
            write_feed(folder, _FEED % malformed, f"feed_{malformed}") for malformed in ("reject", "keep_records")
        ]

    def seeds(self) -> Sequence[bytes]:
        streams = [make_stream(seed, 1 + seed % 2, (0, 4)[seed % 2]).data for seed in range(16)]
        values = b"<rec x='1'><o x='1.50'/><o x='2'>o</o><re>2024-01-01T00:00:00</re><records>{}</records></rec>"
        document = b"<root x='7'><!-- -->" + values * 4 + b"<group>" + b"<deleted>1</deleted>" * 3 + b"</group></root>"
        return [
            *(bytes([number, 40 * number]) + document + b"\n" + document for number in (0, 1, 5)),
            b"\0\0<root x='7'>" + values + b"</root>",
            *(bytes([seed % 2, 17 * seed % 128]) + data for seed, data in enumerate(streams)),
        ]

    def check(self, data: bytes) -> None:
        which, target, content = (data[:1] or b"\0")[0], (data[1:2] or b"\0")[0], data[2:]
        feed = self._feeds[which % 2]
        whole = parse_data(feed, self._folder, content)
        self._check_outcome(whole, content)
        # Work files are read when they are asked for: each of the two needs its own.
        tools = tools_for(feed, self._folder / "cut")
        parts = cut_parts(tools, self._folder / "file.xml", 1 + target)
        if [part.cut for part in parts] != [Cut()]:
            self._compare(whole, parse_parts(tools, parts))

    @staticmethod
    def _compare(whole: Parsed, parts: Parsed) -> None:
        _want(parts.is_conserved(), "records are lost in parts")
        # Of a malformed file all parts beside the fault load; of one in one part at most what stands before it.
        if not any(reject.ordinal is None for reject in (*whole.rejects, *parts.rejects)):
            for table in whole.feed.tables:
                _want(_rows(whole, table) == _rows(parts, table), f"cut, the file gives other rows of {table}")
            _want(sorted(whole.codes) == sorted(parts.codes), "cut, the file gives other rejects")

    def _check_outcome(self, parsed: Parsed, content: bytes) -> None:
        _want(parsed.is_conserved(), "records are lost")
        _want({*parsed.codes} <= REJECT_CODES.keys(), f"unknown codes: {parsed.codes}")
        files = [reject.reasons[0].code for reject in parsed.rejects if reject.ordinal is None]
        try:
            stream = Utf8Stream(io.BytesIO(content))
            decoded = b"".join(iter(lambda: stream.read(1 << 20), b""))
        except MalformedXML:
            _want(files, "the bytes are no text, but taken for sound")
            return
        truth = truth_of(decoded, (("root", "rec"), ("root", "group", "deleted")))
        if not files:
            _want(truth.is_sound is not False, "not well-formed, but taken for sound")
            found = sum(outcome["found"] for outcome in parsed.outcomes)
            _want(truth.records is None or found == len(truth.records), f"{found} records found, not {truth.records}")
        elif truth.is_sound:
            _want(
                {*files} <= _REFUSED_ANYWAY | {"encoding", "archive_broken", "not_xml"}, f"sound, but refused: {files}"
            )


def _rows(parsed: Parsed, table: str) -> list[dict[str, Any]]:
    """The rows in an order that does not depend on the parts."""
    kept = [{key: value for key, value in row.items() if key not in ("_part", "_rec")} for row in parsed.rows(table)]
    return sorted(kept, key=repr)


# -- the feed loader --------------------------------------------------------------------------------------------------


_SMALL_FEEDS = (
    "tables: {t: {record: /r/a, columns: {b: c/d}}}\n",
    """
namespaces: {default: [urn:a, urn:b], p: urn:p}
schedule: {cron: "0 6 * * *", timezone: Europe/Berlin, start: 2024-01-01, lookback_days: 2}
quotas: {max_depth: 16}
encoding: latin-1
tables:
  t:
    record: /r/p:a
    key: [b, c]
    version: [d]
    deletes: {column: e, values: [x], record: /r/gone, columns: {b: "@b", c: c, d: ../@d}}
    columns: {b: b, c: "@p:c", d: {path: [d, ../h/d], type: "numeric(9,2)"}, e: e}
    indexes: [b, [c, d]]
  u: {parent: t, rows: f/g, columns: {x: "h[@i='j'][k/l='m']/n", y: ../../@o, z: {path: ., type: xml}}}
  v: {parent: u, rows: g, columns: {l: {path: "@l", type: "date[]", formats: "%d.%m.%Y"}}}
""",
    """
publish: run
rejects: {max_share: 0.5}
drift: {ignore: [a/**, t.b]}
retention: {quarantine_days: 3}
tables:
  t:
    record: /r/a
    columns: {b: {path: b, type: bigint, null: ["", x], default: "1", required: true}}
    expectations:
      - expect_column_values_to_be_between: {column: b, min_value: 1}
        severity: warning
run: {expectations: {t: [expect_table_row_count_to_be_between: {min_value: 1}]}}
""",
)


class Feeds:
    """A feed file: it loads and can be worked with, or is refused with the places of what is wrong."""

    name = "feeds"
    files = ("sluice/feed/", "sluice/plan.py", "sluice/nodes.py")
    mutator = FEEDS

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "fuzzed"
        self._folder.mkdir(exist_ok=True)

    def seeds(self) -> Sequence[bytes]:
        own = [(feeds_root() / name / FEED_FILE).read_bytes() for name in feed_names(feeds_root())]
        small = [
            b"feed: fuzzed\nsource: {uri: /x/*.xml}\n" + text.encode() for text in (_FEED % "reject", *_SMALL_FEEDS)
        ]
        return [*small, *(re.sub(rb"(?m)^feed: .*", b"feed: fuzzed", text)[:MAX_BYTES] for text in own)]

    def check(self, data: bytes) -> None:
        (self._folder / FEED_FILE).write_bytes(data)
        try:
            feed = load_feed(self._folder)
        except FeedInvalid as invalid:
            lines = data.count(b"\n") + data.count(b"\r") + data.count(b"\xe2\x80") + data.count(b"\xc2\x85") + 2
            for problem in invalid.problems:
                _want(1 <= problem.line <= lines, f"line {problem.line} of {lines}: {problem}")
            return
        _want(mapping_hash(feed) == mapping_hash(load_feed(self._folder)), "the hash is not always the same")
        create_statements(feed)
        Plan(feed)
