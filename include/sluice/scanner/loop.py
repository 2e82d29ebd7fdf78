"""The scanner's loop, compiled by Numba once per machine and cached."""

from __future__ import annotations

import numpy as np

from sluice.compiled.borrowing import borrowed
from sluice.compiled.compiling import compiled, inlined
from sluice.compiled.words import words_of
from sluice.scanner.events import (
    ANCESTOR_END,
    ANCESTOR_START,
    CDATA,
    COMMENT,
    CONTENT,
    DECLARATION,
    DEEPEST,
    DEPTH,
    DOCTYPE,
    DOCUMENT_END,
    ERROR,
    IN_SUBSET,
    INSTRUCTION,
    LAST_CHILD_END,
    MODE,
    OUTSIDE,
    QUOTE,
    RECORD_DEPTH,
    RECORD_END,
    RECORD_START,
    RETURN_MODE,
    ROOT_START,
    STRAY_END_TAG,
    STRAY_TEXT,
)
from sluice.scanner.passing import child_named, doctype_end, find_end, is_declaration, next_lt, tag_end
from sluice.scanner.paths import PathTable


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
def _note(events, count, kind, start, end, depth):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Write an event; returns how many there are now."""
    events[count, 0], events[count, 1], events[count, 2], events[count, 3] = kind, start, end, depth
    return count + 1


@inlined
def _leave(events, count, state, start, end, depth):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """An element ends by this tag; returns how many events there are then, and how many elements are open."""
    depth -= 1
    if depth == 0:
        state[MODE] = OUTSIDE
        count = _note(events, count, DOCUMENT_END, start, end, 0)
        state[LAST_CHILD_END] = -1
    return count, depth


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
                end = find_end(buffer, i + 2, n, 45, 45, 62)
            elif mode == CDATA:
                end = find_end(buffer, i + 2, n, 93, 93, 62)
            else:
                end = find_end(buffer, i + 1, n, 0, 63, 62)
            if end == -1:
                # Keep the last bytes: the terminator may be split over two buffers.
                state[DEPTH] = depth
                return max(i, n - 2), count
            i = end
            state[MODE] = state[RETURN_MODE]
            continue
        if mode == DOCTYPE:
            j = doctype_end(buffer, i, n, state)
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
            i = next_lt(buffer, words, i, n)
        if i >= n:
            break
        if i + 1 >= n:
            break
        byte = buffer[i + 1]
        if byte == 47:  # end tag
            end = tag_end(buffer, words, i + 2, n)
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
            count, depth = _leave(events, count, state, i, end, depth)
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
            declares = is_declaration(buffer, i + 2, n) if depth == 0 else 0
            if declares == -1:
                break
            if declares == 1:
                count = _note(events, count, DECLARATION, i, i, 0)
            state[RETURN_MODE] = CONTENT if depth > 0 else OUTSIDE
            state[MODE] = INSTRUCTION
            i += 2
        else:  # start tag
            end = tag_end(buffer, words, i + 1, n)
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
                    node = child_named(
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
                count, depth = _leave(events, count, state, i, end, depth)
            i = end
    state[DEPTH] = depth
    return i, count
