"""How long a loop rests after a turn that brought no new champion. Pure; asked by `loops.py` before it begins one.

What called for the turn is often still there when it ends: no champion yet, an age that is passed, an alert that comes
back. Without a rest a pipeline that fails at once would be started again several times a second, for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile

from tidewheel.loop.records import Turn
from tidewheel.loop.states import TurnState

FIRST_REST = timedelta(minutes=1)
LONGEST_REST = timedelta(days=1)
LOOKED_BACK = 12  # turns; a rest has reached its longest by then


def rests_until(turns: Sequence[Turn]) -> datetime | None:
    """When the next turn may begin, from the newest turns, newest first; None: at once.

    The rest doubles with each turn in a row that was not promoted. A person may begin a turn at any time.
    """
    in_vain = list(takewhile(lambda turn: turn.state is not TurnState.PROMOTED, turns[:LOOKED_BACK]))
    if not in_vain or in_vain[0].ended_at is None:
        return None
    return in_vain[0].ended_at + min(FIRST_REST * (1 << (len(in_vain) - 1)), LONGEST_REST)
