"""Finds where records begin and end in a stream of XML bytes, at about a gigabyte a second.

The scanner knows just enough XML to be exact on well-formed input: tags (with quoted attribute values), comments, CDATA
sections, processing instructions, document type declarations, and several documents one after another. It does not
prove well-formedness; whoever uses its cuts parses each piece with a real parser, and that parse is the proof.

Input is UTF-8 (``charsets.Utf8Stream`` sees to it): every byte below 0x80 is then a character of its own.

``scan`` is compiled by Numba once per machine and cached. It is resumable: all of its state is in ``state`` and
``stack``, so that a stream may be handed over in chunks of any size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from sluice.compiled.borrowing import borrowed
from sluice.compiled.compiling import compiled, inlined
from sluice.compiled.words import ONES, WORD, first_of, words_of, zeros

# Events, as they stand in the first column of the event table; the others are: start, end (positions in the buffer),
# depth (of a record's end: that of the deepest element in the record).
ROOT_START, ANCESTOR_START, RECORD_START, RECORD_END, ANCESTOR_END, DOCUMENT_END, DECLARATION = 1, 2, 3, 4, 5, 6, 7
EVENT_CAPACITY = 16384

# Slots of the state. LAST_CHILD_END is the end of the last child (a record or not) of the innermost open ancestor, -1
# where it has none yet: the last place where a piece may end, as the ancestors now stand. DEEPEST is the depth of the
# deepest element so far of the record that is open.
MODE, DEPTH, RETURN_MODE, QUOTE, IN_SUBSET, RECORD_DEPTH, LAST_CHILD_END, ERROR, DEEPEST = range(9)
STATE_SIZE = 9

# Modes.
OUTSIDE, CONTENT, COMMENT, CDATA, INSTRUCTION, DOCTYPE = range(6)

# Errors.
STRAY_TEXT, STRAY_END_TAG = 1, 2


class PathTable:
    """The record paths of a feed as arrays: a trie over local names, which the compiled scanner can walk.

    Node 0 lies above the root. Children of a node are linked by ``first_child`` and ``next_sibling`` (-1 ends a chain).
    """

    def __init__(self, paths: Iterable[tuple[str, ...]]) -> None:
        names: list[bytes] = [b""]
        first_child, next_sibling, is_record = [-1], [-1], [False]
        for path in paths:
            node = 0
            for step in path:
                name = step.encode()
                child = first_child[node]
                while child != -1 and names[child] != name:
                    child = next_sibling[child]
                if child == -1:
                    child = len(names)
                    names.append(name)
                    first_child.append(-1)
                    is_record.append(False)
                    next_sibling.append(first_child[node])
                    first_child[node] = child
                node = child
            is_record[node] = True
        self.text = np.frombuffer(b"".join(names) or b"\0", np.uint8)
        ends = np.cumsum([len(name) for name in names])
        self.name_start = (ends - [len(name) for name in names]).astype(np.int64)
        self.name_end = ends.astype(np.int64)
        self.first_child = np.array(first_child, np.int64)
        self.next_sibling = np.array(next_sibling, np.int64)
        self.is_record = np.array(is_record, np.bool_)
        self.max_depth = max((len(path) for path in paths), default=0)

    def new_state(self, names: Sequence[bytes] = ()) -> tuple[np.ndarray, np.ndarray]:
        """State and stack at the begin of a stream; or between two records, in ancestors of these names."""
        state, stack = np.zeros(STATE_SIZE, np.int64), np.full(self.max_depth + 2, -1, np.int64)
        state[LAST_CHILD_END] = -1
        if names:
            state[MODE], state[DEPTH] = CONTENT, len(names)
        node = 0
        for depth, name in enumerate(names, start=1):
            node = stack[depth] = self._child_of(node, name.rpartition(b":")[2])
        return state, stack

    def _child_of(self, node: int, name: bytes) -> int:
        child = int(self.first_child[node])
        while child != -1 and self.text[self.name_start[child] : self.name_end[child]].tobytes() != name:
            child = int(self.next_sibling[child])
        return child


def scan(
    paths: PathTable, buffer: np.ndarray, start: int, state: np.ndarray, stack: np.ndarray, events: np.ndarray
) -> tuple[int, int]:
    """Scan ``buffer[start:]``; returns (position up to which it was consumed, number of events written).

    It stops early at a token that the buffer does not hold whole, at a full event table, and at an error
    (``state[ERROR]``). Positions are indexes into ``buffer``.
    """
    return _scan(
        buffer, words_of(buffer), start, state, stack, events, paths.text, paths.name_start, paths.name_end,
        paths.first_child, paths.next_sibling, paths.is_record, paths.max_depth,
    )  # fmt: skip


@inlined
def _find(buffer, i, n, a, b, c):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Position after the three bytes a b c (two, where a is 0) from i on; -1 where they do not occur."""
    while i < n:
        if buffer[i] == c and buffer[i - 1] == b and (a == 0 or buffer[i - 2] == a):
            return i + 1
        i += 1
    return -1


