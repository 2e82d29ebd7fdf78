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
    NEEDS_ATTRIBUTE,
    NEEDS_CHILD,
    NEEDS_CHOICE,
    NEEDS_DECLARATION,
    NEEDS_DOCTYPE,
    NEEDS_ELEMENT,
    NEEDS_NAME,
    NEEDS_ROOM,
    NEEDS_SLOT,
    NEEDS_STEP,
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
    end_of_value,
    find_name,
    is_cdata,
    look_up_name,
)
from sluice.kernel.spelling import (
    APOSTROPHE,
    BANG,
    CLOSE,
    DASH,
    EQUALS,
    GT,
    IS_WHITE,
    QUESTION,
    QUOTE,
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
    IS_XMLNS,
    SKIP,
    UNKNOWN,
    Tables,
)
from sluice.nodes import FIRST, ONE


@compiled
def _is_true(buffer, start, end):
    """Whether the value is ``true`` or ``1``, as it is written."""
    if end - start == 1:
        return buffer[start] == 49
    return (
        end - start == 4 and buffer[start] == 116 and buffer[start + 1] == 114 and buffer[start + 2] == 117
        and buffer[start + 3] == 101
    )  # fmt: skip


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
        attribute_count, previous, is_empty = 0, name, False
        is_sound = False
        while True:
            after_value = j
            j = after_white(buffer, j)
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
            own, j = find_name(
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
            j = after_white(buffer, j)
            if buffer[j] != EQUALS:
                break
            j = after_white(buffer, j + 1)
            if buffer[j] != QUOTE and buffer[j] != APOSTROPHE:
                break
            value_start = j + 1
            j, is_spelled = end_of_value(buffer, words, j)
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
