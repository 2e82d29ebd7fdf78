"""A path that a person asks about, as it stands in a file or in a feed: names with a prefix, a namespace or neither."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sluice.feed.model import Feed
from sluice.feed.paths import BUILT_IN_PREFIXES, Name, Step
from sluice.tryout.census import Census, Met

_CONDITION = re.compile(r"\[[^\]]*\]")
_STEP = re.compile(r"(?P<at>@?)(?:\{(?P<uri>[^{}]*)\}|(?P<prefix>[^{}:/@]+):)?(?P<local>[^{}:/@]+)")
_STEPS = re.compile(r"(?:@?(?:\{[^{}]*\})?[^/{}]+)")


class PathUnclear(ValueError):
    """What was asked is no path; the message says why."""


@dataclass(frozen=True, slots=True)
class AskedName:
    """One step. ``uris`` are the namespaces that it may be in; None for any."""

    local: str
    uris: frozenset[str] | None
    is_attribute: bool = False

    def fits_tag(self, clark: str) -> bool:
        """Whether a Clark name, with @ before it for an attribute, may be meant."""
        if clark.startswith("@") != self.is_attribute:
            return False
        uri, _, local = clark.lstrip("@").rpartition("}")
        return local == self.local and (self.uris is None or uri[1:] in self.uris)

    def fits_any(self, clarks: Sequence[str]) -> bool:
        return any(self.fits_tag(f"@{clark}" if self.is_attribute else clark) for clark in clarks)


@dataclass(frozen=True, slots=True)
class Asked:
    """The path; without ``is_absolute`` it begins below the record, or else it is the end of a path."""

    text: str
    is_absolute: bool
    names: tuple[AskedName, ...]


def parse_asked(text: str, feed: Feed) -> Asked:
    """Raises ``PathUnclear``. Conditions in brackets are passed over: all elements of the name are meant."""
    source = _CONDITION.sub("", text.strip()).removeprefix("./")
    steps = _STEPS.findall(source)
    if not steps or "/".join(steps) != source.removeprefix("/"):
        raise PathUnclear(f"{text!r} is no path; write it as /Orders/Order/Total/@currency, or Total/@currency")
    found = [(step, _STEP.fullmatch(step)) for step in steps]
    for number, (step, match) in enumerate(found):
        if match is None or match["local"] in (".", "..") or (match["at"] and number < len(found) - 1):
            raise PathUnclear(f"{step!r} in {text!r} is no step: a name, prefix:name, {{namespace}}name or @name")
    names = tuple(_read_name(match, feed) for _, match in found if match is not None)
    return Asked(text.strip(), source.startswith("/"), names)


def _read_name(match: re.Match[str], feed: Feed) -> AskedName:
    uris: frozenset[str] | None = None
    if match["uri"] is not None:
        uris = frozenset([match["uri"]])
    elif match["prefix"]:
        # a prefix that the feed does not declare is the file's own: it may stand for anything
        known = feed.namespaces | {prefix: (uri,) for prefix, uri in BUILT_IN_PREFIXES.items()}
        uris = frozenset(known[match["prefix"]]) if match["prefix"] in known else None
    return AskedName(match["local"], uris, bool(match["at"]))


class Finder:
    """Finds what is asked, among the steps that a feed declares and in a census.

    Where it is not absolute it begins below one of ``records``; with ``is_loose`` it is the end of any path.
    """

    def __init__(self, feed: Feed, asked: Asked, records: Sequence[tuple[Step, ...]], *, is_loose: bool) -> None:
        self._feed, self._asked, self._records, self._is_loose = feed, asked, records, is_loose

    def is_at(self, steps: Sequence[Step], attribute: Name | None = None) -> bool:
        """Whether these steps lead to what is asked, by the elements' names."""
        names = self._feed.names
        spelled = [(names.element_names(step.name), False) for step in steps]
        spelled += [(names.attribute_names(attribute), True)] if attribute else []
        begin = len(spelled) - len(self._asked.names)
        return (
            begin >= 0
            and self._may_begin(steps, begin)
            and all(
                name.is_attribute == is_attribute and name.fits_any(clarks)
                for name, (clarks, is_attribute) in zip(self._asked.names, spelled[begin:], strict=True)
            )
        )

    def _may_begin(self, steps: Sequence[Step], begin: int) -> bool:
        if self._asked.is_absolute or self._is_loose:
            return begin == 0 or self._is_loose
        return any(begin == len(record) and tuple(steps[:begin]) == tuple(record) for record in self._records)

    def find_met(self, census: Census) -> list[Met]:
        """What is there in the files."""
        if self._asked.is_absolute:
            return self._walk([census.root])
        if self._is_loose:
            return [met for met in census.root.descendants() if self._ends_so(met)]
        return self._walk([met for record in self._records for met in census.find(record)])

    def _walk(self, found: list[Met]) -> list[Met]:
        for name in self._asked.names:
            found = [met for above in found for met in above.below.values() if name.fits_tag(met.name)]
        return found

    def _ends_so(self, met: Met) -> bool:
        line, names = met.line_down, self._asked.names
        if len(line) < len(names):
            return False
        return all(name.fits_tag(one.name) for name, one in zip(names, line[-len(names) :], strict=True))
