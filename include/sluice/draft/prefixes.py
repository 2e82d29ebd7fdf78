"""Prefixes for the namespaces of a feed: those that the documents have, where they are good."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from sluice.draft.shape import Shape
from sluice.draft.versions import Namespaces

_GOOD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,15}")
_RESERVED = frozenset({"default", "xml", "xmlns", "xsi"})
_XML = "http://www.w3.org/XML/1998/namespace"


def choose_prefixes(roots: Sequence[Shape], known: Namespaces) -> dict[str, str]:
    """Each URI with its prefix; '' for the default, which is the namespace of most elements.

    Where elements are in no namespace, names without a prefix must stay theirs, and there is no default.
    """
    uses: Counter[str] = Counter()
    for root in roots:
        for shape in root.walk():
            uses[uri_of(shape.name)] += 1
            uses.update({uri_of(name): 0 for name in shape.attributes if name.startswith("{")})
    uses.pop(_XML, None)
    ordered = sorted((uri for uri in uses if uri), key=lambda uri: (-uses[uri], uri))
    prefixes: dict[str, str] = {}
    if ordered and "" not in uses:
        prefixes[ordered.pop(0)] = ""
    for uri in ordered:
        prefixes[uri] = _prefix_for(uri, known, prefixes)
    return prefixes


def uri_of(clark: str) -> str:
    return clark[1:].rpartition("}")[0] if clark.startswith("{") else ""


def _prefix_for(uri: str, known: Namespaces, taken: dict[str, str]) -> str:
    seen = known.prefixes[uri].most_common() if uri in known.prefixes else []
    wanted = [prefix for prefix, _ in sorted(seen, key=lambda pair: (-pair[1], pair[0]))]
    words = [word.lower() for word in re.findall(r"[A-Za-z][A-Za-z0-9]*", uri.partition("://")[2] or uri)]
    wanted += [
        word for word in reversed(words) if len(word) > 1 and word not in ("xsd", "xml", "schema", "www", "com", "org")
    ]
    for prefix in wanted:
        if _GOOD.fullmatch(prefix) and prefix.lower() not in _RESERVED and prefix not in taken.values():
            return prefix
    number = 1
    while f"ns{number}" in taken.values():
        number += 1
    return f"ns{number}"


def declarations(prefixes: dict[str, str], known: Namespaces) -> dict[str, tuple[str, ...]]:
    """Prefix to all URIs of its family, as a feed declares them."""
    return {prefix or "default": tuple(sorted(known.uris.get(uri, [uri]))) for uri, prefix in prefixes.items()}
