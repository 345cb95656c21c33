"""After a turn that brought no new champion the loop rests before it tries again."""

from datetime import UTC, datetime, timedelta

from tidewheel.loop import Turn, TurnState
from tidewheel.loop.patience import FIRST_REST, LONGEST_REST, rests_until

START = datetime(2026, 3, 2, tzinfo=UTC)


def turn(state: TurnState, ended_h: float | None) -> Turn:
    ended_at = None if ended_h is None else START + timedelta(hours=ended_h)
    return Turn(
        id="t",
        loop="l",
        state=state,
        reason="",
        alerts=(),
        cause=None,
        change_at=None,
        started_at=START,
        updated_at=START,
        ended_at=ended_at,
    )


def test_the_first_turn_and_one_after_a_promotion_begin_at_once() -> None:
    assert rests_until([]) is None
    assert rests_until([turn(TurnState.PROMOTED, 3), turn(TurnState.FAILED, 2)]) is None


def test_a_turn_in_vain_is_followed_by_a_rest_that_doubles() -> None:
    newest_first = [turn(TurnState.FAILED, 3), turn(TurnState.REJECTED, 2), turn(TurnState.CANCELLED, 1)]
    ends = [rests_until([*newest_first[start:], turn(TurnState.PROMOTED, 0)]) for start in (2, 1, 0)]
    assert ends == [
        START + timedelta(hours=1) + FIRST_REST,
        START + timedelta(hours=2) + 2 * FIRST_REST,
        START + timedelta(hours=3) + 4 * FIRST_REST,
    ]


def test_the_rest_never_exceeds_a_day() -> None:
    rest = rests_until([turn(TurnState.ROLLED_BACK, 5)] * 50)
    assert rest == START + timedelta(hours=5) + LONGEST_REST


def test_a_turn_under_way_is_not_a_reason_to_rest() -> None:
    assert rests_until([turn(TurnState.TRAINING, None)]) is None
