"""The world of a soak: feeds, and files for them, all made of a seed.

A file is described by what is in it, and written by this module alone: where each record stands in the bytes is known
without reading them.
"""

from __future__ import annotations

import datetime as dt
import gzip
import io
import os
import random
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

DAYS = tuple(dt.date(2026, 3, day) for day in range(1, 6))
TODAY = DAYS[-1]
_NOON = dt.datetime(2026, 3, 6, 12, tzinfo=dt.UTC)
_KEYS = 40

_TABLES = """
rejects: {max_files: null}
tables:
  records:
    record: /Book/Entry
    <HEAD>
    columns:
      id: {path: "@id", required: true}
      rev: {path: "@rev", type: integer}
      amount: {path: Amount, type: "numeric(12,2)"<NULL>}
      note: Note
      <STATUS>
    <GATE>
  legs:
    parent: records
    rows: Leg
    columns: {code: "@code", quantity: {path: "@quantity", type: integer}}
  marks:
    parent: legs
    rows: Mark
    columns: {mark: .}
"""
_DELETES = """deletes:
      column: status
      values: [D]
      record: /Book/Gone
      columns: {id: "@id", rev: "@rev"}"""
_NO_NUMBER = "12,50"
_GATE = """expectations:
      - expect_column_values_to_be_between: {column: amount, min_value: 0}"""


@dataclass(frozen=True)
class Shape:
    """A feed of the world. ``version`` is the version column of its key, '' for the date of the file.

    Only some have a gate: Great Expectations takes more time than all the rest.
    """

    name: str
    is_keyed: bool
    version: str = ""
    has_gate: bool = False
    has_deletes: bool = False

    def declaration(self, landing: Path, *, is_healed: bool = False) -> str:
        """The feed file; ``is_healed``, it takes for NULL what it rejected before as no number."""
        head = f"key: id\n    version: {self.version or 'file_date'}" if self.is_keyed else ""
        deletes, status = (_DELETES, 'status: "@status"') if self.has_deletes else ("", "")
        source = f"feed: {self.name}\nsource: {{uri: '{landing}/{self.name}/{{date:%Y-%m-%d}}/*'}}"
        return source + _TABLES.replace("<HEAD>", head).replace(
            "<NULL>", f', null: ["{_NO_NUMBER}"]' if is_healed else ""
        ).replace("<GATE>", _GATE if self.has_gate else deletes).replace("<STATUS>", status)

    @property
    def flaws(self) -> tuple[str, ...]:
        return ("required_missing", "not_a_number", *(["expectation_failed"] if self.has_gate else []))


SHAPES = (
    Shape("trades", is_keyed=True, version="rev", has_gate=True),
    Shape("quotes", is_keyed=True),
    Shape("readings", is_keyed=False),
    Shape("changes", is_keyed=True, version="rev", has_deletes=True),
)


@dataclass(frozen=True)
class Record:
    """``flaw`` is the code that the record is to be rejected with, '' for a good one.

    ``deletes`` says how it deletes its key: by its status, as an element of its own, or '' not at all.
    """

    key: str
    rev: int
    amount: str
    note: str
    legs: tuple[tuple[str, int, tuple[str, ...]], ...]
    flaw: str = ""
    deletes: str = ""

    def is_rejected(self, *, is_healed: bool) -> bool:
        """Of a record that deletes, nothing but key and version is looked at."""
        if self.flaw == "required_missing" or not self.flaw:
            return bool(self.flaw)
        return not self.deletes and not (is_healed and self.flaw == "not_a_number")

    @property
    def xml(self) -> str:
        amount = {"not_a_number": _NO_NUMBER, "expectation_failed": f"-{self.amount}"}.get(self.flaw, self.amount)
        name = "" if self.flaw == "required_missing" else f' id="{self.key}"'
        if self.deletes == "element":
            return f'<Gone{name} rev="{self.rev}"/>'
        name += ' status="D"' if self.deletes else ""
        legs = "".join(_leg(*leg) for leg in self.legs)
        return f'<Entry{name} rev="{self.rev}"><Amount>{amount}</Amount><Note>{self.note}</Note>{legs}</Entry>'


def _leg(code: str, quantity: int, marks: tuple[str, ...]) -> str:
    below = "".join(f"<Mark>{mark}</Mark>" for mark in marks)
    return f'<Leg code="{code}" quantity="{quantity}">{below}</Leg>'


