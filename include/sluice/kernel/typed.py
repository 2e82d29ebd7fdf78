"""Typed values straight from bytes, compiled: what looks as usual is converted, the rest is left to ``convert``.

Each function goes through the rows of one column. ``chosen`` holds for each row its token, -1 where the value is
absent. It sets ``state``, and returns how many are UNSURE. What it takes for a
value is what ``values`` takes for one, and worth the same.
"""

from __future__ import annotations

import numpy as np

from sluice.compiled.borrowing import borrowed
from sluice.compiled.compiling import compiled, inlined
from sluice.compiled.words import WORD
from sluice.kernel.output import LENGTH, NO_VALUE, START
from sluice.kernel.spelling import IS_WHITE

VALUE, ABSENT, IS_NULL, UNSURE, EMPTY = range(5)
INTEGER_DIGITS, BIGINT_DIGITS = 10, 18
INTEGER_MAX = (1 << 31) - 1
_MICROSECONDS = 1_000_000
_DAYS_OF_MONTH = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)


@compiled
def choose(tokens, count, base, rank, chosen, ranks):
    """For each row of each column its token: of several cells the first that found something. ``base`` says by cell
    where its column begins in ``chosen``, -1 for cells of lists.
    """
    for k in range(count):
        cell = tokens[k, 0]
        if base[cell] < 0:
            continue
        place = base[cell] + tokens[k, 1]
        if chosen[place] < 0 or rank[cell] < ranks[place]:
            chosen[place] = k
            ranks[place] = rank[cell]


@compiled
def measure_texts(buffer, tokens, chosen, is_trimmed, starts, offsets, state):
    """Where each text begins in the buffer and in the column's data; returns how long that is."""
    buffer, tokens, chosen, starts = borrowed(buffer), borrowed(tokens), borrowed(chosen), borrowed(starts)
    offsets, state = borrowed(offsets), borrowed(state)
    total = 0
    for row in range(chosen.shape[0]):
        offsets[row] = total
        token = chosen[row]
        if token < 0:
            state[row] = ABSENT
        elif tokens[token, LENGTH] == NO_VALUE:
            state[row] = IS_NULL
        else:
            state[row] = VALUE
            start = np.int64(tokens[token, START])
            end = start + tokens[token, LENGTH]
            if is_trimmed:
                start, end = _trim(buffer, start, end)
            starts[row] = start
            total += end - start
    offsets[chosen.shape[0]] = total
    return total


@compiled
def copy_texts(words, starts, offsets, data):
    """Copy the texts to their places in ``data``, word by word: what is written behind one is written over by the next,
    and ``data`` has room for a word more.
    """
    words, starts, offsets, data = borrowed(words), borrowed(starts), borrowed(offsets), borrowed(data)
    for row in range(starts.shape[0]):
        start, at, end = starts[row], np.int64(offsets[row]), np.int64(offsets[row + 1])
        while at < end:
            data[at] = words[start]
            at += WORD
            start += WORD


@inlined
def _trim(buffer, start, end):
    while start < end and IS_WHITE[buffer[start]]:
        start += 1
    while start < end and IS_WHITE[buffer[end - 1]]:
        end -= 1
    return start, end


@inlined
def _find_value(buffer, tokens, token):
    """(State, begin, end) of a value without the white space around it; VALUE where it is not empty."""
    state, start, end = VALUE, 0, 0
    if token < 0:
        state = ABSENT
    elif tokens[token, LENGTH] == NO_VALUE:
        state = IS_NULL
    else:
        start, end = _trim(
            buffer, np.int64(tokens[token, START]), np.int64(tokens[token, START] + tokens[token, LENGTH])
        )
        if start == end:
            state = EMPTY
    return state, start, end


@inlined
def _digits(buffer, start, count):
    """The number that so many digits say; -1 where one is none."""
    number = 0
    for k in range(start, start + count):
        digit = np.int64(buffer[k]) - 48
        if digit < 0 or digit > 9:
            return -1
        number = number * 10 + digit
    return number


@inlined
def _read_integer(buffer, start, end, most_digits):
    """(Number, whether it is one)."""
    is_negative = start < end and buffer[start] == 45
    if start < end and (is_negative or buffer[start] == 43):
        start += 1
    if end == start or end - start > most_digits:
        return 0, False
    number = _digits(buffer, start, end - start)
    return (-number if is_negative else number), number >= 0


@compiled
def read_integers(buffer, tokens, chosen, most_digits, low, high, values, state):
    buffer, tokens, chosen, state = borrowed(buffer), borrowed(tokens), borrowed(chosen), borrowed(state)
    unsure = 0
    for row in range(chosen.shape[0]):
        state[row], start, end = _find_value(buffer, tokens, chosen[row])
        if state[row] != VALUE:
            continue
        number, is_number = _read_integer(buffer, start, end, most_digits)
        if is_number and low <= number <= high:
            values[row] = number
        else:
            state[row] = UNSURE
            unsure += 1
    return unsure


