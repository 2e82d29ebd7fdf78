"""The attributes of a start tag, compiled: what they are, before the tag has any effect.

``attributes`` has a row for each: the number of its raw name, where its value begins and ends, whether that has to be
spelled out, the number of its full name, and its slot. Each function answers DONE, or what ``tokenize`` is to answer.
"""

from __future__ import annotations

from sluice.compiled.compiling import compiled, inlined
from sluice.compiled.strings import number_of
from sluice.kernel.output import (
    DECLINED,
    DONE,
    NEEDS_ATTRIBUTE,
    NEEDS_DECLARATION,
    NEEDS_NAME,
    NEEDS_SLOT,
    NEEDS_STEP,
)
from sluice.kernel.passing import after_white, end_of_value, find_name
from sluice.kernel.spelling import APOSTROPHE, EQUALS, GT, QUOTE, SLASH
from sluice.kernel.states import IS_NIL, IS_XMLNS, UNKNOWN


@inlined
def read_attributes(
    buffer, words, j, end_of_piece, serial, name, scope, follower, seen, names, name_ends, name_heads, name_slots,
    name_kind, declarations, declaration_ends, declaration_slots, step, attributes,
):  # fmt: skip
    """Read on from the end of the tag's name. Returns, besides the answer: where the tag ends, the namespaces that are
    in scope in it, how many attributes it has but for declarations of these, whether it is empty; and what is asked.
    """
    count, previous, is_empty = 0, name, False
    answer, asked_a, asked_b = DECLINED, 0, 0
    while True:
        after_value = j
        j = after_white(buffer, j)
        if buffer[j] == GT:
            answer, j = DONE, j + 1
            break
        if buffer[j] == SLASH:
            answer = DONE if buffer[j + 1] == GT else DECLINED
            is_empty, j = True, j + 2
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
            if count == attributes.shape[0]:
                break
            attributes[count, 0] = own
            attributes[count, 1] = value_start
            attributes[count, 2] = value_end
            attributes[count, 3] = is_spelled
            count += 1
    return answer, j, scope, count, is_empty, asked_a, asked_b


@inlined
def resolve_attributes(scope, serial, count, attribute, seen_full, attributes):
    """Put namespaces to the names, of which none may come twice. Returns the answer, and the raw name it is about."""
    for k in range(count):
        own = attributes[k, 0]
        full = attribute[scope, own] - 1
        if full < 0:
            return NEEDS_ATTRIBUTE if full == UNKNOWN else DECLINED, own
        if seen_full[full] == serial:
            return DECLINED, own
        seen_full[full] = serial
        attributes[k, 4] = full
    return DONE, 0


@inlined
def find_slots(state, count, slot, slot_kind, attributes):
    """What the attributes are for in a state. Returns the answer; how many bytes the values may take that have to be
    spelled out; and the full name that the answer is about.
    """
    room = 0
    for k in range(count):
        full = attributes[k, 4]
        own_slot = slot[state, full] - 1
        if own_slot < 0:
            return NEEDS_SLOT, room, full
        attributes[k, 5] = own_slot
        if attributes[k, 3]:
            room += attributes[k, 2] - attributes[k, 1]
            if slot_kind[own_slot] & IS_NIL:
                return DECLINED, room, full
    return DONE, room, 0


@compiled
def is_true(buffer, start, end):
    """Whether the value is ``true`` or ``1``, as it is written."""
    if end - start == 1:
        return buffer[start] == 49
    return (
        end - start == 4 and buffer[start] == 116 and buffer[start + 1] == 114 and buffer[start + 2] == 117
        and buffer[start + 3] == 101
    )  # fmt: skip
