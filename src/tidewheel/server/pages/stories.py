"""Journal entries as a person tells them: lane, title, outcome and the figures behind each. Pure.

A kind without a row of its own is told by its name, so a new room appears on the timeline without a change here; kinds
in `SILENT` are bookkeeping that other entries already tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from tidewheel.server.pages.evidence import Facts, alert_facts, decision_facts, flat_facts, turn_facts
from tidewheel.server.pages.figures import opening
from tidewheel.server.pages.view import EventView, Lane
from tidewheel.storage import Entry

Outcome = Literal["", "good", "bad"]
Data = Mapping[str, Any]

SILENT = (
    "tracking.",
    "registry.model.created",
    "registry.version.evaluated",
    "registry.alias.",
    "serving.route.changed",
    "serving.endpoint.created",
    "monitoring.watch.started",
    "loop.champion.followed",
    "features.view.",
    "pipelines.run.queued",
    "pipelines.run.started",
    "pipelines.run.succeeded",
    "pipelines.step.",
    "governance.",
    "costs.",
)
_LANES: dict[str, Lane] = {
    "data": "data",
    "features": "data",
    "monitoring": "drift",
    "rollout": "rollout",
    "serving": "rollout",
    "supervisor": "incident",
}
_MAX_FACTS = 14
_TURN = re.compile(r" turn_[0-9a-z]{26}")
_VERSION = re.compile(r"ver_[0-9a-z]{26}")
_TWICE = re.compile(r"\b(([\w.-]+)/\d+) of \2\b")  # a name that tells the model already


@dataclass(frozen=True, slots=True)
class Story:
    """How one kind of entry is told."""

    lane: Lane
    title: Callable[[Entry], str]
    outcome: Outcome | Callable[[Data], Outcome] = ""
    facts: Callable[[Data], Facts] = flat_facts


def tell(entries: Sequence[Entry], names: Mapping[str, str]) -> tuple[EventView, ...]:
    """Entries, newest first, as events; `names` turns version ids into what people call them."""
    numbers = {entry.id: entry.seq for entry in entries}
    told = (_event(entry, names, numbers) for entry in entries if not entry.kind.startswith(SILENT))
    return tuple(_gathered(told))


def versions_in(entries: Sequence[Entry]) -> set[str]:
    """The version ids that these entries speak of."""
    return {found for entry in entries for found in _VERSION.findall(f"{entry.subject} {entry.inputs} {entry.data}")}


def _event(entry: Entry, names: Mapping[str, str], numbers: Mapping[str, int]) -> EventView:
    story = STORIES.get(entry.kind) or Story(_lane(entry.kind), _by_name)
    outcome = story.outcome if isinstance(story.outcome, str) else story.outcome(entry.data)
    return EventView(
        seq=entry.seq,
        id=entry.id,
        at=entry.at,
        lane=story.lane,
        title=opening(_named(story.title(entry), names)),
        outcome=outcome,
        facts=tuple((label, _named(text, names)) for label, text in story.facts(entry.data))[:_MAX_FACTS],
        actor=entry.actor,
        kind=entry.kind,
        cause_seq=numbers.get(entry.cause or ""),
    )


def _gathered(events: Iterator[EventView]) -> Iterator[EventView]:
    """Runs of data events of one kind become one, so that a busy dataset does not drown the rest."""
    last: EventView | None = None
    count = 1
    for event in events:
        if last is not None and event.lane == last.lane == "data" and event.kind == last.kind:
            count += 1
            continue
        if last is not None:
            yield _with_count(last, count)
        last, count = event, 1
    if last is not None:
        yield _with_count(last, count)


def _with_count(event: EventView, count: int) -> EventView:
    return event if count == 1 else replace(event, title=f"{event.title} (and {count - 1:,} such before it)")


def _lane(kind: str) -> Lane:
    return _LANES.get(kind.split(".", 1)[0], "model")


def _by_name(entry: Entry) -> str:
    room, _, rest = entry.kind.partition(".")
    words = rest.replace(".", " ").replace("_", " ")
    return f"{words.capitalize() or room}: {entry.subject.partition(':')[2]}"


def _named(text: str, names: Mapping[str, str]) -> str:
    named = _VERSION.sub(lambda match: names.get(match[0], match[0]), text)
    return _TWICE.sub(r"\1", named)


# How each kind is told ----------------------------------------------------------------------------------------------


def _decided(entry: Entry) -> str:
    data = entry.data
    move = {"advance": "goes on", "promote": "is promoted", "rollback": "is rolled back", "abort": "is stopped"}
    stage = data.get("evidence", {}).get("stage", data["stage"])
    return f"{data['candidate_version']} {move.get(data['move'], data['move'])} after {stage}: {data['reason']}"


def _decision_outcome(data: Data) -> Outcome:
    return "good" if data["move"] == "promote" else "bad" if data["move"] in {"rollback", "abort"} else ""


def _turn_moved(entry: Entry) -> str:
    told = {
        "rows_ready": "Enough rows since the change: training begins",
        "candidate_ready": "A candidate is trained; the gates judge it",
        "gates_passed": "The candidate passed its gates and meets traffic",
    }
    return told.get(entry.data.get("happening", ""), f"The turn is {entry.data.get('state', 'under way')}")


def _turn_ended(entry: Entry) -> str:
    state = str(entry.data.get("state", "ended")).replace("_", " ")
    outcome = entry.data.get("outcome") or ""
    return f"The turn ended, {state}{': ' if outcome else ''}{outcome}"


def _turn_outcome(data: Data) -> Outcome:
    return "good" if data.get("state") == "promoted" else "bad"


def _id(entry: Entry) -> str:
    return entry.subject.partition(":")[2]


def _committed(entry: Entry) -> str:
    told = {"append": "appended", "overwrite": "written anew"}
    operation = str(entry.data.get("operation", "written"))
    return f"{_id(entry)}: {entry.data.get('rows', 0):,} rows {told.get(operation, operation)}"


def _pipeline(verb: str) -> Callable[[Entry], str]:
    return lambda entry: f"The pipeline {entry.data.get('pipeline', _id(entry))} {verb}"


def _alerted(entry: Entry) -> str:
    return str(entry.data.get("summary") or "A monitor fired")


def _expired(entry: Entry) -> str:
    lost, unread = entry.data["lost"], entry.data["unread"]
    return f"The prediction log was over its budget: {lost:,} records lost, {unread:,} in Delta but not read by all"


def _resolved(entry: Entry) -> str:
    return f"Alert resolved: {_TURN.sub('', str(entry.data.get('resolution', '')))}"


def _turn_started(entry: Entry) -> str:
    return f"A new model is wanted: {entry.data.get('reason', '')}"


STORIES: dict[str, Story] = {
    "rollout.rollout.started": Story(
        "rollout", lambda e: f"{e.data['candidate_version']} begins its rollout: {e.data.get('plan', '')}"
    ),
    "rollout.decision.made": Story("rollout", _decided, _decision_outcome, decision_facts),
    "rollout.rollout.promoted": Story(
        "rollout", lambda e: f"{e.data['candidate_version']} has all the traffic", "good"
    ),
    "rollout.rollout.rolled_back": Story(
        "incident", lambda e: f"{e.data['candidate_version']} rolled back, {e.data['champion_version']} answers", "bad"
    ),
    "rollout.rollout.aborted": Story("incident", lambda e: f"{e.data['candidate_version']} stopped by hand", "bad"),
    "rollout.route.restored": Story(
        "incident", lambda e: f"{e.data['champion_version']} answers again at {_id(e)}, by hand", "bad"
    ),
    "rollout.route.taken": Story("rollout", lambda e: f"The route of {_id(e)} was set by hand"),
    "serving.endpoint.deleted": Story("rollout", lambda e: f"The endpoint {_id(e)} was deleted"),
    "storage.log.crowded": Story("incident", lambda _: "The prediction log runs out of room", "bad"),
    "storage.log.eased": Story("incident", lambda _: "The prediction log has room again", "good"),
    "storage.log.expired": Story("incident", _expired, "bad"),
    "monitoring.alert.raised": Story("drift", _alerted, "bad", alert_facts),
    "monitoring.alert.resolved": Story("drift", _resolved),
    "monitoring.alert.acknowledged": Story("drift", lambda _: "Alert acknowledged"),
    "loop.loop.declared": Story("model", lambda e: f"The loop {_id(e)} was declared"),
    "loop.turn.started": Story("model", _turn_started, facts=turn_facts),
    "loop.turn.moved": Story("model", _turn_moved, facts=turn_facts),
    "loop.turn.ended": Story("model", _turn_ended, _turn_outcome, turn_facts),
    "features.set.applied": Story("data", lambda e: f"The feature set {_id(e).partition('@')[0]} was applied"),
    "data.commit.made": Story("data", _committed),
    "data.tag.set": Story("data", lambda e: f"{_id(e)}: {e.data['tag']} now names version {e.data['number']}"),
    "data.contract.set": Story("data", lambda e: f"{_id(e)} has a new contract"),
    "pipelines.run.resumed": Story("incident", _pipeline("was taken up again after its process had died"), "bad"),
    "pipelines.run.failed": Story("incident", _pipeline("failed"), "bad"),
    "pipelines.run.cancelled": Story("model", _pipeline("was cancelled")),
    "registry.version.registered": Story("model", lambda e: f"{_id(e)} of {e.data.get('model', 'a model')} registered"),
    "registry.version.promoted": Story("model", lambda e: f"{_id(e)} is now {e.data.get('alias', 'champion')}", "good"),
    "registry.version.rolled_back": Story(
        "incident", lambda e: f"{_id(e)} is {e.data.get('alias', 'champion')} again", "bad"
    ),
}
