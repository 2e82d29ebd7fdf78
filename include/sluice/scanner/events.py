"""What the scanner tells of, and what it keeps between two calls: the columns and slots of its arrays."""

from __future__ import annotations

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
