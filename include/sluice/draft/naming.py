"""Names: from those of elements and attributes to good names in SQL that keep their meaning."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence

MAX_BYTES = 63
SYSTEM_COLUMNS = frozenset({"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin", "file_date"})

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+[0-9]*|[A-Z]+[0-9]*|[0-9]+|[^\W_A-Za-z0-9]+")
_CYRILLIC = "a b v g d e e z i y k l m n o p r s t u f kh ts y e"
_GREEK = "a v g d e z i th i k l m n x o p r s s t y f ch ps o"
_LETTERS = {
    "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i", "ä": "ae", "ö": "oe",
    "ü": "ue", "å": "aa", "є": "ye",
    **dict(zip("абвгдеёзийклмнопрстуфхцыэ", _CYRILLIC.split(), strict=True)),
    "ж": "zh", "ч": "ch", "ш": "sh", "щ": "shch", "ю": "yu", "я": "ya", "ъ": "", "ь": "", "і": "i", "ї": "yi",
    **dict(zip("αβγδεζηθικλμνξοπρσςτυφχψω", _GREEK.split(), strict=True)),
}  # fmt: skip


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def local_name(clark: str) -> str:
    return clark.rpartition("}")[2]


def words_of(name: str) -> list[str]:
    """The words of a name in camelCase, snake_case or kebab-case: ``BkToCstmrStmt`` is bk, to, cstmr, stmt."""
    plain = "".join(map(_latin, unicodedata.normalize("NFC", local_name(name))))
    return [word.lower() for word in _WORDS.findall(plain)]


def _latin(letter: str) -> str:
    """A letter in ASCII; one that has no spelling in it by its number."""
    if letter.isascii():
        return letter
    spelled = _LETTERS.get(letter.lower())
    if spelled is None:
        spelled = "".join(c for c in unicodedata.normalize("NFKD", letter) if c.isascii() and c.isalnum())
    if not spelled and letter.isalpha():
        spelled = f"U{ord(letter):x}"
    return spelled.capitalize() if letter.isupper() else spelled


def snake(name: str) -> str:
    """The name as an identifier; '' where nothing of it can be one."""
    return "_".join(words_of(name)).strip("_")


def identifier(parts: Sequence[str]) -> str:
    """One identifier of several snake_case parts: a part does not repeat the words that end the one before."""
    words: list[str] = []
    for index, part in enumerate(parts):
        new = part.split("_") if part else []
        is_last = index == len(parts) - 1
        most = min(len(words), len(new) - is_last)
        overlap = next((n for n in range(most, 0, -1) if words[-n:] == new[:n]), 0)
        words += new[overlap:]
    name = "_".join(words) or "value"
    if not name[0].isalpha():
        name = f"n{name}"
    return _fitting(name)


def _fitting(name: str) -> str:
    """A name that PostgreSQL keeps whole: words are left out from the front, for the last ones mean most."""
    while len(name.encode()) > MAX_BYTES and "_" in name:
        digest = hashlib.sha256(name.encode()).hexdigest()[:4]
        words = name.split("_")
        while len("_".join(words)) > MAX_BYTES - 6 and len(words) > 1:
            words.pop(0)
        name = f"{'_'.join(words)}_x{digest}"
        name = name if name[0].isalpha() else f"n{name}"
        break
    return name[:MAX_BYTES]


# Names that mean nothing without the element that they are in.
_BARE = word_set(
    "amount amt cd code content count data date day description desc dt end first from id identifier key kind label"
    " last line lang language lng name nm nb no nr number num other othr prtry qty quantity rate ref reference scheme"
    " start status sts sum text time title to tp type unit uri url val value version"
)


def unique_names(
    chains: Sequence[Sequence[str]], taken: Iterable[str] = (), least: Sequence[int] | None = None
) -> list[str]:
    """A name for each chain of names (from the row down to the value), short and different from all others.

    A value is called as its own element; as one with its parent where that alone says nothing. Where two would be
    called the same, the nearest ancestor that tells them apart comes before it. Only what no ancestor tells apart gets
    a number. ``least`` says how many of each chain to take at first, 0 where that is to be found.
    """
    used = set(taken) | SYSTEM_COLUMNS
    wanted = least or [0] * len(chains)
    # Of each chain the levels that are in its name, counted from its end.
    levels = [
        set(range(min(len(chain), depth or (2 if _is_bare(chain[-1]) else 1))))
        for chain, depth in zip(chains, wanted, strict=True)
    ]
    while True:
        names = [_name_of(chain, chosen) for chain, chosen in zip(chains, levels, strict=True)]
        groups: dict[str, list[int]] = {}
        for index, name in enumerate(names):
            groups.setdefault(name, []).append(index)
        clashing = [(name, group) for name, group in groups.items() if len(group) > 1 or name in used]
        # All of them, not only up to the first that could be told apart.
        if True not in [_tell_apart(chains, levels, group, name in used) for name, group in clashing]:
            return _numbered(names, used)


def _name_of(chain: Sequence[str], levels: set[int]) -> str:
    return identifier([chain[-1 - level] for level in sorted(levels, reverse=True)])


def _tell_apart(chains: Sequence[Sequence[str]], levels: list[set[int]], group: list[int], is_taken: bool) -> bool:
    """Add the lowest level at which all of a group differ, else one where some do; for a name that is taken, any."""
    found: tuple[int, list[int]] | None = None
    for level in range(1, max(len(chains[index]) for index in group)):
        parts = [chains[index][-1 - level] if level < len(chains[index]) else "" for index in group]
        able = [index for index in group if level < len(chains[index]) and level not in levels[index]]
        if not able:
            continue
        if len(set(parts)) == len(parts):
            found = level, able
            break
        if found is None and (len(set(parts)) > 1 or is_taken):
            found = level, able
    if found is None:
        return False
    for index in found[1]:
        levels[index].add(found[0])
    return True


def _is_bare(name: str) -> bool:
    return name in _BARE


def _numbered(names: list[str], used: set[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        number, candidate = 1, name
        while candidate in used:
            number += 1
            ending = "_value" if number == 2 else f"_value_{number - 1}"
            candidate = f"{name[: MAX_BYTES - len(ending)]}{ending}"
        used.add(candidate)
        found.append(candidate)
    return found


def plural(name: str) -> str:
    """A name for a table of many: entry is entries. Abbreviations and what is no single thing stay as they are."""
    head, _, last = name.rpartition("_")
    if len(last) < 3 or not re.search("[aeiou]", last) or last.endswith(("data", "info", "list", "ies", "ses")):
        return name
    if re.search("[^aeiou]y$", last):
        last = f"{last[:-1]}ies"
    elif last.endswith(("ss", "x", "ch", "sh", "us")):
        last = f"{last}es"
    elif not last.endswith("s"):
        last = f"{last}s"
    return f"{head}_{last}" if head else last
