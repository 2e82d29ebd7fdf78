"""Looks ahead: which of several states an element is in may depend on a text that is still to come."""

from __future__ import annotations

from sluice.compiled.borrowing import borrowed
from sluice.compiled.compiling import compiled
from sluice.compiled.words import WORD, first_of, zeros
from sluice.kernel.passing import LTS, end_of_markup, is_cdata, look_up_name
from sluice.kernel.spelling import AMP, APOSTROPHE, BANG, CLOSE, CR, DASH, GT, LT, QUESTION, QUOTE, SLASH
from sluice.kernel.states import UNKNOWN

# What ``look_ahead`` answers instead of a place.
NOTHING, ASKS_NAME, ASKS_ELEMENT, GIVES_UP = -1, -2, -3, -4


@compiled
def look_ahead(buffer, words, i, end_of_piece, scope, steps, step_names, lists, element, names, name_ends, name_slots):
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
            marks = zeros(words[i] ^ LTS)
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
                i = end_of_markup(buffer, i + 2, QUESTION, 0)
            elif buffer[i + 2] == DASH and buffer[i + 3] == DASH:
                i = end_of_markup(buffer, i + 4, DASH, DASH)
            elif is_cdata(buffer, i):
                i = end_of_markup(buffer, i + 9, CLOSE, CLOSE)
            else:
                i = -1
            if i < 0:
                return GIVES_UP, 0, 0, 0
            continue
        name_start = i + 1
        name, i = look_up_name(buffer, name_start, names, name_ends, name_slots)
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
