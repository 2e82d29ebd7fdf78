"""What text is worth once references, CDATA sections and line ends are resolved: compiled, for text proven sound."""

from __future__ import annotations

import numpy as np

from sluice.compiled.borrowing import borrowed
from sluice.compiled.compiling import compiled, inlined

# Comments, CDATA sections, processing instructions: only control characters are out of place there.
IN_MARKUP = np.zeros(256, np.uint8)
IN_MARKUP[:32] = 1
IN_MARKUP[[9, 10, 13]] = 0
IN_MARKUP[[ord("-"), ord("]"), ord("?")]] = 2
ENDS_NAME = np.zeros(256, np.uint8)
ENDS_NAME[[0, 9, 10, 13, 32, ord("/"), ord(">"), ord("="), ord("<"), ord("?")]] = 1
IS_WHITE = np.zeros(256, np.uint8)
IS_WHITE[[9, 10, 13, 32]] = 1

LT, GT, AMP, QUOTE, APOSTROPHE, HASH, SEMICOLON = 60, 62, 38, 34, 39, 35, 59
SLASH, BANG, QUESTION, DASH, OPEN, CLOSE, EQUALS = 47, 33, 63, 45, 91, 93, 61
TAB, LF, CR, SPACE = 9, 10, 13, 32


@inlined
def is_char(code):
    """Whether XML 1.0 has a character of this number (production 2)."""
    if code < 32:
        return code == TAB or code == LF or code == CR
    return code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF


@compiled
def read_reference(buffer, i):
    """(Position after the reference that begins at ``buffer[i]``, its character); (-1, 0) for any but a character's or
    one of the five of XML.
    """
    i += 1
    byte = buffer[i]
    if byte == HASH:
        return _read_number(buffer, i + 1)
    second, third = buffer[i + 1], buffer[i + 2]
    if byte == 108 and second == 116 and third == SEMICOLON:  # lt
        return i + 3, LT
    if byte == 103 and second == 116 and third == SEMICOLON:  # gt
        return i + 3, GT
    if byte == 97 and second == 109 and third == 112 and buffer[i + 3] == SEMICOLON:  # amp
        return i + 4, AMP
    if byte == 113 and second == 117 and third == 111 and buffer[i + 3] == 116 and buffer[i + 4] == SEMICOLON:  # quot
        return i + 5, QUOTE
    if byte == 97 and second == 112 and third == 111 and buffer[i + 3] == 115 and buffer[i + 4] == SEMICOLON:  # apos
        return i + 5, APOSTROPHE
    return -1, 0


@compiled
def _read_number(buffer, i):
    base = 10
    if buffer[i] == 120:
        base, i = 16, i + 1
    first, code = i, 0
    while buffer[i] != SEMICOLON:
        byte = np.int64(buffer[i])
        if 48 <= byte <= 57:
            digit = byte - 48
        elif base == 16 and 97 <= byte <= 102:
            digit = byte - 87
        elif base == 16 and 65 <= byte <= 70:
            digit = byte - 55
        else:
            return -1, 0
        code = code * base + digit
        if code > 0x10FFFF:
            return -1, 0
        i += 1
    if i == first or not is_char(code):
        return -1, 0
    return i + 1, code


@inlined
def _put(buffer, at, code):
    """Write a character as UTF-8; returns the position after it."""
    if code < 0x80:
        buffer[at] = code
        return at + 1
    if code < 0x800:
        buffer[at] = 0xC0 | (code >> 6)
        buffer[at + 1] = 0x80 | (code & 0x3F)
        return at + 2
    if code < 0x10000:
        buffer[at] = 0xE0 | (code >> 12)
        buffer[at + 1] = 0x80 | ((code >> 6) & 0x3F)
        buffer[at + 2] = 0x80 | (code & 0x3F)
        return at + 3
    buffer[at] = 0xF0 | (code >> 18)
    buffer[at + 1] = 0x80 | ((code >> 12) & 0x3F)
    buffer[at + 2] = 0x80 | ((code >> 6) & 0x3F)
    buffer[at + 3] = 0x80 | (code & 0x3F)
    return at + 4


@compiled
def spell_value(buffer, start, end, at):
    """Write what an attribute's value is worth from ``at`` on; returns the position after it. Never longer than it."""
    buffer = borrowed(buffer)
    i = start
    while i < end:
        byte = buffer[i]
        if byte == AMP:
            i, code = read_reference(buffer, i)
            at = _put(buffer, at, code)
            continue
        if byte == CR and buffer[i + 1] == LF:
            i += 1
        buffer[at] = SPACE if byte == TAB or byte == LF or byte == CR else byte
        at += 1
        i += 1
    return at


@compiled
def spell_content(buffer, start, end, at):
    """Write the text of an element's content, that of its descendants too, from ``at`` on; returns the position after
    it. Never longer than the content.
    """
    buffer = borrowed(buffer)
    i = start
    while i < end:
        byte = buffer[i]
        if byte == AMP:
            i, code = read_reference(buffer, i)
            at = _put(buffer, at, code)
        elif byte != LT:
            i, at = _put_byte(buffer, i, byte, at)
        elif buffer[i + 1] == BANG and buffer[i + 2] == OPEN:
            i += 9  # <![CDATA[
            while not (buffer[i] == CLOSE and buffer[i + 1] == CLOSE and buffer[i + 2] == GT):
                i, at = _put_byte(buffer, i, buffer[i], at)
            i += 3
        else:
            i = _pass_markup(buffer, i)
    return at


@inlined
def _put_byte(buffer, i, byte, at):
    """Copy a byte, of a line end only a line feed; returns where to read and to write next."""
    if byte == CR:
        byte = LF
        if buffer[i + 1] == LF:
            i += 1
    buffer[at] = byte
    return i + 1, at + 1


@compiled
def _pass_markup(buffer, i):
    """Position after the comment, processing instruction or tag that begins at ``buffer[i]``."""
    if buffer[i + 1] == BANG:
        i += 6
        while not (buffer[i] == GT and buffer[i - 1] == DASH and buffer[i - 2] == DASH):
            i += 1
        return i + 1
    if buffer[i + 1] == QUESTION:
        i += 3
        while not (buffer[i] == GT and buffer[i - 1] == QUESTION):
            i += 1
        return i + 1
    i += 1
    while buffer[i] != GT:
        byte = buffer[i]
        i += 1
        if byte == QUOTE or byte == APOSTROPHE:
            while buffer[i] != byte:
                i += 1
            i += 1
    return i + 1
