"""Answers rows through a graph: each node once, in order, on whole tables.

Built of a description and its members' predictors. It must never change the rows that it was given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.formats import Predictor, check_width
from tidewheel.registry.graphs.description import Description, KeptNode, Member
from tidewheel.registry.graphs.transforms import side_by_side

MOST_COLUMNS = 65_536


class GraphPredictor:
    """A graph whose members are loaded. It may be used from many threads if they may."""

    def __init__(self, description: Description, members: Mapping[str, Predictor]) -> None:
        """Check that the nodes fit each other.

        Raises:
            InvalidInput: if one takes more or fewer columns than it is given.
        """
        self._description = description
        self._members = members
        self._order = description.order()
        widths = dict.fromkeys(description.inputs, 1)
        for name in self._order:
            widths[name] = width_of(name, description.nodes[name], widths)

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        check_width(rows, len(self._description.inputs))
        known = {name: rows[:, place : place + 1] for place, name in enumerate(self._description.inputs)}
        for name in self._order:
            node = self._description.nodes[name]
            parts = [known[each] for each in node.of]
            if isinstance(node, Member):
                known[name] = ask_member(name, self._members[name], parts, node.outputs)
            else:
                known[name] = node.answer(parts)
        return known[self._description.output]


def width_of(name: str, node: KeptNode, widths: Mapping[str, int]) -> int:
    """How many columns a node gives, where what it takes has so many."""
    given = sum(widths[each] for each in node.of)
    if given > MOST_COLUMNS:
        raise InvalidInput(f"The node {name!r} takes {given} columns, over {MOST_COLUMNS}.", fix="Select some first.")
    if isinstance(node, Member):
        return node.outputs
    try:
        return node.width([widths[each] for each in node.of])
    except InvalidInput as error:
        raise in_node(name, error) from None


def ask_member(
    name: str, member: Predictor, parts: Sequence[NDArray[np.float64]], outputs: int | None
) -> NDArray[np.float64]:
    """What a member answers to its parts, which must have so many columns; None = any number.

    Raises:
        InvalidInput: if it refuses them, or answers with another shape.
    """
    rows = side_by_side(parts)
    try:
        answers = member.predict(rows)
    except InvalidInput as error:
        raise in_node(name, error) from None
    wanted = (len(rows), answers.shape[-1] if outputs is None else outputs)
    if answers.shape != wanted:
        raise InvalidInput(
            f"The node {name!r} answered {len(rows)} rows with an array of shape {answers.shape}, not {wanted}.",
            fix="It must give one row for each, and equally many columns at every call.",
        )
    return answers


def in_node(name: str, error: InvalidInput) -> InvalidInput:
    """The error, with the node that it is of."""
    return InvalidInput(f"The node {name!r}: {error.message}", fix=error.fix, where=error.where)
