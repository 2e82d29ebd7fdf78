"""The record paths of a feed as arrays, for the compiled scanner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from sluice.scanner.events import CONTENT, DEPTH, LAST_CHILD_END, MODE, STATE_SIZE


class PathTable:
    """The record paths of a feed as arrays: a trie over local names, which the compiled scanner can walk.

    Node 0 lies above the root. Children of a node are linked by ``first_child`` and ``next_sibling`` (-1 ends a chain).
    """

    def __init__(self, paths: Iterable[tuple[str, ...]]) -> None:
        names: list[bytes] = [b""]
        first_child, next_sibling, is_record = [-1], [-1], [False]
        for path in paths:
            node = 0
            for step in path:
                name = step.encode()
                child = first_child[node]
                while child != -1 and names[child] != name:
                    child = next_sibling[child]
                if child == -1:
                    child = len(names)
                    names.append(name)
                    first_child.append(-1)
                    is_record.append(False)
                    next_sibling.append(first_child[node])
                    first_child[node] = child
                node = child
            is_record[node] = True
        self.text = np.frombuffer(b"".join(names) or b"\0", np.uint8)
        ends = np.cumsum([len(name) for name in names])
        self.name_start = (ends - [len(name) for name in names]).astype(np.int64)
        self.name_end = ends.astype(np.int64)
        self.first_child = np.array(first_child, np.int64)
        self.next_sibling = np.array(next_sibling, np.int64)
        self.is_record = np.array(is_record, np.bool_)
        self.max_depth = max((len(path) for path in paths), default=0)

    def new_state(self, names: Sequence[bytes] = ()) -> tuple[np.ndarray, np.ndarray]:
        """State and stack at the begin of a stream; or between two records, in ancestors of these names."""
        state, stack = np.zeros(STATE_SIZE, np.int64), np.full(self.max_depth + 2, -1, np.int64)
        state[LAST_CHILD_END] = -1
        if names:
            state[MODE], state[DEPTH] = CONTENT, len(names)
        node = 0
        for depth, name in enumerate(names, start=1):
            node = stack[depth] = self._child_of(node, name.rpartition(b":")[2])
        return state, stack

    def _child_of(self, node: int, name: bytes) -> int:
        child = int(self.first_child[node])
        while child != -1 and self.text[self.name_start[child] : self.name_end[child]].tobytes() != name:
            child = int(self.next_sibling[child])
        return child