@compiled
def read_decimals(buffer, tokens, chosen, places, scale, values, state):
    """Numbers with at most so many digits before the point and after it, 18 together, as 128-bit integers of the scale:
    ``values`` has two columns, the low half and the high one.
    """
    buffer, tokens, chosen, state = borrowed(buffer), borrowed(tokens), borrowed(chosen), borrowed(state)
    unsure = 0
    for row in range(chosen.shape[0]):
        state[row], start, end = _find_value(buffer, tokens, chosen[row])
        if state[row] != VALUE:
            continue
        is_negative = start < end and buffer[start] == 45
        if start < end and (is_negative or buffer[start] == 43):
            start += 1
        point = start
        while point < end and buffer[point] != 46:
            point += 1
        whole = _digits(buffer, start, point - start) if 0 < point - start <= places else -1
        fraction_digits = max(end - point - 1, 0)
        is_number = whole >= 0 and fraction_digits <= scale and (point == end or fraction_digits > 0)
        fraction = _digits(buffer, point + 1, fraction_digits) if is_number else -1
        if fraction < 0:
            state[row] = UNSURE
            unsure += 1
            continue
        for _ in range(fraction_digits):
            whole *= 10
        for _ in range(scale - fraction_digits):
            whole *= 10
            fraction *= 10
        number = whole + fraction
        number = -number if is_negative else number
        values[row, 0], values[row, 1] = number, number >> 63
    return unsure


@compiled
def read_booleans(buffer, tokens, chosen, values, state):
    buffer, tokens, chosen, state = borrowed(buffer), borrowed(tokens), borrowed(chosen), borrowed(state)
    unsure = 0
    for row in range(chosen.shape[0]):
        state[row], start, end = _find_value(buffer, tokens, chosen[row])
        if state[row] != VALUE:
            continue
        length = end - start
        if length == 1 and (buffer[start] == 49 or buffer[start] == 48):
            values[row] = buffer[start] == 49
        elif length == 4 and _spells(buffer, start, 116, 114, 117, 101):
            values[row] = True
        elif length == 5 and _spells(buffer, start, 102, 97, 108, 115) and buffer[start + 4] == 101:
            values[row] = False
        else:
            state[row] = UNSURE
            unsure += 1
    return unsure


@inlined
def _spells(buffer, start, a, b, c, d):
    return buffer[start] == a and buffer[start + 1] == b and buffer[start + 2] == c and buffer[start + 3] == d


@inlined
def _read_day(buffer, start):
    """(Days since 1970, year) of ``YYYY-MM-DD`` at ``buffer[start]``; the year is -1 where that is no day."""
    year, month, day = _digits(buffer, start, 4), _digits(buffer, start + 5, 2), _digits(buffer, start + 8, 2)
    if buffer[start + 4] != 45 or buffer[start + 7] != 45 or year < 1 or month < 1 or month > 12 or day < 1:
        return 0, -1
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > _DAYS_OF_MONTH[month] or (month == 2 and day == 29 and not is_leap):
        return 0, -1
    # Years begin in March here, so that the day that may be missing comes last.
    shifted = year - (1 if month <= 2 else 0)
    era, of_era = shifted // 400, shifted % 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468, year


@compiled
def read_dates(buffer, tokens, chosen, values, state):
    buffer, tokens, chosen, state = borrowed(buffer), borrowed(tokens), borrowed(chosen), borrowed(state)
    unsure = 0
    for row in range(chosen.shape[0]):
        state[row], start, end = _find_value(buffer, tokens, chosen[row])
        if state[row] != VALUE:
            continue
        days, year = _read_day(buffer, start) if end - start == 10 else (0, -1)
        if year < 0:
            state[row] = UNSURE
            unsure += 1
        else:
            values[row] = days
    return unsure


@compiled
def read_timestamps(buffer, tokens, chosen, with_zone, values, state):
    """Microseconds since 1970, with a zone in UTC."""
    buffer, tokens, chosen, state = borrowed(buffer), borrowed(tokens), borrowed(chosen), borrowed(state)
    unsure = 0
    for row in range(chosen.shape[0]):
        state[row], start, end = _find_value(buffer, tokens, chosen[row])
        if state[row] != VALUE:
            continue
        moment, is_one = _read_moment(buffer, start, end, with_zone)
        if is_one:
            values[row] = moment
        else:
            state[row] = UNSURE
            unsure += 1
    return unsure


@inlined
def _read_moment(buffer, start, end, with_zone):
    if end - start < 19:
        return 0, False
    days, year = _read_day(buffer, start)
    hour, minute, second = (
        _digits(buffer, start + 11, 2),
        _digits(buffer, start + 14, 2),
        _digits(buffer, start + 17, 2),
    )
    if (
        year < 0 or (buffer[start + 10] != 84 and buffer[start + 10] != 32) or buffer[start + 13] != 58
        or buffer[start + 16] != 58 or hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59
    ):  # fmt: skip
        return 0, False
    moment = ((days * 24 + hour) * 60 + minute) * 60 + second
    at, fraction = start + 19, 0
    if at < end and buffer[at] == 46:
        first = at + 1
        at = first
        while at < end and 48 <= buffer[at] <= 57:
            at += 1
        if at == first or at - first > 6:
            return 0, False
        fraction = _digits(buffer, first, at - first)
        for _ in range(6 - (at - first)):
            fraction *= 10
    if with_zone:
        offset = _read_zone(buffer, at, end)
        # In the first year and the last the zone may lead out of what a timestamp holds.
        if offset == 1 << 20 or year < 2 or year > 9998:
            return 0, False
        moment -= offset * 60
    elif at != end:
        return 0, False
    return moment * _MICROSECONDS + fraction, True


@inlined
def _read_zone(buffer, at, end):
    """Minutes east of UTC; 1 << 20 where it is no zone as usual."""
    if end - at == 1 and buffer[at] == 90:
        return 0
    if end - at != 6 or buffer[at + 3] != 58 or (buffer[at] != 43 and buffer[at] != 45):
        return 1 << 20
    hours, minutes = _digits(buffer, at + 1, 2), _digits(buffer, at + 4, 2)
    if hours < 0 or minutes < 0 or hours > 13 or minutes > 59:
        return 1 << 20
    offset = hours * 60 + minutes
    return offset if buffer[at] == 43 else -offset
