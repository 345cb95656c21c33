"""The durable controller of all loops: a declared loop is made true and kept true.

`tick` is called several times a second by whichever controller leads. It holds no state of its own that matters: what
it needs is read from the stores, so that any tick of any process can follow any other.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import Conflict, NotFound
from tidewheel.base.ids import new_id
from tidewheel.data import Data
from tidewheel.features import Features
from tidewheel.loop import store
from tidewheel.loop.definition import Loop, Need, Situation, collecting
from tidewheel.loop.patience import LOOKED_BACK, rests_until
from tidewheel.loop.records import LoopRecord, LoopStatus, Turn
from tidewheel.loop.spec import describe
from tidewheel.loop.states import TurnState
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

    def declare(self, project: Path) -> list[LoopRecord]:
        """Import a project file and make what it declares known: feature sets, endpoints, loops.

        Raises:
            InvalidInput: if the file cannot be imported or declares no loop.
        """
        with collecting() as declared:
            load_project(project)
        return [self._declare(loop, project) for loop in declared]

    def tick(self) -> None:
        """Take every loop that is not paused one step further."""
        with self._metadata.read() as connection:
            records = store.all_loops(connection)
        for record in records:
            loop = self._definition(record)
            self._step(loop, self._follow_champion(loop, record))

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
        """Let a paused loop go on."""
        return self._set_paused(name, False)

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
        """Stop the turn under way; a rollout that it began is left to `rollback`.

        Raises:
            Conflict: if no turn is under way.
        """
        with self._metadata.read() as connection:
            turn = store.active_turn(connection, name)
        if turn is None:
            raise Conflict(f"No turn of the loop {name!r} is under way.")
        return self._driver.cancel(turn, reason)

    def _declare(self, loop: Loop, project: Path) -> LoopRecord:
        if loop.rows.initial and loop.rows.name not in {each.name for each in self._data.ls()}:
            self._data.import_file(loop.rows.name, project.parent / loop.rows.initial)
        self._features.apply(loop.features)
        self._serving.create_endpoint(loop.endpoint)
        with self._metadata.read() as connection:
            known = store.find_loop(connection, loop.name)
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
        self._definitions[loop.name] = loop
        if known is None or (known.spec, known.target) != (record.spec, record.target):
            with self._metadata.change() as change:
                store.put_loop(change, record)
                feature_set = f"feature_set:{loop.features.name}@{loop.features.hash[:12]}"
                change.emit("loop.loop.declared", f"loop:{loop.name}", record.spec, inputs=[feature_set])
        return record

    def _definition(self, record: LoopRecord) -> Loop:
        if record.name not in self._definitions:
            self.declare(Path(record.target.rpartition(":")[0]))
        return self._definitions[record.name]

    def _step(self, loop: Loop, record: LoopRecord) -> None:
        if record.paused:
            return
        with self._metadata.read() as connection:
            turn = store.active_turn(connection, record.name)
        if turn is not None:
            moved = self._driver.step(loop, turn, record.target)
            if moved.ended_at is not None:
                self._monitoring.resolve(list(moved.alerts), f"turn {moved.id} ended: {moved.state}")
            return
        need = self._need(loop, record)
        if need is not None:
            self._begin(record, need)

    def _need(self, loop: Loop, record: LoopRecord) -> Need | None:
        now = self._clock.now()
        with self._metadata.read() as connection:
            turns = store.turns_of(connection, record.name, LOOKED_BACK)
        rest = rests_until(turns)
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
        """Defend whichever version holds the endpoint's champion alias now, whoever put it there."""
        champion = self._serving.champion(loop.endpoint)
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

    def _set_paused(self, name: str, paused: bool) -> LoopStatus:
        with self._metadata.change() as change:
            self._found(store.find_loop(change.connection, name), name)
            store.set_paused(change, name, paused)
            change.emit(f"loop.loop.{'paused' if paused else 'resumed'}", f"loop:{name}")
        return self.show(name)

    @staticmethod
    def _found(record: LoopRecord | None, name: str) -> LoopRecord:
        if record is None:
            raise NotFound(f"There is no loop {name!r}.", fix="`tidewheel loop ls` lists them.")
        return record
