"""The states that elements can be in, and the tables in which the tokenizer looks up what leads from one to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sluice.nodes import Node, TablePlan, Test
from sluice.sightings import Known

# Answers of the tables besides numbers of states and slots. They are kept as one more than they are: what nobody has
# asked for yet is 0.
UNKNOWN, DECLINE = -1, -2
FIRST_CHOICE = -10  # and below: a choice among states, by a value

SKIP = 0  # the state of elements that nothing is read of, and the slot of such attributes
# What an element of a state is; what an attribute of a slot is; what a name is.
IS_RECORD, IS_NOTED = 1, 2
IS_SIGHTED, IS_NIL = 1, 2
IS_XMLNS, IS_NO_TARGET = 1, 2

# What the smallest tables hold: names of elements and attributes, states and slots, namespaces and values. Most feeds
# need no more, and a task pays for what it clears.
NAMES, STATES, VALUES = 256, 128, 64
MAX_SCALE = 8
MAX_STEPS = 8


class Tables(NamedTuple):
    """All that the tokenizer looks up; see ``Machine`` for what the arrays hold."""

    names: np.ndarray
    name_ends: np.ndarray
    name_heads: np.ndarray
    name_slots: np.ndarray
    name_kind: np.ndarray
    declarations: np.ndarray
    declaration_ends: np.ndarray
    declaration_slots: np.ndarray
    values: np.ndarray
    value_ends: np.ndarray
    value_slots: np.ndarray
    step: np.ndarray
    element: np.ndarray
    attribute: np.ndarray
    child: np.ndarray
    slot: np.ndarray
    choice_attribute: np.ndarray
    choice_state: np.ndarray
    choice_depth: np.ndarray
    choice_steps: np.ndarray
    state_kind: np.ndarray
    state_rows: np.ndarray
    state_cells: np.ndarray
    slot_kind: np.ndarray
    slot_cells: np.ndarray
    lists: np.ndarray
    cell_table: np.ndarray
    cell_how: np.ndarray
    parent_table: np.ndarray


@dataclass(frozen=True, slots=True)
class State:
    """``above`` holds the record paths that lead on from here, at ``depth``; of records and below them it is empty.

    One node at most is the witness of what is unknown at the element; where none is, but names are looked over,
    ``scouted`` says what is known. ``sighting`` is what a visit counts as: an element of this name, unknown below this.
    """

    nodes: tuple[Node, ...] = ()
    witness: Node | None = None
    scouted: Known | None = None
    record: TablePlan | None = None
    above: tuple[int, ...] = ()
    depth: int = 0
    sighting: tuple[Known, str] | None = None

    @property
    def known(self) -> Known | None:
        return self.witness.known if self.witness is not None else self.scouted

    @property
    def looks_over_children(self) -> bool:
        witness = self.witness
        return self.known is not None and not (witness is not None and not witness.edges and witness.texts)


@dataclass(frozen=True, slots=True)
class Alternative:
    """A node that a child element leads to under ``tests``; ``of_witness`` tells whether from the witness."""

    tests: tuple[Test, ...]
    node: Node
    of_witness: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """States that depend on one value: that of an attribute, or the text of the one element at a path below."""

    alternatives: tuple[Alternative, ...]
    known: Known | None
    tag: str


@dataclass(frozen=True, slots=True)
class Slot:
    """What an attribute in a state is for: cells, and the sighting that it counts as."""

    cells: tuple[int, ...] = ()
    sighting: tuple[Known, str] | None = None
    is_nil: bool = False