_LTS = np.uint64(0x3C3C3C3C3C3C3C3C)
_GTS = np.uint64(0x3E3E3E3E3E3E3E3E)
_QUOTES = np.uint64(0x2222222222222222)
_APOSTROPHES = np.uint64(0x2727272727272727)


@inlined
def _next_lt(buffer, words, i, n):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Position of the next '<' from i on; n where there is none."""
    while i < words.shape[0]:
        marks = zeros(words[i] ^ _LTS)
        if marks != 0:
            return i + first_of(marks)
        i += WORD
    while i < n and buffer[i] != 60:
        i += 1
    return i


@inlined
def _quote_end(buffer, words, i, n):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Position of the quote that ends the value which begins with the one at buffer[i]; n where there is none."""
    quote = buffer[i]
    quotes = np.uint64(quote) * ONES
    i += 1
    while i < words.shape[0]:
        marks = zeros(words[i] ^ quotes)
        if marks != 0:
            return i + first_of(marks)
        i += WORD
    while i < n and buffer[i] != quote:
        i += 1
    return i


@compiled
def _tag_end(buffer, words, i, n):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Position after the '>' that ends the tag, quotes respected; -1 where the buffer ends first."""
    buffer, words = borrowed(buffer), borrowed(words)
    while i < n:
        if i < words.shape[0]:
            word = words[i]
            marks = zeros(word ^ _GTS) | zeros(word ^ _QUOTES) | zeros(word ^ _APOSTROPHES)
            if marks == 0:
                i += WORD
                continue
            i += first_of(marks)
        byte = buffer[i]
        if byte == 62:
            return i + 1
        if byte == 34 or byte == 39:
            i = _quote_end(buffer, words, i, n)
        i += 1
    return -1


@inlined
def _note(events, count, kind, start, end, depth):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Write an event; returns how many there are now."""
    events[count, 0], events[count, 1], events[count, 2], events[count, 3] = kind, start, end, depth
    return count + 1


@compiled
def _child_named(buffer, i, n, node, text, name_start, name_end, first_child, next_sibling):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The child of ``node`` whose local name stands at buffer[i] (after the prefix, if any); -1 if none."""
    end = i
    while end < n:
        byte = buffer[end]
        if byte == 58:
            i = end + 1
        elif byte <= 32 or byte == 47 or byte == 62:
            break
        end += 1
    child = first_child[node]
    while child != -1:
        if name_end[child] - name_start[child] == end - i:
            same = True
            for k in range(end - i):
                if text[name_start[child] + k] != buffer[i + k]:
                    same = False
                    break
            if same:
                return child
        child = next_sibling[child]
    return -1


@compiled
def _is_declaration(buffer, i, n):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Whether the target of a processing instruction is ``xml``: 1 or 0; -1 where the buffer ends too early to tell."""
    for k, wanted in enumerate((120, 109, 108)):
        if i + k >= n:
            return -1
        if buffer[i + k] != wanted:
            return 0
    if i + 3 >= n:
        return -1
    return 1 if buffer[i + 3] <= 32 else 0


