"""The tokenizer: one pass over the bytes of a piece, compiled.

It proves that the piece is a well-formed document with the namespaces in order, and writes down where records begin,
where rows begin, and where the values of cells stand. Whatever is not in its tables yet it asks for: it stops before
the tag in question, and goes on from there once ``machine`` has answered. Whatever is malformed, or merely unusual, it
declines.

The buffer holds ``STOPS`` after the piece, so that no loop over bytes has to look for the end, and room behind that for
values that have to be spelled out (``progress[ARENA]``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from sluice.compiled.borrowing import borrowed
from sluice.compiled.strings import length_at, number_of
from sluice.compiled.words import HIGH, ONES, WORD, before, first_of, zeros
from sluice.kernel.machine import (
    DECLINE,
    FIRST_CHOICE,
    IS_NIL,
    IS_NO_TARGET,
    IS_NOTED,
    IS_RECORD,
    IS_SIGHTED,
    IS_XMLNS,
    SKIP,
    UNKNOWN,
    Tables,
)
from sluice.kernel.spelling import (
    AMP,
    APOSTROPHE,
    BANG,
    CLOSE,
    CR,
    DASH,
    ENDS_NAME,
    EQUALS,
    GT,
    IN_MARKUP,
    IS_WHITE,
    LF,
    LT,
    OPEN,
    QUESTION,
    QUOTE,
    SLASH,
    TAB,
    read_reference,
    spell_content,
    spell_value,
)
from sluice.nodes import FIRST, ONE

# What ends every loop over bytes.
STOPS = b"<\"'\0" + bytes(28)

# What ``tokenize`` answers. For all but the first three, A and B of the progress say what is asked for.
DONE, DECLINED, NEEDS_ROOM = 0, 1, 2
NEEDS_NAME, NEEDS_DECLARATION, NEEDS_STEP, NEEDS_ELEMENT, NEEDS_ATTRIBUTE = 3, 4, 5, 6, 7
NEEDS_CHILD, NEEDS_CHOICE, NEEDS_SLOT, NEEDS_DOCTYPE = 8, 9, 10, 11

# Slots of the progress: positions in the buffer, counts, and what has come last.
AT, END, DEPTH, SERIAL, TOKENS, ROWS, RECORDS, LAST, ARENA, TOUCHED = range(10)
TAKEN, MAX_TAKEN, RECORD_ROWS, MAX_ROWS, HAS_ROOT, HAS_DOCTYPE, HAS_RETURNS, A, B = range(10, 19)
# Between BODY_AT and TAIL_AT no element of a level up to FLOOR may end, and none may be deeper than MAX_DEPTH.
BODY_AT, TAIL_AT, FLOOR, MAX_DEPTH = range(19, 23)
MOST_TOKENS = 23  # how many one tag may write
PROGRESS_SIZE = 24

# Slots of a level of the stack.
NAME, STATE, SCOPE, CONTENT, MIX, NIL = range(6)
STACK_SIZE = 6
MAX_LEVELS = 250
MAX_ATTRIBUTES = 250
# What the content of an element has in it besides plain text.
IS_SPELLED, HAS_CHILD = 1, 2

# The columns of a token.
CELL, ROW, START, LENGTH = range(4)
NO_VALUE = -1  # the length of a value that is xsi:nil


class Output(NamedTuple):
    """What the tokenizer writes, and what it remembers from piece to piece. ``rows`` has table, record and parent row;
    rows count within their table. ``touched`` has what was seen of the unknown: a state, or -1 - a slot, with the
    record where first; ``visits`` and ``sights`` count them.
    """

    tokens: np.ndarray
    rows: np.ndarray
    records: np.ndarray
    touched: np.ndarray
    visits: np.ndarray
    sights: np.ndarray
    seen: np.ndarray
    seen_full: np.ndarray
    follower: np.ndarray
    last_row: np.ndarray
    row_count: np.ndarray
    stack: np.ndarray
    attributes: np.ndarray


@njit(cache=True, nogil=True)
def _name_end(buffer, i):
    while ENDS_NAME[buffer[i]] == 0:
        i += 1
    return i


@njit(cache=True, nogil=True)
def _after_white(buffer, i):
    while IS_WHITE[buffer[i]]:
        i += 1
    return i


@njit(cache=True, nogil=True)
def _look_up_name(buffer, i, text, ends, slots):
    """(Number of the name at ``buffer[i]``, position after it); -1 for a name that is not known yet."""
    end = _name_end(buffer, i)
    return number_of(buffer, i, end, text, ends, slots), end


@njit(cache=True, nogil=True, inline="always")
def _find_name(buffer, words, i, guess, text, ends, heads, slots):
    """``_look_up_name``, with a guess at which name it is."""
    if guess >= 0:
        end = i + length_at(buffer, words, i, guess, text, ends, heads)
        if end > i and ENDS_NAME[buffer[end]]:
            return guess, end
    return _look_up_name(buffer, i, text, ends, slots)


_SPACES = np.uint64(0x2020202020202020)
_AMPS = np.uint64(0x2626262626262626)
_LTS = np.uint64(0x3C3C3C3C3C3C3C3C)
_GTS = np.uint64(0x3E3E3E3E3E3E3E3E)


@njit(cache=True, nogil=True, inline="always")
def _value_end(buffer, words, i):
    """(Position of the quote that ends the value whose first quote stands at ``buffer[i]``, whether it is to be
    spelled); -1 where it is malformed.
    """
    start = i + 1
    quotes = np.uint64(buffer[i]) * ONES
    i += 1
    others = np.uint64(0)
    while True:
        word = words[i]
        stop = zeros(word ^ quotes)
        other = ((word - _SPACES) & ~word & HIGH) | zeros(word ^ _AMPS) | zeros(word ^ _LTS)
        if stop != 0:
            break
        others |= other
        i += WORD
    others |= other & before(stop)
    i += first_of(stop)
    is_spelled = 0
    if others != 0:
        is_spelled = _check_value(buffer, start, i)
        if is_spelled < 0:
            i = -1
    return i, is_spelled


@njit(cache=True, nogil=True)
def _check_value(buffer, i, end):
    """Whether a value is to be spelled: 1 or 0; -1 where it is malformed."""
    is_spelled = 0
    while i < end:
        byte = buffer[i]
        if byte == LT:
            return -1
        if byte == AMP:
            i, _ = read_reference(buffer, i)
            if i < 0 or i > end:
                return -1
            is_spelled = 1
            continue
        if byte == TAB or byte == LF or byte == CR:
            is_spelled = 1
        i += 1
    return is_spelled


@njit(cache=True, nogil=True, inline="always")
def _text_end(buffer, words, i, has_returns):
    """(Position of the next '<'; IS_SPELLED where the text before it is to be spelled, else 0); -1 where it is
    malformed.
    """
    start = i
    others = np.uint64(has_returns)
    while True:
        word = words[i]
        stop = zeros(word ^ _LTS)
        other = zeros(word ^ _AMPS) | zeros(word ^ _GTS)
        if stop != 0:
            break
        others |= other
        i += WORD
    others |= other & before(stop)
    i += first_of(stop)
    is_spelled = 0
    if others != 0:
        is_spelled = _check_text(buffer, start, i)
        if is_spelled < 0:
            i = -1
    return i, is_spelled


@njit(cache=True, nogil=True)
def _check_text(buffer, start, end):
    """IS_SPELLED where text is to be spelled, else 0; -1 where it is malformed."""
    is_spelled, i = 0, start
    while i < end:
        byte = buffer[i]
        if byte == AMP:
            i, _ = read_reference(buffer, i)
            if i < 0 or i > end:
                return -1
            is_spelled = IS_SPELLED
            continue
        if byte == CR:
            is_spelled = IS_SPELLED
        elif byte == GT and i - 2 >= start and buffer[i - 1] == CLOSE and buffer[i - 2] == CLOSE:
            return -1
        i += 1
    return is_spelled


@njit(cache=True, nogil=True)
def _markup_end(buffer, i, first, second):
    """Position after the first ``first second >`` from ``i`` on; -1 where a comment holds two dashes elsewhere, or a
    character is out of place. ``second`` is 0 for an instruction, which ends with two bytes.
    """
    while True:
        kind = IN_MARKUP[buffer[i]]
        if kind == 1:
            return -1
        if kind == 2 and buffer[i] == first:
            if second == 0:
                if buffer[i + 1] == GT:
                    return i + 2
            elif buffer[i + 1] == second:
                if buffer[i + 2] == GT:
                    return i + 3
                if first == DASH:
                    return -1
        i += 1


@njit(cache=True, nogil=True)
def _is_cdata(buffer, i):
    """Whether ``<![CDATA[`` stands at ``buffer[i]``."""
    return (
        buffer[i + 2] == OPEN and buffer[i + 3] == 67 and buffer[i + 4] == 68 and buffer[i + 5] == 65
        and buffer[i + 6] == 84 and buffer[i + 7] == 65 and buffer[i + 8] == OPEN
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _is_true(buffer, start, end):
    """Whether the value is ``true`` or ``1``, as it is written."""
    if end - start == 1:
        return buffer[start] == 49
    return (
        end - start == 4 and buffer[start] == 116 and buffer[start + 1] == 114 and buffer[start + 2] == 117
        and buffer[start + 3] == 101
    )  # fmt: skip


@njit(cache=True, nogil=True, inline="always")
def _emit(tokens, count, cells, first, end, start, length, cell_table, cell_how, last_row, row_count):
    """Write a value to cells; returns how many tokens there are then, -1 where a cell would take a second one."""
    for k in range(first, end):
        cell = cells[k]
        row = row_count[cell_table[cell]] - 1
        if last_row[cell] == row:
            if cell_how[cell] == ONE:
                return -1
            if cell_how[cell] == FIRST:
                continue
        last_row[cell] = row
        tokens[count, CELL], tokens[count, ROW] = cell, row
        tokens[count, START], tokens[count, LENGTH] = start, length
        count += 1
    return count


# What ``_look_ahead`` answers instead of a place.
NOTHING, ASKS_NAME, ASKS_ELEMENT, GIVES_UP = -1, -2, -3, -4


@njit(cache=True, nogil=True)
def _look_ahead(buffer, words, i, end_of_piece, scope, steps, step_names, lists, element, names, name_ends, name_slots):
    """(Begin, end) of the text of the one element at a path below the tag that ends at ``i``, NOTHING where there is
    none, GIVES_UP where that is not plain to see; or what has to be known first, with what to ask.

    Nothing here proves anything: the tokenizer has yet to pass over all of it.
    """
    buffer, words, step_names, lists = borrowed(buffer), borrowed(words), borrowed(step_names), borrowed(lists)
    element, names = borrowed(element), borrowed(names)
    name_ends, name_slots = borrowed(name_ends), borrowed(name_slots)
    depth, matched, found, found_end = 0, 0, NOTHING, NOTHING
    while True:
        while True:
            marks = zeros(words[i] ^ _LTS)
            if marks != 0:
                break
            i += WORD
        i += first_of(marks)
        if i >= end_of_piece:
            return GIVES_UP, 0, 0, 0
        byte = buffer[i + 1]
        if byte == SLASH:
            if depth == 0:
                return found, found_end, 0, 0
            depth -= 1
            matched = min(matched, depth)
            i += 2
            continue
        if byte == BANG or byte == QUESTION:
            if byte == QUESTION:
                i = _markup_end(buffer, i + 2, QUESTION, 0)
            elif buffer[i + 2] == DASH and buffer[i + 3] == DASH:
                i = _markup_end(buffer, i + 4, DASH, DASH)
            elif _is_cdata(buffer, i):
                i = _markup_end(buffer, i + 9, CLOSE, CLOSE)
            else:
                i = -1
            if i < 0:
                return GIVES_UP, 0, 0, 0
            continue
        name_start = i + 1
        name, i = _look_up_name(buffer, name_start, names, name_ends, name_slots)
        if name < 0:
            return ASKS_NAME, 0, name_start, i
        while buffer[i] != GT:
            byte = buffer[i]
            if byte == LT or i >= end_of_piece or (byte == 120 and buffer[i + 1] == 109 and buffer[i + 4] == 115):
                return GIVES_UP, 0, 0, 0  # perhaps a namespace is declared here
            i += 1
            if byte == QUOTE or byte == APOSTROPHE:
                while buffer[i] != byte and i < end_of_piece:
                    i += 1
                i += 1
        is_empty = buffer[i - 1] == SLASH
        i += 1
        if depth == matched and matched < steps:
            full = element[scope, name] - 1
            if full == UNKNOWN:
                return ASKS_ELEMENT, 0, scope, name
            for k in range(step_names[matched, 0], step_names[matched, 1]):
                if lists[k] == full:
                    matched += 1
                    break
            if matched > depth and matched == steps:
                if found >= 0:
                    return GIVES_UP, 0, 0, 0
                found = found_end = i
                if not is_empty:
                    while buffer[found_end] != LT:
                        if buffer[found_end] == AMP or buffer[found_end] == CR:
                            return GIVES_UP, 0, 0, 0
                        found_end += 1
                    if buffer[found_end + 1] != SLASH:
                        return GIVES_UP, 0, 0, 0
        if is_empty:
            matched = min(matched, depth)
        else:
            depth += 1


@njit(cache=True, nogil=True)
def tokenize(buffer: np.ndarray, words: np.ndarray, tables: Tables, out: Output, progress: np.ndarray) -> int:
    """Walk on from ``progress[AT]``. One loop, since a compiled state machine that hands all its tables from call to
    call would be slow to read and to run.
    """
    buffer, words, progress = borrowed(buffer), borrowed(words), borrowed(progress)
    names = borrowed(tables.names)
    name_ends = borrowed(tables.name_ends)
    name_heads = borrowed(tables.name_heads)
    name_slots = borrowed(tables.name_slots)
    name_kind = borrowed(tables.name_kind)
    declarations = borrowed(tables.declarations)
    declaration_ends = borrowed(tables.declaration_ends)
    declaration_slots = borrowed(tables.declaration_slots)
    values = borrowed(tables.values)
    value_ends = borrowed(tables.value_ends)
    value_slots = borrowed(tables.value_slots)
    step = borrowed(tables.step)
    element = borrowed(tables.element)
    attribute = borrowed(tables.attribute)
    child = borrowed(tables.child)
    slot = borrowed(tables.slot)
    choice_attribute = borrowed(tables.choice_attribute)
    choice_state = borrowed(tables.choice_state)
    choice_depth = borrowed(tables.choice_depth)
    choice_steps = borrowed(tables.choice_steps)
    state_kind = borrowed(tables.state_kind)
    state_rows = borrowed(tables.state_rows)
    state_cells = borrowed(tables.state_cells)
    slot_kind = borrowed(tables.slot_kind)
    slot_cells = borrowed(tables.slot_cells)
    lists = borrowed(tables.lists)
    cell_table = borrowed(tables.cell_table)
    cell_how = borrowed(tables.cell_how)
    parent_table = borrowed(tables.parent_table)
    tokens = borrowed(out.tokens)
    rows = borrowed(out.rows)
    records = borrowed(out.records)
    touched = borrowed(out.touched)
    visits = borrowed(out.visits)
    sights = borrowed(out.sights)
    seen = borrowed(out.seen)
    seen_full = borrowed(out.seen_full)
    follower = borrowed(out.follower)
    last_row = borrowed(out.last_row)
    row_count = borrowed(out.row_count)
    stack = borrowed(out.stack)
    attributes = borrowed(out.attributes)
    i, depth, serial, last = progress[AT], progress[DEPTH], progress[SERIAL], progress[LAST]
    token_count, rows_written, record_count = progress[TOKENS], progress[ROWS], progress[RECORDS]
    arena, touched_count = progress[ARENA], progress[TOUCHED]
    end_of_piece, has_returns = progress[END], progress[HAS_RETURNS]
    body_at, tail_at, floor, max_depth = progress[BODY_AT], progress[TAIL_AT], progress[FLOOR], progress[MAX_DEPTH]
    # One tag may write a token for each cell, and a row for each table.
    most_tokens, most_rows = tokens.shape[0] - progress[MOST_TOKENS], rows.shape[0] - row_count.shape[0] - 1
    answer = DECLINED
    asked_a, asked_b = 0, 0
    while True:
        text_start = i
        i, is_spelled = _text_end(buffer, words, i, has_returns)
        if i < 0:
            break
        if depth == 0 and _after_white(buffer, text_start) < i:
            break
        if i >= end_of_piece:
            if depth == 0 and progress[HAS_ROOT] == 1:
                answer = DONE
            break
        stack[depth, MIX] |= is_spelled
        if token_count > most_tokens or rows_written > most_rows or touched_count + 2 * MAX_ATTRIBUTES > len(touched):
            answer = NEEDS_ROOM
            break
        byte = buffer[i + 1]
        if byte == SLASH:
            if depth <= floor and (depth == 0 or body_at <= i < tail_at):
                break
            name = stack[depth, NAME]
            length = length_at(buffer, words, i + 2, name, names, name_ends, name_heads)
            if length == 0:
                break
            j = _after_white(buffer, i + 2 + length)
            if buffer[j] != GT:
                break
            state = stack[depth, STATE]
            first, end = state_cells[state, 0], state_cells[state, 1]
            if first < end:
                start = stack[depth, CONTENT]
                length = i - start
                if stack[depth, MIX]:
                    if arena + length + WORD > buffer.shape[0]:
                        answer = NEEDS_ROOM
                        break
                    spelled_end = spell_content(buffer, start, i, arena)
                    start, length, arena = arena, spelled_end - arena, spelled_end
                if length == 0 and stack[depth, NIL] and stack[depth, MIX] & HAS_CHILD == 0:
                    if stack[depth, MIX]:
                        break  # an empty CDATA section, or a comment: leave it to those who know
                    length = NO_VALUE
                progress[TAKEN] += max(length, 0) * (end - first)
                token_count = _emit(
                    tokens, token_count, lists, first, end, start, length, cell_table, cell_how, last_row, row_count
                )
                if token_count < 0 or progress[TAKEN] > progress[MAX_TAKEN]:
                    break
            if state_kind[state] & IS_RECORD:
                records[record_count - 1, 1] = j + 1
            depth -= 1
            i = j + 1
            continue
        if byte == BANG:
            if buffer[i + 2] == DASH and buffer[i + 3] == DASH:
                j = _markup_end(buffer, i + 4, DASH, DASH)
            elif depth > 0 and _is_cdata(buffer, i):
                j = _markup_end(buffer, i + 9, CLOSE, CLOSE)
            elif depth == 0 and progress[HAS_ROOT] == 0 and progress[HAS_DOCTYPE] == 0:
                answer = NEEDS_DOCTYPE
                break
            else:
                break
            if j < 0:
                break
            stack[depth, MIX] |= IS_SPELLED
            i = j
            continue
        if byte == QUESTION:
            name, j = _look_up_name(buffer, i + 2, names, name_ends, name_slots)
            if name < 0:
                answer, asked_a, asked_b = NEEDS_NAME, i + 2, j
                break
            if name_kind[name] & IS_NO_TARGET or (
                IS_WHITE[buffer[j]] == 0 and (buffer[j] != QUESTION or buffer[j + 1] != GT)
            ):
                break
            j = _markup_end(buffer, j, QUESTION, 0)
            if j < 0:
                break
            stack[depth, MIX] |= IS_SPELLED
            i = j
            continue

        # -- a start tag: first what it is, without any effect, then what it does ----------------------------------
        if depth == 0 and progress[HAS_ROOT] == 1:
            break
        if depth >= max_depth:
            break
        serial += 1
        name, j = _find_name(buffer, words, i + 1, follower[last], names, name_ends, name_heads, name_slots)
        if name < 0:
            answer, asked_a, asked_b = NEEDS_NAME, i + 1, j
            break
        scope = stack[depth, SCOPE]
        attribute_count, previous, is_empty = 0, name, False
        is_sound = False
        while True:
            after_value = j
            j = _after_white(buffer, j)
            if buffer[j] == GT:
                is_sound = True
                j += 1
                break
            if buffer[j] == SLASH:
                is_sound = buffer[j + 1] == GT
                is_empty = True
                j += 2
                break
            if j == after_value:
                break
            name_start = j
            own, j = _find_name(
                buffer, words, j, follower[seen.shape[0] + previous], names, name_ends, name_heads, name_slots
            )
            if own < 0:
                answer, asked_a, asked_b = NEEDS_NAME, name_start, j
                break
            follower[seen.shape[0] + previous] = own
            previous = own
            if seen[own] == serial:
                break
            seen[own] = serial
            j = _after_white(buffer, j)
            if buffer[j] != EQUALS:
                break
            j = _after_white(buffer, j + 1)
            if buffer[j] != QUOTE and buffer[j] != APOSTROPHE:
                break
            value_start = j + 1
            j, is_spelled = _value_end(buffer, words, j)
            if j < 0 or j >= end_of_piece:
                break
            value_end = j
            j += 1
            if name_kind[own] & IS_XMLNS:
                declaration = number_of(buffer, name_start, j, declarations, declaration_ends, declaration_slots)
                if declaration < 0:
                    answer, asked_a, asked_b = NEEDS_DECLARATION, name_start, j
                    break
                next_scope = step[scope, declaration] - 1
                if next_scope == UNKNOWN:
                    answer, asked_a, asked_b = NEEDS_STEP, scope, declaration
                    break
                scope = next_scope
            else:
                if attribute_count == attributes.shape[0]:
                    break
                attributes[attribute_count, 0] = own
                attributes[attribute_count, 1] = value_start
                attributes[attribute_count, 2] = value_end
                attributes[attribute_count, 3] = is_spelled
                attribute_count += 1
        if not is_sound:
            break
        full = element[scope, name] - 1
        if full < 0:
            if full == UNKNOWN:
                answer, asked_a, asked_b = NEEDS_ELEMENT, scope, name
            break
        parent_state = stack[depth, STATE]
        state = SKIP
        if parent_state != SKIP:
            state = child[parent_state, full] - 1
            if state == UNKNOWN:
                answer, asked_a, asked_b = NEEDS_CHILD, parent_state, full
                break
            if state == DECLINE:
                break
        # Resolve the attributes; what they are called decides which of several states it is.
        is_sound = True
        for k in range(attribute_count):
            own_full = attribute[scope, attributes[k, 0]] - 1
            if own_full < 0:
                if own_full == UNKNOWN:
                    answer, asked_a, asked_b = NEEDS_ATTRIBUTE, scope, attributes[k, 0]
                is_sound = False
                break
            if seen_full[own_full] == serial:
                is_sound = False
                break
            seen_full[own_full] = serial
            attributes[k, 4] = own_full
        if not is_sound:
            break
        if state <= FIRST_CHOICE:
            choice, value = FIRST_CHOICE - state, -1
            if choice_depth[choice] == 0:
                for k in range(attribute_count):
                    if attributes[k, 4] == choice_attribute[choice]:
                        if attributes[k, 3]:
                            is_sound = False
                        value = number_of(buffer, attributes[k, 1], attributes[k, 2], values, value_ends, value_slots)
            elif not is_empty:
                value_start, value_end, asked_a, asked_b = _look_ahead(
                    buffer, words, j, end_of_piece, scope, choice_depth[choice], choice_steps[choice], lists,
                    element, names, name_ends, name_slots,
                )  # fmt: skip
                if value_start == ASKS_NAME:
                    answer = NEEDS_NAME
                elif value_start == ASKS_ELEMENT:
                    answer = NEEDS_ELEMENT
                if value_start <= ASKS_NAME:
                    break
                if value_start >= 0:
                    value = number_of(buffer, value_start, value_end, values, value_ends, value_slots)
            if not is_sound:
                break
            state = choice_state[choice, value + 1] - 1
            if state == UNKNOWN:
                answer, asked_a, asked_b = NEEDS_CHOICE, choice, value
                break
            if state == DECLINE:
                break
        if state != SKIP:
            room = arena
            for k in range(attribute_count):
                own_slot = slot[state, attributes[k, 4]] - 1
                if own_slot < 0:
                    answer, asked_a, asked_b = NEEDS_SLOT, state, attributes[k, 4]
                    is_sound = False
                    break
                attributes[k, 5] = own_slot
                if attributes[k, 3]:
                    room += attributes[k, 2] - attributes[k, 1]
                    if slot_kind[own_slot] & IS_NIL:
                        is_sound = False
                        break
            if not is_sound:
                break
            if room + WORD > buffer.shape[0]:
                answer = NEEDS_ROOM
                break

        # -- what the tag does -------------------------------------------------------------------------------------
        follower[last] = name
        last = name
        progress[HAS_ROOT] = 1
        stack[depth, MIX] |= HAS_CHILD
        nil = 0
        first_cell, end_cell = 0, 0
        if state != SKIP:
            kind = state_kind[state]
            if kind & IS_RECORD:
                if floor > 0 and depth != floor:
                    break  # its ancestors are not those that the leap began in
                if record_count == records.shape[0]:
                    break
                records[record_count, 0], records[record_count, 1] = i, j
                record_count += 1
                progress[TAKEN] = progress[RECORD_ROWS] = 0
            if kind & IS_NOTED:
                if visits[state] == 0:
                    touched[touched_count, 0], touched[touched_count, 1] = state, record_count - 1
                    touched_count += 1
                visits[state] += 1
            for k in range(state_rows[state, 0], state_rows[state, 1]):
                table = lists[k]
                rows[rows_written, 0], rows[rows_written, 1] = table, record_count - 1
                parent = parent_table[table]
                rows[rows_written, 2] = row_count[parent] - 1 if parent >= 0 else -1
                row_count[table] += 1
                rows_written += 1
                progress[RECORD_ROWS] += 1
            first_cell, end_cell = state_cells[state, 0], state_cells[state, 1]
            # Where a cell would take a second value, the whole piece is declined: nothing has to be taken back.
            for k in range(attribute_count):
                own_slot = attributes[k, 5]
                if slot_kind[own_slot]:
                    if slot_kind[own_slot] & IS_SIGHTED:
                        if sights[own_slot] == 0:
                            touched[touched_count, 0], touched[touched_count, 1] = -1 - own_slot, record_count - 1
                            touched_count += 1
                        sights[own_slot] += 1
                    if slot_kind[own_slot] & IS_NIL and _is_true(buffer, attributes[k, 1], attributes[k, 2]):
                        nil = 1
                first, end = slot_cells[own_slot, 0], slot_cells[own_slot, 1]
                if first < end:
                    start, length = attributes[k, 1], attributes[k, 2] - attributes[k, 1]
                    if attributes[k, 3]:
                        spelled_end = spell_value(buffer, start, attributes[k, 2], arena)
                        start, length, arena = arena, spelled_end - arena, spelled_end
                    progress[TAKEN] += length * (end - first)
                    token_count = _emit(
                        tokens, token_count, lists, first, end, start, length, cell_table, cell_how, last_row, row_count
                    )
                    if token_count < 0:
                        is_sound = False
                        break
            if not is_sound or progress[RECORD_ROWS] > progress[MAX_ROWS] or progress[TAKEN] > progress[MAX_TAKEN]:
                break
            if is_empty and first_cell < end_cell:
                token_count = _emit(
                    tokens, token_count, lists, first_cell, end_cell, j, NO_VALUE if nil else 0, cell_table, cell_how,
                    last_row, row_count,
                )  # fmt: skip
                if token_count < 0:
                    break
        if not is_empty:
            depth += 1
            stack[depth, NAME], stack[depth, STATE], stack[depth, SCOPE] = name, state, scope
            stack[depth, CONTENT], stack[depth, MIX], stack[depth, NIL] = j, 0, nil
        i = j
    progress[AT], progress[DEPTH], progress[SERIAL], progress[LAST] = i, depth, serial, last
    progress[TOKENS], progress[ROWS], progress[RECORDS] = token_count, rows_written, record_count
    progress[ARENA], progress[TOUCHED] = arena, touched_count
    progress[A], progress[B] = asked_a, asked_b
    return answer
