"""Rollouts: a durable walk of a candidate from shadow over canary steps to champion, or back, decided by live evidence.

Declared in a project as `Canary`, `Shadow` or `AB`, with `switchback` as unit where arms share something. Verbs:
`Rollouts.start`, `tick`, `abort`, `rollback`, `set_route`, `get`, `ls`, `decisions`, `outlook`. The machine is the
table in `states.py`, the rule is `judge.py`, the statistics of the goal are `goal.py`.

Owns `rollout_rollouts`, `rollout_stages`, `rollout_decisions`, `rollout_units`, `rollout_labelled`. Emits
`rollout.rollout.started`, `rollout.decision.made`, `rollout.rollout.promoted | rolled_back | aborted`,
`rollout.route.taken | restored`. Reads no events but the one that says who set a route; it reads the prediction log
with a cursor of its own (`rollout`).
"""

from tidewheel.rollout.guardrails import Guardrail
from tidewheel.rollout.judge import Judgement
from tidewheel.rollout.plans import AB, Canary, Goal, Plan, Shadow, Unit, switchback
from tidewheel.rollout.records import Decision, Restored, Rollout, RouteByHand, Stage
from tidewheel.rollout.rollouts import Rollouts
from tidewheel.rollout.seams import Aliases, Traffic
from tidewheel.rollout.states import ENDED, RUNNING, TRANSITIONS, Move, RolloutState

__all__ = [
    "AB",
    "ENDED",
    "RUNNING",
    "TRANSITIONS",
    "Aliases",
    "Canary",
    "Decision",
    "Goal",
    "Guardrail",
    "Judgement",
    "Move",
    "Plan",
    "Restored",
    "Rollout",
    "RolloutState",
    "Rollouts",
    "RouteByHand",
    "Shadow",
    "Stage",
    "Traffic",
    "Unit",
    "switchback",
]
