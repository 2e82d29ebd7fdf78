"""Names of archive members: which are refused, which are skipped, and how two of one name are told apart."""

from __future__ import annotations

import re

from sluice.errors import MalformedXML

_MAX_NAME_BYTES = 1024
_SHOWN_CHARACTERS = 80
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ABSOLUTE = re.compile(r"[\\/]|[A-Za-z]:[\\/]")


def visible_name(raw: str) -> str | None:
    """The name to know a member or folder by; None if it is to be skipped. Raises ``MalformedXML`` for a trick.

    Nothing is ever written under such a name, but an archive that holds one is not what a partner sends.
    """
    name = _printable(raw)
    segments = [segment for segment in re.split(r"[\\/]", name) if segment not in ("", ".")]
    if _ABSOLUTE.match(name) or ".." in segments:
        raise refused(name, "points outside the archive")
    if _CONTROL.search(name) or len(name.encode()) > _MAX_NAME_BYTES:
        raise refused(name, "has an unfit name")
    if not segments or "__MACOSX" in segments or any(segment.startswith(".") for segment in segments):
        return None
    return name.removeprefix("./")


def spelled_name(raw: str) -> str:
    """A name that is fit to be stored and shown, for a member that ``visible_name`` would refuse."""
    name = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", _printable(raw))
    return name.encode()[:_MAX_NAME_BYTES].decode(errors="ignore") or "?"


def _printable(raw: str) -> str:
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def refused(name: str, why: str) -> MalformedXML:
    """The error for a member that a partner would not send on purpose."""
    return MalformedXML("archive_refused", f"the archive's member {name[:_SHOWN_CHARACTERS]!r} {why}")


def broken(name: str, why: str) -> MalformedXML:
    """The error for a member that cannot be read."""
    return MalformedXML("archive_broken", f"the archive's member {name[:_SHOWN_CHARACTERS]!r} {why}")


class DistinctNames:
    """Names that one archive has used so far."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def add(self, name: str) -> str:
        """``name`` as it is the first time, then with ``#2``, ``#3``, …"""
        candidate, number = name, self._taken.get(name, 1)
        while candidate in self._taken:
            number += 1
            candidate = f"{name}#{number}"
        self._taken[name] = number
        self._taken.setdefault(candidate, 1)
        return candidate
