"""Makes new inputs of old ones: some changes know XML or YAML, others only bytes."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import yaml

MAX_BYTES = 8_000
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_HIDDEN = (
    b"<!--<rec>-->", b"<!--</rec>--", b"<![CDATA[<rec/>]]>", b"<![CDATA[</root>", b"]]>", b"-->", b"?>",
    b"<?pi <rec>?>", b"<!DOCTYPE root [<!ENTITY e '<rec/>'>]>", b"<!DOCTYPE root SYSTEM 'r.dtd'>",
    b"<!DOCTYPE a [<!-- ]> -->]>", b"&e;", b"<?xml version='1.0'?>",
    b'<?xml version="1.0" encoding="ISO-8859-1"?>', b"\xef\xbb\xbf", b"<!ATTLIST rec x CDATA 'y'>", b"<rec>",
    b"</rec>", b"<rec/>", b"<root>", b"</root>", b"<a>", b"</a>", b"<root/>", b"<p:rec xmlns:p='urn:p'>",
    b"<g/>", b" x='>'", b' y="</rec>"', b" xmlns='urn:d'", b" xmlns=''", b" xsi:nil='true'", b"xmlns:p='urn:q'",
    b"'", b'"', b"/>", b"<", b">", b"/", b"&", b"&amp;", b"&#0;", b"&#x41;", b"\r\n", b"\r", b"\xc3\xa9",
    b"\xf0\x9f\x98\x80", b"\xff", b"\0",
)  # fmt: skip
_YAML = (
    b"tables:", b"record: /r/a", b"parent: t", b"rows: a", b"columns:", b"{", b"}", b"[", b"]", b": ", b"- ",
    b"\n", b"\n  ", b"&a ", b"*a", b"<<: *a", b"null", b"true", b"1e999", b"0x1", b"-1", b"'", b'"', b"|\n",
    b"!!python/object:os.system ", b"!!binary x", b"2024-01-01", b"type: numeric(9,2)", b"type: text[]",
    b"path: ../@x", b"a[b='c']", b"key: a", b"version: file_date", b"quotas: {max_depth: 16}",
    b"encoding: utf-8", b"expectations:", b"mostly: 2", b"\t", b"? ", b"---\n", b"...", b"%YAML 1.1", b"# ",
    b"zz:", b"/", b"../", b"..", b"@", b"[a/@b='c']", b".", b"_",
    b"\xe2\x80\xa8", b"\x00", b"deletes: {column: a, values: [x]}", b"xsd: {files: ../x}",
)  # fmt: skip
_XML_TOKENS = re.compile(rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<[^<>]*>|[^<]+|<", re.DOTALL)
_YAML_TOKENS = re.compile(rb"\n *|\w+|\W")
_ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-8-sig")

Change = Callable[[bytes, random.Random, Sequence[bytes]], bytes]


class Mutator:
    """``tokens`` cuts an input into what belongs together, ``words`` are put between."""

    def __init__(self, tokens: re.Pattern[bytes], words: Sequence[bytes], changes: Sequence[Change]) -> None:
        self._tokens, self._words = tokens, words
        self._changes = [_flip, _delete, _repeat, _cut_off, self._insert, self._insert, self._splice]
        self._changes += [self._move_tokens, self._drop_token, self._double_token, *changes]

    def change(self, data: bytes, pick: random.Random, corpus: Sequence[bytes]) -> bytes:
        """``data`` with one to six changes; ``corpus`` holds other inputs."""
        for _ in range(pick.choice((1, 1, 2, 2, 3, 6))):
            data = pick.choice(self._changes)(data, pick, corpus)[:MAX_BYTES]
        return data

    def _insert(self, data: bytes, pick: random.Random, corpus: Sequence[bytes]) -> bytes:
        place = pick.randint(0, len(data))
        if pick.random() < 0.5:
            place = max((match.start() for match in self._tokens.finditer(data) if match.start() <= place), default=0)
        return data[:place] + pick.choice(self._words) * pick.choice((1, 1, 1, 2, 40)) + data[place:]

    def _splice(self, data: bytes, pick: random.Random, corpus: Sequence[bytes]) -> bytes:
        other = pick.choice(corpus)
        start = pick.randint(0, len(other))
        place = pick.choice((pick.randint(0, len(data)), len(data)))
        return data[:place] + other[start : start + pick.choice((20, 100, MAX_BYTES))] + data[place:]

    def _move_tokens(self, data: bytes, pick: random.Random, corpus: Sequence[bytes]) -> bytes:
        tokens = self._tokens.findall(data)
        if len(tokens) > 1:
            one, other = pick.randrange(len(tokens)), pick.randrange(len(tokens))
            tokens[one], tokens[other] = tokens[other], tokens[one]
        return b"".join(tokens)

    def _drop_token(self, data: bytes, pick: random.Random, corpus: Sequence[bytes]) -> bytes:
        tokens = self._tokens.findall(data)
        start = pick.randint(0, len(tokens))
        return b"".join(tokens[:start] + tokens[start + pick.choice((1, 1, 3)) :])

    def _double_token(self, data: bytes, pick: random.Random, corpus: Sequence[bytes]) -> bytes:
        tokens = self._tokens.findall(data)
        start = pick.randint(0, len(tokens))
        end = start + pick.choice((1, 2, 5))
        return b"".join(tokens[:end] + tokens[start:end] * pick.choice((1, 1, 10)) + tokens[end:])


def _flip(data: bytes, pick: random.Random, corpus: Sequence[bytes]) -> bytes:
    place = pick.randint(0, len(data))
    return data[:place] + bytes([pick.randrange(256)]) + data[place + 1 :]


def _delete(data: bytes, pick: random.Random, corpus: Sequence[bytes]) -> bytes:
    place = pick.randint(0, len(data))
    return data[:place] + data[place + pick.choice((1, 2, 5, 50)) :]


def _repeat(data: bytes, pick: random.Random, corpus: Sequence[bytes]) -> bytes:
    place = pick.randint(0, len(data))
    size = pick.choice((1, 4, 30, 200))
    return data[:place] + data[place : place + size] * pick.choice((2, 2, 3, 20)) + data[place + size :]


def _cut_off(data: bytes, pick: random.Random, corpus: Sequence[bytes]) -> bytes:
    place = pick.randint(0, len(data))
    return pick.choice((data[:place], data[place:]))


def _append_document(data: bytes, pick: random.Random, corpus: Sequence[bytes]) -> bytes:
    return data + pick.choice((b"", b"\n", b"<!-- between -->", b"\xef\xbb\xbf")) + pick.choice(corpus)


def _encode_anew(data: bytes, pick: random.Random, corpus: Sequence[bytes]) -> bytes:
    name = pick.choice(_ENCODINGS)
    text = data.decode("utf-8", "replace")
    declared = pick.choice(("", f'<?xml version="1.0" encoding="{pick.choice(_ENCODINGS)}"?>'))
    return (declared + text).encode(name, "replace")


_IN_TEXTS = (
    "zz:",
    "/",
    "../",
    "..",
    "@",
    ".",
    "[a='b']",
    "[a/@b='c']",
    "_",
    " ",
    "%Y",
    "*",
    "x",
    "1",
    "é",
    "(9,2)",
    "[]",
)
_VALUES: tuple[Any, ...] = (
    "",
    "x",
    ".",
    "..",
    "a/b",
    "@a",
    "/r/a",
    "text",
    "date[]",
    0,
    1,
    -1,
    1e9,
    True,
    None,
    [],
    {},
    ["a"],
)


def _change_node(data: bytes, pick: random.Random, corpus: Sequence[bytes]) -> bytes:
    """A change that leaves YAML what it is: bytes put anywhere seldom do."""
    try:
        document = yaml.load(data, Loader=_Loader)
        places = [*_places(document)]
        if not places:
            return data
        holder, key = pick.choice(places)
        _change_at(holder, key, pick, places)
        return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000).encode()
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError):
        return data


def _change_at(holder: Any, key: Any, pick: random.Random, places: Sequence[tuple[Any, Any]]) -> None:
    value, (other, other_key) = holder[key], pick.choice(places)
    action = pick.randrange(6)
    if action == 0:
        del holder[key]
    elif action == 1:
        holder[key] = copy.deepcopy(other[other_key])
    elif action == 2:
        holder[key] = pick.choice(_VALUES)
    elif action == 3 and isinstance(holder, dict):
        holder[other_key if isinstance(other, dict) else pick.choice("abt")] = copy.deepcopy(value)
    elif isinstance(value, str):
        place = pick.randint(0, len(value))
        holder[key] = value[:place] + pick.choice(_IN_TEXTS) + value[place + pick.choice((0, 0, 0, 1, 3)) :]


def _places(value: Any, levels: int = 12) -> Iterator[tuple[Any, Any]]:
    """All places in a document: the mapping or list, and the key or index in it."""
    items = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, inner in items if levels else ():
        yield value, key
        yield from _places(inner, levels - 1)


SPLITTER = Mutator(_XML_TOKENS, _HIDDEN, [_append_document, _append_document])
PARSER = Mutator(_XML_TOKENS, _HIDDEN, [_append_document, _encode_anew])
FEEDS = Mutator(_YAML_TOKENS, _YAML, [_change_node] * 20)
