"""The turn's table of transitions, walked whole."""

from itertools import product

import pytest

from tidewheel.base.errors import Conflict
from tidewheel.loop import TRANSITIONS, TurnState
from tidewheel.loop.states import ENDED, Happening, next_state


@pytest.mark.parametrize(("state", "happening"), list(product(TurnState, Happening)))
def test_every_pair_leads_where_the_table_says_or_is_refused(state: TurnState, happening: Happening) -> None:
    if (state, happening) in TRANSITIONS:
        assert next_state(state, happening) is TRANSITIONS[state, happening]
    else:
        with pytest.raises(Conflict, match=f"{state}.*{happening}"):
            next_state(state, happening)


def test_an_ended_turn_goes_nowhere_and_every_other_can_be_cancelled() -> None:
    assert {
        TurnState.PROMOTED,
        TurnState.ROLLED_BACK,
        TurnState.REJECTED,
        TurnState.FAILED,
        TurnState.CANCELLED,
    } == ENDED
    for state in TurnState:
        assert ((state, Happening.CANCEL) in TRANSITIONS) is (state not in ENDED)


def test_every_state_is_reached_from_the_first_and_every_walk_ends() -> None:
    reached, edge = {TurnState.GATHERING}, [TurnState.GATHERING]
    while edge:
        here = edge.pop()
        for state in {to for (start, _), to in TRANSITIONS.items() if start is here} - reached:
            reached.add(state)
            edge.append(state)
    assert reached == set(TurnState)
    order = list(TurnState)  # written in the order of a turn: no step leads back
    assert all(order.index(start) < order.index(to) for (start, _), to in TRANSITIONS.items())


def test_every_happening_leads_somewhere() -> None:
    assert {happening for _, happening in TRANSITIONS} == set(Happening)
