"""Where a loop stands, as one sentence and the five steps of its story."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidewheel.server.pages.figures import opening
from tidewheel.server.pages.view import LoopView, StepView

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidewheel.app import Platform
    from tidewheel.loop import LoopStatus, Turn
    from tidewheel.rollout import Rollout

STEPS: dict[str, str] = {
    "watching": "Watch",
    "gathering": "Gather",
    "training": "Train",
    "judging": "Judge",
    "rolling_out": "Roll out",
}


def loop_view(platform: Platform, status: LoopStatus, rollout: Rollout | None, name: Callable[[str], str]) -> LoopView:
    """The loop as the page shows it."""
    step = status.state if status.state in STEPS else "watching"
    place = list(STEPS).index(step)
    turn = status.turn
    sentence = _turn_sentence(platform, turn, rollout, name) if turn else _watching(platform, status, name)
    return LoopView(
        name=status.name,
        endpoint=status.endpoint,
        sentence=sentence,
        paused=status.state == "paused",
        steps=tuple(
            StepView(title, "now" if at == place else "done" if at < place else "ahead")
            for at, title in enumerate(STEPS.values())
        ),
        since=turn.updated_at if turn else status.trained_at,
    )


def _watching(platform: Platform, status: LoopStatus, name: Callable[[str], str]) -> str:
    if status.champion is None:
        return "There is no champion yet; the first model is on its way."
    champion = name(status.champion)
    last = next(iter(platform.loop.history(status.name, limit=1)), None)
    if status.state == "paused":
        return f"Paused: {champion} answers, and no turn begins until the loop is resumed."
    if last is None or last.candidate is None:
        return f"{opening(champion)} answers, and nothing calls for a new model."
    if last.state == "promoted":
        return f"{opening(champion)} answers since it was promoted; nothing calls for a new model."
    why = f": {_inside(last.outcome)}" if last.outcome else ""
    return f"{opening(champion)} answers; {name(last.candidate)} was {last.state.replace('_', ' ')}{why}."


def _turn_sentence(platform: Platform, turn: Turn, rollout: Rollout | None, name: Callable[[str], str]) -> str:
    if turn.state == "gathering":
        since = f" since {turn.change_at:%b %-d, %H:%M} UTC" if turn.change_at else ""
        return f"Gathering labelled rows{since}, because {_inside(turn.reason)}."
    if turn.state == "training":
        return f"Training a candidate, because {_inside(turn.reason)}."
    candidate = name(turn.candidate) if turn.candidate else "the candidate"
    if turn.state == "judging" or rollout is None:
        return f"The gates compare {candidate} with {name(turn.champion) if turn.champion else 'nothing before it'}."
    stage = rollout.plan.stage_name(rollout.stage)
    share = rollout.plan.share(rollout.stage)
    doing = f"answers {share:g} % of the traffic" if share else "answers copies of requests, unseen"
    reason = platform.rollout.outlook(rollout.id).reason if rollout.running else rollout.reason
    return f"{opening(candidate)} {doing}. {reason or stage}"


def _inside(reason: str) -> str:
    """A reason as the end of a sentence."""
    reason = reason.rstrip(".")
    return reason[:1].lower() + reason[1:]