@compiled
def _doctype_end(buffer, i, n, state):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Walk on in a DOCTYPE; returns the position reached. The mode tells whether it ended, or a comment or PI began."""
    while i < n:
        byte = buffer[i]
        if state[QUOTE] != 0:
            if byte == state[QUOTE]:
                state[QUOTE] = 0
        elif byte == 34 or byte == 39:
            state[QUOTE] = byte
        elif byte == 91:
            state[IN_SUBSET] = 1
        elif byte == 93:
            state[IN_SUBSET] = 0
        elif byte == 62 and state[IN_SUBSET] == 0:
            state[MODE] = OUTSIDE
            return i + 1
        elif byte == 60 and state[IN_SUBSET] == 1:
            if i + 3 >= n:
                return i
            if buffer[i + 1] == 33 and buffer[i + 2] == 45 and buffer[i + 3] == 45:
                state[MODE], state[RETURN_MODE] = COMMENT, DOCTYPE
                return i + 4
            if buffer[i + 1] == 63:
                state[MODE], state[RETURN_MODE] = INSTRUCTION, DOCTYPE
                return i + 2
            # A declaration: it ends at '>' outside quotes, which the loop passes over in the subset.
        i += 1
    return i


@compiled
def _scan(  # type: ignore[no-untyped-def]
    buffer, words, i, state, stack, events, text, name_start, name_end, first_child, next_sibling, is_record, max_depth
):  # pragma: no cover - compiled
    """One loop over the bytes: long, because a compiled state machine split over calls would be slow to read and to
    run.
    """
    buffer, words, state, stack, events = (
        borrowed(buffer),
        borrowed(words),
        borrowed(state),
        borrowed(stack),
        borrowed(events),
    )
    text, name_start, name_end = borrowed(text), borrowed(name_start), borrowed(name_end)
    first_child, next_sibling, is_record = borrowed(first_child), borrowed(next_sibling), borrowed(is_record)
    n = buffer.shape[0]
    count = 0
    capacity = events.shape[0] - 4  # one start tag may write four
    depth = state[DEPTH]
    while i < n and count < capacity:
        mode = state[MODE]
        if mode in (COMMENT, CDATA, INSTRUCTION):
            if mode == COMMENT:
                end = _find(buffer, i + 2, n, 45, 45, 62)
            elif mode == CDATA:
                end = _find(buffer, i + 2, n, 93, 93, 62)
            else:
                end = _find(buffer, i + 1, n, 0, 63, 62)
            if end == -1:
                # Keep the last bytes: the terminator may be split over two buffers.
                state[DEPTH] = depth
                return max(i, n - 2), count
            i = end
            state[MODE] = state[RETURN_MODE]
            continue
        if mode == DOCTYPE:
            j = _doctype_end(buffer, i, n, state)
            if j == i and state[MODE] == DOCTYPE:
                break
            i = j
            continue
        # OUTSIDE or CONTENT: walk to the next '<'.
        if depth == 0:
            while i < n and (buffer[i] == 32 or buffer[i] == 10 or buffer[i] == 13 or buffer[i] == 9):
                i += 1
            if i < n and buffer[i] == 0xEF:
                if i + 2 >= n:
                    break
                if buffer[i + 1] == 0xBB and buffer[i + 2] == 0xBF:
                    i += 3
                    continue
            if i < n and buffer[i] != 60:
                state[ERROR] = STRAY_TEXT
                break
        else:
            i = _next_lt(buffer, words, i, n)
        if i >= n:
            break
        if i + 1 >= n:
            break
        byte = buffer[i + 1]
        if byte == 47:  # end tag
            end = _tag_end(buffer, words, i + 2, n)
            if end == -1:
                break
            if depth == 0:
                state[ERROR] = STRAY_END_TAG
                break
            if depth == state[RECORD_DEPTH]:
                state[RECORD_DEPTH] = 0
                count = _note(events, count, RECORD_END, i, end, state[DEEPEST])
                state[LAST_CHILD_END] = end
            elif state[RECORD_DEPTH] == 0 and depth <= max_depth:
                if stack[depth] != -1:
                    count = _note(events, count, ANCESTOR_END, i, end, depth)
                    state[LAST_CHILD_END] = end
                elif depth >= 2 and stack[depth - 1] != -1:
                    state[LAST_CHILD_END] = end
            depth -= 1
            if depth == 0:
                state[MODE] = OUTSIDE
                count = _note(events, count, DOCUMENT_END, i, end, 0)
                state[LAST_CHILD_END] = -1
            i = end
        elif byte == 33:  # comment, CDATA, DOCTYPE
            if i + 3 >= n:
                break
            if buffer[i + 2] == 45 and buffer[i + 3] == 45:
                state[RETURN_MODE] = CONTENT if depth > 0 else OUTSIDE
                state[MODE] = COMMENT
                i += 4
            elif buffer[i + 2] == 91:
                if i + 8 >= n:
                    break
                state[RETURN_MODE] = CONTENT
                state[MODE] = CDATA
                i += 9
            else:
                if i + 8 >= n:
                    break
                state[MODE] = DOCTYPE
                state[QUOTE] = state[IN_SUBSET] = 0
                i += 9
        elif byte == 63:  # processing instruction
            declares = _is_declaration(buffer, i + 2, n) if depth == 0 else 0
            if declares == -1:
                break
            if declares == 1:
                count = _note(events, count, DECLARATION, i, i, 0)
            state[RETURN_MODE] = CONTENT if depth > 0 else OUTSIDE
            state[MODE] = INSTRUCTION
            i += 2
        else:  # start tag
            end = _tag_end(buffer, words, i + 1, n)
            if end == -1:
                break
            depth += 1
            if depth > state[DEEPEST]:
                state[DEEPEST] = depth
            is_empty = buffer[end - 2] == 47
            node = np.int64(-1)
            if state[RECORD_DEPTH] == 0 and depth <= max_depth:
                parent = np.int64(0) if depth == 1 else stack[depth - 1]
                if parent != -1:
                    node = _child_named(
                        buffer, i + 1, end, parent, text, name_start, name_end, first_child, next_sibling
                    )
                stack[depth] = node
                if depth == 1:
                    state[MODE] = CONTENT
                    count = _note(events, count, ROOT_START, i, end, depth)
                if node != -1:
                    if is_record[node]:
                        count = _note(events, count, RECORD_START, i, end, depth)
                        state[RECORD_DEPTH] = state[DEEPEST] = depth
                    else:
                        count = _note(events, count, ANCESTOR_START, i, end, depth)
                        state[LAST_CHILD_END] = -1
            elif depth == 1:
                state[MODE] = CONTENT
            if is_empty:
                if state[RECORD_DEPTH] == depth:
                    state[RECORD_DEPTH] = 0
                    count = _note(events, count, RECORD_END, i, end, depth)
                    state[LAST_CHILD_END] = end
                elif node != -1:
                    count = _note(events, count, ANCESTOR_END, i, end, depth)
                    state[LAST_CHILD_END] = end
                elif state[RECORD_DEPTH] == 0 and 2 <= depth <= max_depth and stack[depth - 1] != -1:
                    state[LAST_CHILD_END] = end
                depth -= 1
                if depth == 0:
                    state[MODE] = OUTSIDE
                    count = _note(events, count, DOCUMENT_END, i, end, 0)
                    state[LAST_CHILD_END] = -1
            i = end
    state[DEPTH] = depth
    return i, count