@dataclass(frozen=True)
class Arrival:
    """A file as it arrives. ``documents`` are its members by name, one without a name where it is no archive."""

    feed: str
    day: dt.date
    name: str
    modified: dt.datetime
    form: str
    documents: tuple[tuple[str, tuple[Record, ...]], ...]

    @property
    def path(self) -> str:
        return f"{self.feed}/{self.day}/{self.name}"

    @property
    def content(self) -> bytes:
        texts = {name: _document(records).encode() for name, records in self.documents}
        if self.form == "zip":
            return _zipped(texts)
        if self.form == "tar":
            return _tarred(texts)
        if self.form == "truncated":
            return texts[""][:-40]
        return gzip.compress(texts[""], mtime=0) if self.form == "gzip" else texts[""]

    @property
    def version(self) -> str:
        """What tells it from other contents under its name: size and time of change."""
        return f"{len(self.content)}-{int(self.modified.timestamp())}000000000"

    def offsets(self, records: tuple[Record, ...]) -> Iterator[int]:
        """Where each record of a document starts in its bytes."""
        at = len(_OPENING)
        for record in records:
            yield at
            at += len(record.xml.encode()) + 1


_OPENING = '<?xml version="1.0" encoding="UTF-8"?>\n<Book>\n'


def _document(records: tuple[Record, ...]) -> str:
    return f"{_OPENING}{''.join(record.xml + chr(10) for record in records)}</Book>"


def _zipped(texts: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), text)
    return sink.getvalue()


def _tarred(texts: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for name, text in texts.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    return sink.getvalue()


@dataclass
class World:
    """All that ever arrived, by path and version. The same seed makes the same arrivals, round by round."""

    seed: str
    landing: Path
    shapes: tuple[Shape, ...] = SHAPES
    days: tuple[dt.date, ...] = DAYS
    arrived: dict[tuple[str, str], Arrival] = field(default_factory=dict)
    repeats: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._minute = 0

    def arrive(self) -> list[Arrival]:
        """Let the files of the next round arrive: new ones, new versions of old ones, and old ones once more."""
        taken: dict[str, Arrival] = {}
        for shape in self.shapes:
            for _ in range(self._random.randint(3, 6)):
                one = self._next_file(shape)
                taken.setdefault(one.path, one)
        for one in taken.values():
            self.put(one)
        return list(taken.values())

    def put(self, one: Arrival) -> None:
        """Write a file as it would arrive: whole at once, under its name."""
        self.repeats += (one.path, one.version) in self.arrived
        self.arrived[one.path, one.version] = one
        path = self.landing / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.landing / ".draft"
        draft.write_bytes(one.content)
        os.utime(draft, (one.modified.timestamp(), one.modified.timestamp()))
        draft.replace(path)

    def _next_file(self, shape: Shape) -> Arrival:
        known = [one for one in self.arrived.values() if one.feed == shape.name and one.form != "truncated"]
        choice = self._random.random()
        if known and choice < 0.12:
            return self._random.choice(known)
        if known and choice < 0.45:
            old = self._random.choice(known)
            return self._make(shape, old.day, old.name, old.form)
        form = self._random.choices(("plain", "gzip", "zip", "tar", "large", "truncated"), (8, 3, 3, 2, 3, 1))[0]
        suffix = {"gzip": ".xml.gz", "zip": ".zip", "tar": ".tar"}.get(form, ".xml")
        return self._make(
            shape, self._random.choice(self.days), f"f{self._random.randrange(10_000)}-{form}{suffix}", form
        )

    def _make(self, shape: Shape, day: dt.date, name: str, form: str) -> Arrival:
        # Newer versions mostly come later, as they should; some are older copies that somebody put back.
        self._minute += 1
        back = dt.timedelta(minutes=200, seconds=30) if self._random.random() < 0.15 else dt.timedelta()
        modified = _NOON + dt.timedelta(minutes=self._minute) - back
        names = [f"m{number}.xml" for number in range(self._random.randint(1, 3))] if form in ("zip", "tar") else [""]
        size = (40, 90) if form == "large" or (form == "gzip" and self._random.random() < 0.3) else (1, 9)
        return Arrival(
            shape.name, day, name, modified, form, tuple((member, self._records(shape, *size)) for member in names)
        )

    def _records(self, shape: Shape, least: int, most: int) -> tuple[Record, ...]:
        return tuple(self._record(shape, most > 9) for _ in range(self._random.randint(least, most)))

    def _record(self, shape: Shape, is_long: bool) -> Record:
        pick = self._random
        flaw = pick.choice(shape.flaws) if pick.random() < 0.06 else ""
        return Record(
            key=f"k{pick.randrange(_KEYS * (3 if is_long else 1))}",
            rev=pick.randint(1, 5),
            amount=f"{pick.randint(1, 99_999)}.{pick.randint(0, 99):02}",
            note=pick.choice(("a", "b", "Zürich 🎉", "x" * 120)) * (1 + is_long),
            legs=tuple(
                (pick.choice("xyz"), pick.randint(1, 9), tuple(pick.choices(("m", "n"), k=pick.randint(0, 2))))
                for _ in range(pick.randint(0, 3))
            ),
            flaw=flaw,
            deletes=pick.choice(("status", "element")) if shape.has_deletes and pick.random() < 0.25 else "",
        )
