"""The durable controller of all loops: a declared loop is made true and kept true.

`tick` is called several times a second by whichever controller leads. It holds no state of its own that matters: what
it needs is read from the stores, so that any tick of any process can follow any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import Conflict, InvalidInput, NotFound
from tidewheel.base.ids import new_id
from tidewheel.base.units import parse_duration
from tidewheel.data import Data
from tidewheel.features import Features
from tidewheel.loop import store
from tidewheel.loop.declared_serving import apply_serving
from tidewheel.loop.definition import Loop, Need, Situation, collecting
from tidewheel.loop.patience import LOOKED_BACK, rests_until
from tidewheel.loop.records import LoopRecord, LoopStatus, Turn
from tidewheel.loop.spec import describe
from tidewheel.loop.states import TurnState
from tidewheel.loop.troubles import Troubles
from tidewheel.loop.turn import TurnDriver
from tidewheel.monitoring import Monitoring
from tidewheel.pipelines import Pipelines, load_project
from tidewheel.registry import Registry
from tidewheel.rollout import Rollouts
from tidewheel.serving import Serving
from tidewheel.storage import Metadata


class Loops:
    """Declares loops, turns them, and tells how they stand."""

    def __init__(
        self,
        metadata: Metadata,
        data: Data,
        features: Features,
        registry: Registry,
        pipelines: Pipelines,
        serving: Serving,
        rollouts: Rollouts,
        monitoring: Monitoring,
        clock: Clock,
    ) -> None:
        self._metadata = metadata
        self._data = data
        self._features = features
        self._registry = registry
        self._serving = serving
        self._monitoring = monitoring
        self._clock = clock
        self._driver = TurnDriver(metadata, data, features, registry, pipelines, serving, rollouts, clock)
        self._definitions: dict[str, Loop] = {}
        self._troubles = Troubles()

    def declare(self, project: Path) -> list[LoopRecord]:
        """Import a project file and make what it declares known: feature sets, endpoints, loops.

        Raises:
            InvalidInput: if the file cannot be imported, or two loops claim one name or endpoint.
        """
        with collecting() as declared:
            load_project(project)
        names = [loop.name for loop in declared]
        if len(set(names)) < len(names):
            raise InvalidInput(f"{project.name} declares two loops of one name: {names}.", fix="Rename one of them.")
        self._pause_withdrawn(project, names)
        return [self._declare(loop, project) for loop in declared]

    def tick(self) -> None:
        """Take every loop that is not paused one step further; one that cannot go keeps no other from going."""
        with self._metadata.read() as connection:
            records = store.all_loops(connection)
        for record in records:
            if not self._troubles.may_try(record.name):
                continue
            try:
                self._tick_one(record)
            except Exception as error:  # a project may raise anything
                self._troubles.note(record.name, error)
            else:
                self._troubles.clear(record.name)

    @door("GET", "/loop/loops")
    def ls(self) -> list[LoopStatus]:
        """Every loop and how it stands."""
        with self._metadata.read() as connection:
            records = store.all_loops(connection)
        return [self.show(record.name) for record in records]

    @door("GET", "/loop/loops/{name}")
    def show(self, name: str) -> LoopStatus:
        """One loop: watching, paused, or where its turn stands."""
        with self._metadata.read() as connection:
            record = self._found(store.find_loop(connection, name), name)
            turn = store.active_turn(connection, name)
            count = store.count_turns(connection, name)
        state = turn.state.value if turn else "paused" if record.paused else "watching"
        return LoopStatus(
            name=name,
            endpoint=record.endpoint,
            state=state,
            champion=record.champion,
            trained_at=record.trained_at,
            turn=turn,
            turns=count,
        )

    @door("GET", "/loop/loops/{name}/turns")
    def history(self, name: str, limit: int = 50) -> list[Turn]:
        """The turns of a loop, newest first."""
        with self._metadata.read() as connection:
            self._found(store.find_loop(connection, name), name)
            return store.turns_of(connection, name, limit)

    @door("POST", "/loop/loops/{name}/pause")
    def pause(self, name: str) -> LoopStatus:
        """Begin no more turns, and hold the one under way, until `resume`."""
        return self._set_paused(name, True)

    @door("POST", "/loop/loops/{name}/resume")
    def resume(self, name: str) -> LoopStatus:
        """Let a paused loop go on; its endpoint is made again, if that was deleted meanwhile."""
        status = self._set_paused(name, False)
        self._serving.create_endpoint(status.endpoint)
        return status

    @door("POST", "/loop/loops/{name}/trigger")
    def trigger(self, name: str, reason: str = "asked for by hand") -> Turn:
        """Begin a turn now.

        Raises:
            Conflict: if a turn is under way.
        """
        with self._metadata.read() as connection:
            record = self._found(store.find_loop(connection, name), name)
        return self._begin(record, Need(reason))

    @door("POST", "/loop/loops/{name}/cancel")
    def cancel(self, name: str, reason: str = "cancelled by hand") -> Turn:
        """Stop the turn under way and its training; its alerts are done with. A rollout that it began goes on until it
        is aborted.

        Raises:
            Conflict: if no turn is under way.
        """
        with self._metadata.read() as connection:
            turn = store.active_turn(connection, name)
        if turn is None:
            raise Conflict(f"No turn of the loop {name!r} is under way.")
        return self._driver.cancel(turn, reason)

    def _declare(self, loop: Loop, project: Path) -> LoopRecord:
        self._check_claims(loop)
        if loop.rows.initial and not self._has_rows(loop.rows.name):
            self._data.import_file(loop.rows.name, project.parent / loop.rows.initial)
        self._features.apply(loop.features)
        self._serving.create_endpoint(loop.endpoint)
        with self._metadata.read() as connection:
            known = store.find_loop(connection, loop.name)
        apply_serving(self._serving, loop, known)
        record = LoopRecord(
            name=loop.name,
            endpoint=loop.endpoint,
            target=f"{project.resolve()}:{loop.pipeline.__name__}",
            paused=known.paused if known else False,
            spec=describe(loop),
            champion=known.champion if known else None,
            trained_at=known.trained_at if known else None,
            declared_at=self._clock.now(),
        )
        if known is not None and known.champion and _watching(known.spec) != _watching(record.spec):
            self._monitoring.watch(loop.endpoint, known.champion, loop.monitors, loop.label)
        self._definitions[loop.name] = loop
        if known is None or (known.spec, known.target) != (record.spec, record.target):
            with self._metadata.change() as change:
                store.put_loop(change, record)
                feature_set = f"feature_set:{loop.features.name}@{loop.features.hash[:12]}"
                change.emit("loop.loop.declared", f"loop:{loop.name}", record.spec, inputs=[feature_set])
        return record

    def keeper(self, endpoint: str) -> str | None:
        """Which loop keeps an endpoint, in words; None if none does, or it is paused."""
        with self._metadata.read() as connection:
            keeping = (each for each in store.all_loops(connection) if each.endpoint == endpoint and not each.paused)
            found = next(keeping, None)
        return None if found is None else f"the loop {found.name!r} (take it out of its project, or pause it)"

    def _check_claims(self, loop: Loop) -> None:
        """Two loops on one endpoint would each train against the other's champions, and take away its monitors."""
        with self._metadata.read() as connection:
            others = [each for each in store.all_loops(connection) if each.name != loop.name and not each.paused]
        holder = next((each.name for each in others if each.endpoint == loop.endpoint), None)
        if holder is not None:
            raise InvalidInput(
                f"The endpoint {loop.endpoint!r} of the loop {loop.name!r} is kept by the loop {holder!r} already.",
                fix=f"Name another endpoint, or pause {holder!r}.",
            )

    def _pause_withdrawn(self, project: Path, declared: Sequence[str]) -> None:
        """Pause the loops that a project file declared once and does no longer."""
        with self._metadata.read() as connection:
            known = store.all_loops(connection)
        for record in known:
            mine = record.target.rpartition(":")[0] == str(project.resolve())
            if mine and record.name not in declared and not record.paused:
                self._definitions.pop(record.name, None)
                self._set_paused(record.name, True, "its project no longer declares it")

    def _has_rows(self, dataset: str) -> bool:
        """Whether a dataset was ever written, also if the writer died before it said so."""
        try:
            self._data.resolve(dataset)
        except NotFound:
            return False
        return True

    def _tick_one(self, record: LoopRecord) -> None:
        if record.paused and record.name not in self._definitions:
            return
        loop = self._definition(record)
        self._step(loop, self._follow_champion(loop, record))

    def _definition(self, record: LoopRecord) -> Loop:
        if record.name not in self._definitions:
            self.declare(Path(record.target.rpartition(":")[0]))
        if record.name not in self._definitions:
            raise NotFound(
                f"{record.target.rpartition(':')[0]} no longer declares the loop {record.name!r}.",
                fix="Declare it again, or pause it.",
            )
        return self._definitions[record.name]

    def _step(self, loop: Loop, record: LoopRecord) -> None:
        if record.paused:
            return
        with self._metadata.read() as connection:
            turn = store.active_turn(connection, record.name)
        if turn is not None:
            self._driver.step(loop, self._heed(loop, record, turn), record.target, record.champion)
            return
        with self._metadata.read() as connection:
            turns = store.turns_of(connection, record.name, LOOKED_BACK)
        self._resolve_answered(turns)
        need = self._need(loop, record, turns)
        if need is not None:
            self._begin(record, replace(need, change_at=need.change_at or self._last_change(loop, turns)))

    def _heed(self, loop: Loop, record: LoopRecord, turn: Turn) -> Turn:
        """A turn that still gathers rows takes up alerts raised meanwhile: they know where its rows must begin."""
        if turn.state is not TurnState.GATHERING or record.champion is None or record.trained_at is None:
            return turn
        now, alerts = self._clock.now(), self._monitoring.open_alerts(loop.endpoint, record.champion)
        need = loop.need(Situation(now, record.trained_at, now, alerts))
        if need is None or set(need.alerts) <= set(turn.alerts):
            return turn
        change_at = need.change_at or turn.change_at
        heeding = replace(turn, reason=need.reason, alerts=need.alerts, change_at=change_at, updated_at=now)
        return self._driver.note(heeding, {"happening": "alerted", "reason": need.reason, "change_at": change_at})

    def _resolve_answered(self, turns: Sequence[Turn]) -> None:
        """Resolve the alerts that a turn has dealt with. One that failed has not: its alerts call for another try."""
        if turns and turns[0].alerts and turns[0].state is not TurnState.FAILED:
            self._monitoring.resolve(turns[0].alerts, f"turn {turns[0].id} ended: {turns[0].state}")

    def _last_change(self, loop: Loop, turns: Sequence[Turn]) -> datetime | None:
        """The change that the champion was trained after, if the window reaches back beyond it: older rows tell of
        another world."""
        promoted = (turn.change_at for turn in turns if turn.state is TurnState.PROMOTED)
        oldest = self._clock.now() - parse_duration(loop.window)
        return max((change for change in promoted if change is not None and change > oldest), default=None)

    def _need(self, loop: Loop, record: LoopRecord, turns: Sequence[Turn]) -> Need | None:
        now, rest = self._clock.now(), rests_until(turns)
        if rest is not None and now < rest:
            return None
        if record.champion is None or record.trained_at is None:
            return Need("the endpoint has no champion yet")
        alerts = self._monitoring.open_alerts(loop.endpoint, record.champion)
        tried_at = max([record.trained_at, *(turn.started_at for turn in turns[:1])])
        return loop.need(Situation(now, record.trained_at, tried_at, alerts))

    def _begin(self, record: LoopRecord, need: Need) -> Turn:
        now = self._clock.now()
        turn = Turn(
            id=new_id("turn"),
            loop=record.name,
            state=TurnState.GATHERING,
            reason=need.reason,
            alerts=need.alerts,
            cause=None,
            change_at=need.change_at,
            started_at=now,
            updated_at=now,
            champion=record.champion,
        )
        with self._metadata.change(actor=f"loop:{record.name}") as change:
            if store.active_turn(change.connection, record.name) is not None:
                raise Conflict(f"A turn of the loop {record.name!r} is under way.", fix="Wait for it, or cancel it.")
            facts = {"loop": record.name, "reason": need.reason, "change_at": need.change_at, "state": turn.state.value}
            sources = [f"loop:{record.name}", *(f"alert:{alert}" for alert in need.alerts)]
            turn = replace(turn, cause=change.emit("loop.turn.started", f"turn:{turn.id}", facts, inputs=sources))
            store.insert_turn(change, turn)
        return turn

    def _follow_champion(self, loop: Loop, record: LoopRecord) -> LoopRecord:
        """Defend whichever version is the endpoint's champion now, whoever put it there."""
        try:
            champion = self._serving.champion(loop.endpoint)
        except NotFound:  # it was deleted while the loop was paused
            return record
        if champion is None or champion == record.champion:
            return record
        version = self._registry.version(champion)
        trained_at = version.created_at
        self._monitoring.watch(loop.endpoint, champion, loop.monitors, loop.label)
        with self._metadata.change(actor=f"loop:{loop.name}") as change:
            store.set_champion(change, loop.name, champion, trained_at)
            facts = {"champion": champion, "before": record.champion}
            change.emit("loop.champion.followed", f"loop:{loop.name}", facts, inputs=[f"version:{champion}"])
        return replace(record, champion=champion, trained_at=trained_at)

    def _set_paused(self, name: str, paused: bool, reason: str = "asked for by hand") -> LoopStatus:
        with self._metadata.change() as change:
            self._found(store.find_loop(change.connection, name), name)
            store.set_paused(change, name, paused)
            change.emit(f"loop.loop.{'paused' if paused else 'resumed'}", f"loop:{name}", {"reason": reason})
        return self.show(name)

    @staticmethod
    def _found(record: LoopRecord | None, name: str) -> LoopRecord:
        if record is None:
            raise NotFound(f"There is no loop {name!r}.", fix="`tidewheel loop ls` lists them.")
        return record


def _watching(spec: dict[str, Any]) -> tuple[Any, Any]:
    """The part of a declaration that decides what is watched."""
    return spec.get("monitors"), spec.get("label")
