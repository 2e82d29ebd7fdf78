"""What the tokenizer answers, where it keeps its progress, and what it writes: arrays, and the names of their slots."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

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
