"""The meaning of names and paths for the tokenizer: states, and what leads from one to another.

An element is in a *state*: the nodes of the mapping that are visited at it, and what of it is looked over for names
that nobody knows. Names lead from state to state. All of it is worked out as it is first met, from the same ``plan``
that the reference tier walks, and kept in arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from sluice.feed.model import Feed
from sluice.kernel.grammar import Environments, read_declaration, read_name
from sluice.kernel.interning import Full, Interned
from sluice.kernel.states import (
    DECLINE,
    FIRST_CHOICE,
    IS_NIL,
    IS_NO_TARGET,
    IS_NOTED,
    IS_RECORD,
    IS_SIGHTED,
    IS_XMLNS,
    MAX_STEPS,
    NAMES,
    SKIP,
    STATES,
    UNKNOWN,
    VALUES,
    Alternative,
    Choice,
    Slot,
    State,
    Tables,
)
from sluice.nodes import LIST, Cell, Node
from sluice.plan import Plan
from sluice.sightings import Known, Sighting, Sightings
from sluice.xmlio import XSI_NIL


@dataclass(slots=True)
class _Ids:
    """Numbers for hashable things."""

    numbers: dict[object, int] = field(default_factory=dict)

    def of(self, thing: object, most: int) -> int:
        number = self.numbers.setdefault(thing, len(self.numbers))
        if number >= most:
            raise Full
        return number


class Machine:
    """Fills the tables of one feed. Every ``learn_*`` raises ``Full`` where they are."""

    def __init__(self, feed: Feed, plan: Plan, scale: int = 1) -> None:
        """``scale`` says how often the tables are as large as the smallest, up to MAX_SCALE."""
        self.scale = scale
        self.max_names, self.max_states, self._max_values = scale * NAMES, scale * STATES, scale * VALUES
        self._plan = plan
        self._paths = plan.record_paths
        self._parents = [table.parent for table in feed.tables.values()]
        self._table_of: dict[int, str] = {}
        for name, table in plan.tables.items():
            self._table_of |= {id(node): name for node in _nodes_of(table.node)}
        self.raw_names = Interned(self.max_names, scale << 13)
        self.declarations = Interned(self._max_values, scale << 13)
        self.values = Interned(self._max_values, scale << 11)
        self._parsed: list[tuple[str, str] | None] = []
        self._environments = Environments(self._max_values)
        self._full_names = _Ids()
        self._by_name: list[str] = []
        self.states: list[State] = []
        self._state_ids: dict[tuple[object, ...], int] = {}
        self.slots: list[Slot] = []
        self._slot_ids: dict[Slot, int] = {}
        self._choices: list[Choice] = []
        self._choice_ids: dict[tuple[object, ...], int] = {}
        self.table_names = list(plan.tables)
        self._lay_cells()
        self._make_tables()
        self.state_of(State())
        self.start = self.state_of(State(above=tuple(range(len(self._paths)))))
        self.slot_of(Slot())
        self.xsi_nil = self.full_name(XSI_NIL)

    def _lay_cells(self) -> None:
        """Number the cells of all tables: those of one table follow each other."""
        self.first_cell: dict[str, int] = {}
        tables: list[int] = []
        hows: list[int] = []
        for number, (name, plan) in enumerate(self._plan.tables.items()):
            self.first_cell[name] = len(tables)
            nodes = list(_nodes_of(plan.node))
            found = {
                cell.index: cell for node in nodes for cell in (*node.texts, *(cell for _, cell in node.attributes))
            }
            for index in range(plan.cell_count):
                tables.append(number)
                hows.append(found[index].how if index in found else LIST)
        self.cell_count = len(tables)
        entries = [
            len(node.attributes) + len(node.texts)
            for table in self._plan.tables.values()
            for node in _nodes_of(table.node)
        ]
        self.most_tokens = sum(entries) + 8
        """No tag writes more tokens: an attribute with a prefix of several URIs has an entry for each."""
        self._cell_table = np.array(tables or [0], np.int32)
        self._cell_how = np.array(hows or [0], np.int32)

    def _make_tables(self) -> None:
        names, states, values = self.max_names, self.max_states, self._max_values
        self._lists: list[int] = []
        parents = [-1 if name is None else self.table_names.index(name) for name in self._parents]
        self.tables = Tables(
            self.raw_names.text, self.raw_names.ends, self.raw_names.heads, self.raw_names.slots,
            np.zeros(names, np.int32),
            self.declarations.text, self.declarations.ends, self.declarations.slots,
            self.values.text, self.values.ends, self.values.slots,
            np.zeros((values, values), np.int32),
            np.zeros((values, names), np.int32), np.zeros((values, names), np.int32),
            np.zeros((states, 2 * names), np.int32), np.zeros((states, 2 * names), np.int32),
            np.zeros(values, np.int32), np.zeros((values, values + 1), np.int32),
            np.zeros(values, np.int32), np.zeros((values, MAX_STEPS, 2), np.int32),
            np.zeros(states, np.int32), np.zeros((states, 2), np.int32), np.zeros((states, 2), np.int32),
            np.zeros(states, np.int32), np.zeros((states, 2), np.int32), np.zeros(self.scale << 12, np.int32),
            self._cell_table, self._cell_how, np.array(parents, np.int32),
        )  # fmt: skip

    # -- names --------------------------------------------------------------------------------------------------------

    def learn_name(self, raw: bytes) -> bool:
        """Take in the name of an element, an attribute or an instruction; False if it is none."""
        parsed = read_name(raw)
        if parsed is None:
            return False
        number = self.raw_names.add(raw)
        self._parsed.append(parsed)
        prefix, local = parsed
        kind = IS_XMLNS if raw == b"xmlns" or prefix == "xmlns" else 0
        kind |= IS_NO_TARGET if prefix or local.lower() == "xml" else 0
        self.tables.name_kind[number] = kind
        return True

    def learn_declaration(self, raw: bytes) -> bool:
        """Take in a declaration of a namespace, as it is written; False where its value is out of the ordinary."""
        if read_declaration(raw) is None:
            return False
        self.declarations.add(raw)
        return True

    def learn_step(self, environment: int, declaration: int) -> None:
        """What is in scope once a declaration has been added."""
        raw = next(raw for raw, number in self.declarations.numbers.items() if number == declaration)
        self.tables.step[environment, declaration] = self._environments.add(environment, raw) + 1

    def learn_element(self, environment: int, name: int) -> None:
        self.tables.element[environment, name] = self._resolve(environment, name, is_attribute=False) + 1

    def learn_attribute(self, environment: int, name: int) -> None:
        self.tables.attribute[environment, name] = self._resolve(environment, name, is_attribute=True) + 1

    def _resolve(self, environment: int, name: int, *, is_attribute: bool) -> int:
        clark = self._environments.resolve(environment, self._parsed[name] or ("", ""), is_attribute=is_attribute)
        return DECLINE if clark is None else self.full_name(clark)

    def full_name(self, clark: str) -> int:
        """The number of a name with its namespace."""
        number = self._full_names.of(clark, 2 * self.max_names)
        if number == len(self._by_name):
            self._by_name.append(clark)
        return number

    # -- states -------------------------------------------------------------------------------------------------------

    def state_of(self, state: State) -> int:
        key = (
            tuple(map(id, state.nodes)), id(state.witness), id(state.scouted), id(state.record), state.above,
            state.depth, state.sighting and (id(state.sighting[0]), state.sighting[1]),
        )  # fmt: skip
        if key in self._state_ids:
            return self._state_ids[key]
        number = len(self.states)
        if number >= self.max_states:
            raise Full
        rows = [state.record.name] if state.record else [node.table.name for node in state.nodes if node.table]
        cells = [self._cell(node, cell) for node in state.nodes for cell in node.texts]
        if any(cell.is_xml for node in state.nodes for cell in node.texts):
            return DECLINE
        # What may raise comes first: what is known of a state is known as a whole.
        row_list = self._list(self.table_names.index(name) for name in rows)
        cell_list = self._list(cells)
        self.states.append(state)
        self._state_ids[key] = number
        tables = self.tables
        tables.state_kind[number] = (IS_RECORD if state.record else 0) | (IS_NOTED if state.sighting else 0)
        tables.state_rows[number] = row_list
        tables.state_cells[number] = cell_list
        return number

    def _cell(self, node: Node, cell: Cell) -> int:
        return self.first_cell[self._table_of[id(node)]] + cell.index

    def _list(self, items: Iterator[int] | list[int]) -> tuple[int, int]:
        """Keep a list of numbers; returns where it begins and ends."""
        first = len(self._lists)
        self._lists += items
        if len(self._lists) > len(self.tables.lists):
            del self._lists[first:]
            raise Full
        self.tables.lists[first : len(self._lists)] = self._lists[first:]
        return first, len(self._lists)

    def learn_child(self, number: int, name: int) -> None:
        """Where an element of this name leads from a state."""
        state, tag = self.states[number], self._by_name[name]
        self.tables.child[number, name] = self._lead_on(state, tag) + 1

    def _lead_on(self, state: State, tag: str) -> int:
        if state.above:
            return self._step_above(state, tag)
        alternatives = tuple(
            Alternative(tests, below, node is state.witness)
            for node in state.nodes
            for tests, below in node.edges.get(tag, ())
        )
        known = state.known if state.looks_over_children else None
        if not any(alternative.tests for alternative in alternatives):
            return self._below(alternatives, known, tag)
        return self._choice(alternatives, known, tag)

    def _step_above(self, state: State, tag: str) -> int:
        """Above records only the record paths count. What has the names of one, in another namespace, is no record, and
        no matter to be passed over.
        """
        leading = tuple(path for path in state.above if tag in self._paths[path][0][state.depth])
        local = tag.rpartition("}")[2]
        if len(leading) < sum(
            local == min(self._paths[path][0][state.depth]).rpartition("}")[2] for path in state.above
        ):
            return DECLINE
        ended = [path for path in leading if len(self._paths[path][0]) == state.depth + 1]
        if not ended:
            return self.state_of(State(above=leading, depth=state.depth + 1)) if leading else SKIP
        plan = self._paths[ended[0]][1]
        if plan.is_delete or plan.mark is not None:
            return DECLINE
        return self.state_of(State((plan.node,), plan.node, record=plan))

    def _below(self, holding: tuple[Alternative, ...], known: Known | None, tag: str) -> int:
        """The state of a child that these alternatives hold for."""
        nodes = tuple(alternative.node for alternative in holding)
        witness = next((alternative.node for alternative in holding if alternative.of_witness), None)
        scouted, sighting = None, None
        if witness is None and known is not None:
            scouted = known.children.get(tag)
            if scouted is None and not known.takes_text:
                sighting = known, tag
        if not nodes and scouted is None and sighting is None:
            return SKIP
        return self.state_of(State(nodes, witness, scouted, sighting=sighting))

    def sighting_of(self, noted: int, sightings: Sightings) -> Sighting | None:
        """What a state stands for that is not known (or a slot, counted behind all states); None for one too many."""
        slot = noted - self.max_states
        found = self.slots[slot].sighting if slot >= 0 else self.states[noted].sighting
        assert found is not None
        return sightings.find_attribute(*found) if slot >= 0 else sightings.find_element(*found)

    # -- choices ------------------------------------------------------------------------------------------------------

    def _choice(self, alternatives: tuple[Alternative, ...], known: Known | None, tag: str) -> int:
        tests = [test for alternative in alternatives for test in alternative.tests]
        steps, attributes = tests[0].steps, tests[0].attributes
        if any((test.steps, test.attributes) != (steps, attributes) for test in tests):
            return DECLINE
        # Of the element itself an attribute is asked for, of one below it the text.
        if (steps and attributes) or len(attributes) > 1 or len(steps) > MAX_STEPS:
            return DECLINE
        key = (tuple((alternative.tests, id(alternative.node)) for alternative in alternatives), id(known), tag)
        if key in self._choice_ids:
            return FIRST_CHOICE - self._choice_ids[key]
        number = len(self._choices)
        if number >= self._max_values:
            raise Full
        for test in tests:
            self.values.add(test.value.encode())
        self.tables.choice_attribute[number] = self.full_name(attributes[0]) if attributes else UNKNOWN
        self.tables.choice_depth[number] = len(steps)
        for step, names in enumerate(steps):
            self.tables.choice_steps[number, step] = self._list([self.full_name(name) for name in sorted(names)])
        self._choices.append(Choice(alternatives, known, tag))
        self._choice_ids[key] = number
        return FIRST_CHOICE - number

    def learn_choice(self, number: int, value: int) -> None:
        """Where a choice leads for a value; -1 for none, or one that no test asks for."""
        choice = self._choices[number]
        text = next((raw.decode() for raw, own in self.values.numbers.items() if own == value), None)
        holding = tuple(
            alternative for alternative in choice.alternatives if all(test.value == text for test in alternative.tests)
        )
        self.tables.choice_state[number, value + 1] = self._below(holding, choice.known, choice.tag) + 1

    # -- attributes ---------------------------------------------------------------------------------------------------

    def slot_of(self, slot: Slot) -> int:
        if slot in self._slot_ids:
            return self._slot_ids[slot]
        number = len(self.slots)
        if number >= self.max_states:
            raise Full
        cell_list = self._list(list(slot.cells))
        self.slots.append(slot)
        self._slot_ids[slot] = number
        self.tables.slot_kind[number] = (IS_SIGHTED if slot.sighting else 0) | (IS_NIL if slot.is_nil else 0)
        self.tables.slot_cells[number] = cell_list
        return number

    def learn_slot(self, number: int, name: int) -> None:
        """What an attribute of this name is for in a state."""
        state, clark = self.states[number], self._by_name[name]
        cells = tuple(
            self._cell(node, cell) for node in state.nodes for attribute, cell in node.attributes if attribute == clark
        )
        known = state.known
        is_new = known is not None and Sightings.is_unknown_attribute(known, clark)
        sighting = (known, clark) if is_new and known is not None else None
        is_nil = name == self.xsi_nil and any(node.texts for node in state.nodes)
        self.tables.slot[number, name] = self.slot_of(Slot(cells, sighting, is_nil)) + 1


def _local(clark: str) -> str:
    return clark.rpartition("}")[2]


def _nodes_of(node: Node) -> Iterator[Node]:
    """A node and all below it, up to where other tables begin."""
    yield node
    below = {id(child): child for edges in node.edges.values() for _, child in edges if child.table is None}
    for child in below.values():
        yield from _nodes_of(child)
