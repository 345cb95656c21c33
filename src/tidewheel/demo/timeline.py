"""The journal as sentences: what a person following a demonstration wants to read, newest last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from tidewheel.storage import Entry, Metadata
from tidewheel.storage.journal import read_entries

Lane = Literal["data", "model", "rollout", "drift", "incident"]


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence of the timeline. `at` is simulated, `recorded_at` the machine's time."""

    at: datetime
    recorded_at: datetime
    lane: Lane
    kind: str
    sentence: str
    entry_id: str


def _turn_moved(data: dict[str, Any]) -> str:
    state = data["state"]
    if state == "training":
        return f"{data.get('rows', 0):,} labelled rows: training begins"
    if state == "judging":
        return "a candidate is trained; the gates judge it"
    if state == "rolling_out":
        said = "; ".join(verdict["summary"] for verdict in data.get("verdicts", []))
        return f"gates passed: {said}"
    return f"the turn is {state}"


def _turn_ended(data: dict[str, Any]) -> str:
    return f"the turn ends: {data['state'].replace('_', ' ')}. {data.get('outcome', '')}".strip()


SENTENCES: dict[str, tuple[Lane, Callable[[dict[str, Any]], str]]] = {
    "monitoring.alert.raised": ("drift", lambda data: f"{data['kind']} alert: {data['summary']}"),
    "loop.turn.started": ("model", lambda data: f"the loop wants a new model: {data['reason']}"),
    "loop.turn.moved": ("model", _turn_moved),
    "loop.turn.ended": ("model", _turn_ended),
    "rollout.rollout.started": ("rollout", lambda data: f"a candidate goes out: {data['plan']}"),
    "rollout.decision.made": ("rollout", lambda data: f"{data['move']} from {data['stage_name']}: {data['reason']}"),
}


class Timeline:
    """Follows the journal of one platform."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata
        self._seen = 0
        self.lines: list[Line] = []

    def catch_up(self) -> list[Line]:
        """Read what was journaled since the last call; return the new sentences."""
        with self._metadata.read() as connection:
            entries = read_entries(connection, after=self._seen, kinds=tuple(SENTENCES))
        fresh = [_line(entry) for entry in entries]
        if entries:
            self._seen = entries[-1].seq
            self.lines += fresh
        return fresh

    def newest(self, count: int) -> list[Line]:
        """The last sentences, oldest first."""
        return self.lines[-count:]


def _line(entry: Entry) -> Line:
    lane, tell = SENTENCES[entry.kind]
    if entry.kind == "rollout.decision.made" and entry.data.get("move") == "rollback":
        lane = "incident"
    sentence = tell(entry.data)
    if entry.kind == "rollout.rollout.started" and entry.cause is None:
        sentence = f"somebody ships a version by hand, past the gates: {entry.data['plan']}"
    return Line(entry.at, entry.recorded_at, lane, entry.kind, sentence, entry.id)
