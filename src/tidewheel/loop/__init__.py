"""Floor 5: the controller that ties the rooms into one loop: alarm -> train -> gates -> rollout -> promoted.

Verbs: `Loops.declare | tick | ls | show | history | pause | resume | trigger | cancel`; for project files `Loop`,
`Label`, the triggers `on_alert`, `cron`, `max_age` and the gates `beats_champion`, `no_slice_worse_than`,
`latency_p99`. Owns `loop_loops`, `loop_turns`. Emits `loop.loop.declared | paused | resumed`,
`loop.champion.followed`, `loop.turn.started | moved | ended`. Reads no events: it asks the rooms below how things
stand.
"""

from tidewheel.loop.definition import Label, Loop, cron, max_age, on_alert
from tidewheel.loop.gates import beats_champion, latency_p99, no_slice_worse_than
from tidewheel.loop.loops import Loops
from tidewheel.loop.records import LoopStatus, Turn
from tidewheel.loop.states import TRANSITIONS, TurnState

__all__ = [
    "TRANSITIONS",
    "Label",
    "Loop",
    "LoopStatus",
    "Loops",
    "Turn",
    "TurnState",
    "beats_champion",
    "cron",
    "latency_p99",
    "max_age",
    "no_slice_worse_than",
    "on_alert",
]
