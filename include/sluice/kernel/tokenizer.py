"""The tokenizer: one pass over the bytes of a piece, compiled.

It proves that the piece is a well-formed document with the namespaces in order, and writes down where records begin,
where rows begin, and where the values of cells stand. Whatever is not in its tables yet it asks for: it stops before
the tag in question, and goes on from there once ``machine`` has answered. Whatever is malformed, or merely unusual, it
declines.

The buffer holds ``STOPS`` after the piece, so that no loop over bytes has to look for the end, and room behind that for
values that have to be spelled out (``progress[ARENA]``).
"""

from __future__ import annotations

import numpy as np

from sluice.compiled.borrowing import borrowed
from sluice.compiled.compiling import compiled, inlined
from sluice.compiled.strings import length_at, number_of
from sluice.compiled.words import WORD
from sluice.kernel.ahead import ASKS_ELEMENT, ASKS_NAME, look_ahead
from sluice.kernel.attributes import find_slots, is_true, read_attributes, resolve_attributes
from sluice.kernel.output import (
    ARENA,
    AT,
    BODY_AT,
    CELL,
    CONTENT,
    DECLINED,
    DEPTH,
    DONE,
    END,
    FLOOR,
    HAS_CHILD,
    HAS_DOCTYPE,
    HAS_RETURNS,
    HAS_ROOT,
    IS_SPELLED,
    LAST,
    LENGTH,
    MAX_ATTRIBUTES,
    MAX_DEPTH,
    MAX_ROWS,
    MAX_TAKEN,
    MIX,
    MOST_TOKENS,
    NAME,
    NEEDS_CHILD,
    NEEDS_CHOICE,
    NEEDS_DOCTYPE,
    NEEDS_ELEMENT,
    NEEDS_NAME,
    NEEDS_ROOM,
    NIL,
    NO_VALUE,
    RECORD_ROWS,
    RECORDS,
    ROW,
    ROWS,
    SCOPE,
    SERIAL,
    START,
    STATE,
    TAIL_AT,
    TAKEN,
    TOKENS,
    TOUCHED,
    A,
    B,
    Output,
)
from sluice.kernel.passing import (
    after_white,
    end_of_markup,
    end_of_text,
    find_name,
    is_cdata,
    look_up_name,
)
from sluice.kernel.spelling import (
    BANG,
    CLOSE,
    DASH,
    GT,
    IS_WHITE,
    QUESTION,
    SLASH,
    spell_content,
    spell_value,
)
from sluice.kernel.states import (
    DECLINE,
    FIRST_CHOICE,
    IS_NIL,
    IS_NO_TARGET,
    IS_NOTED,
    IS_RECORD,
    IS_SIGHTED,
    SKIP,
    UNKNOWN,
    Tables,
)
from sluice.nodes import FIRST, ONE


@inlined
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


@compiled
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
        i, is_spelled = end_of_text(buffer, words, i, has_returns)
        if i < 0:
            break
        if depth == 0 and after_white(buffer, text_start) < i:
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
            j = after_white(buffer, i + 2 + length)
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
                j = end_of_markup(buffer, i + 4, DASH, DASH)
            elif depth > 0 and is_cdata(buffer, i):
                j = end_of_markup(buffer, i + 9, CLOSE, CLOSE)
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
            name, j = look_up_name(buffer, i + 2, names, name_ends, name_slots)
            if name < 0:
                answer, asked_a, asked_b = NEEDS_NAME, i + 2, j
                break
            if name_kind[name] & IS_NO_TARGET or (
                IS_WHITE[buffer[j]] == 0 and (buffer[j] != QUESTION or buffer[j + 1] != GT)
            ):
                break
            j = end_of_markup(buffer, j, QUESTION, 0)
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
        name, j = find_name(buffer, words, i + 1, follower[last], names, name_ends, name_heads, name_slots)
        if name < 0:
            answer, asked_a, asked_b = NEEDS_NAME, i + 1, j
            break
        scope = stack[depth, SCOPE]
        answer, j, scope, attribute_count, is_empty, asked_a, asked_b = read_attributes(
            buffer, words, j, end_of_piece, serial, name, scope, follower, seen, names, name_ends, name_heads,
            name_slots, name_kind, declarations, declaration_ends, declaration_slots, step, attributes,
        )  # fmt: skip
        if answer != DONE:
            break
        answer = DECLINED
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
        # What the attributes are called decides which of several states it is.
        answer, own = resolve_attributes(scope, serial, attribute_count, attribute, seen_full, attributes)
        if answer != DONE:
            asked_a, asked_b = scope, own
            break
        answer, is_sound = DECLINED, True
        if state <= FIRST_CHOICE:
            choice, value = FIRST_CHOICE - state, -1
            if choice_depth[choice] == 0:
                for k in range(attribute_count):
                    if attributes[k, 4] == choice_attribute[choice]:
                        if attributes[k, 3]:
                            is_sound = False
                        value = number_of(buffer, attributes[k, 1], attributes[k, 2], values, value_ends, value_slots)
            elif not is_empty:
                value_start, value_end, asked_a, asked_b = look_ahead(
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
            answer, room, own = find_slots(state, attribute_count, slot, slot_kind, attributes)
            if answer != DONE:
                asked_a, asked_b = state, own
                break
            answer = DECLINED
            if arena + room + WORD > buffer.shape[0]:
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
                    if slot_kind[own_slot] & IS_NIL and is_true(buffer, attributes[k, 1], attributes[k, 2]):
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
