"""`kill -9` of each kind of process of an install, in the middle of a canary, under traffic."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.crash.install import ENDPOINT, LANES, Install, Orders, installed, processes_of, until

from tidewheel.app import Platform, open_platform
from tidewheel.demo.template_files import write_project
from tidewheel.rollout import Canary, Goal, Rollout
from tidewheel.storage import open_backend
from tidewheel.storage.journal import verify_chain
from tidewheel.storage.predictions import Prediction

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(300)]
ENOUGH = 400  # labels of the candidate that end the first stage
STAGE = "canary 25 %"


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    write_project(tmp_path / "shop")
    with installed(tmp_path / "home", tmp_path / "shop" / "project.py") as install:
        yield install


def test_killing_each_process_in_a_canary_loses_nothing_and_the_rollout_goes_on(install: Install) -> None:
    with open_platform(install.home) as platform:
        asyncio.run(kill_them_all(install, platform))


async def kill_them_all(install: Install, platform: Platform) -> None:
    rollout = await begin_canary(install, platform)
    orders = Orders()
    try:
        await kill_in_turn(install, platform, orders, rollout)
    finally:
        await orders.stop()


async def kill_in_turn(install: Install, platform: Platform, orders: Orders, rollout: Rollout) -> None:
    """A controller, a server, a worker, and then the supervisor, which is started again."""
    orders.start(install.addresses["inference"])
    for kind in ("controller", "server"):
        killed = await orders.more(150, lambda kind=kind: install.kill(kind))
        assert orders.failed == 0, f"killing the {kind} failed a request: {orders.connections.tally.first_failure}"
        await until(lambda kind=kind, killed=killed: install.pids(kind) not in ([], [killed]))
        await check_kept(platform, orders, rollout)

    killed = await orders.more(150, lambda: install.kill("worker"))
    assert orders.failed <= 2 * LANES  # in flight on its connections, and begun before their end was seen
    await until(lambda: killed not in install.pids("worker") and len(install.pids("worker")) == 2)
    await check_kept(platform, orders, rollout)

    await orders.more(60, install.kill_supervisor)  # some of these find nobody
    await until(lambda: not processes_of(install.home), within_s=15, saying=lambda: str(processes_of(install.home)))
    await orders.stop()
    await check_kept(platform, orders, rollout, running=False)

    install.up()
    orders.start(install.addresses["inference"])
    await orders.more(60)
    await check_kept(platform, orders, rollout)
    while platform.rollout.get(rollout.id).stage == rollout.stage:
        await orders.more(60)
    assert orders.failed == 0
    decisions = [(each.stage_name, str(each.move)) for each in platform.rollout.decisions(rollout.id)]
    assert decisions[0] == (STAGE, "advance")
    assert max(Counter(decisions).values()) == 1, "a decision was made twice"


async def begin_canary(install: Install, platform: Platform) -> Rollout:
    """Wait for the first champion, train another version, and give it a quarter of the traffic."""

    def serves(share: int) -> bool:
        if ENDPOINT not in {each.name for each in platform.serving.endpoints()}:
            return False
        route = platform.serving.route(ENDPOINT)
        return len(route.weights) == share and platform.serving.applied(route.generation)

    await until(lambda: serves(1), within_s=60)
    champion = platform.serving.champion(ENDPOINT)
    run = platform.pipelines.start(f"{install.project}:fit_delivery", {"window": "12d"})
    await until(lambda: platform.pipelines.run(run.id).ended_at, within_s=60)
    candidate = platform.pipelines.version_of(run.id)
    plan = Canary(
        shadow=None, steps=(25, 50, 100), goal=Goal("late", maximise=False), min_per_stage=ENOUGH, max_stage="30d"
    )
    rollout = platform.rollout.start(ENDPOINT, champion, candidate, plan)
    await until(lambda: serves(2) and platform.rollout.get(rollout.id).stages[0].effective_at)  # what counts, from now
    return rollout


async def check_kept(platform: Platform, orders: Orders, rollout: Rollout, *, running: bool = True) -> None:
    """Whatever was acknowledged is there, and the rollout stands where it stood, its evidence counted once."""
    answered, labelled = dict(orders.answered), set(orders.labelled)
    logged, labels = whole_log(platform)
    assert answered.keys() - logged.keys() == set(), "predictions are lost"
    numbers = {each.id: str(each.number) for each in platform.registry.versions("delivery")}
    assert {key for key, number in answered.items() if numbers[logged[key].version] != number} == set()
    assert labelled - labels.keys() == set(), "labels are lost"
    assert max(labels.values(), default=1) == 1
    with platform.metadata.read() as connection:
        count, broken = verify_chain(connection)
    assert broken is None
    assert count > 0
    now = platform.rollout.get(rollout.id)
    assert (now.state, now.stage) == (rollout.state, rollout.stage)
    assert platform.rollout.decisions(rollout.id) == []
    assert platform.pipelines.runs()[0].starts == 1
    if running:  # what the controller has counted catches up with what the client knows, and is never above the log
        wanted = sum(logged[key].version == rollout.candidate_version for key in labelled)
        await until(lambda: counted(platform, rollout) >= wanted)
        logged, labels = whole_log(platform)
        assert counted(platform, rollout) <= sum(
            logged[key].version == rollout.candidate_version for key in labels if key in logged
        )


def counted(platform: Platform, rollout: Rollout) -> int:
    """Labelled predictions of the candidate in the rollout's evidence."""
    arms = platform.rollout.outlook(rollout.id).evidence["arms"]
    return int(arms["candidate"]["labelled"])


def whole_log(platform: Platform) -> tuple[dict[str, Prediction], Counter[str]]:
    """All live predictions by id, and how often each was labelled, wherever they lie by now."""
    predictions: dict[str, Prediction] = {}
    labels: Counter[str] = Counter()
    cursor = None
    while True:
        batch = platform.predictions.read(cursor)
        predictions |= {each.id: each for each in batch.predictions if each.arm == "live"}
        labels.update(label.id for label in batch.labels)
        cursor = batch.cursor
        if not batch.more:
            break
    # After the segments: what was compacted meanwhile is then in one of the two, and may be in both.
    compacted = ids_of(platform, "tidewheel_predictions")
    predictions = platform.predictions.find(compacted) | predictions
    return predictions, labels | Counter(ids_of(platform, "tidewheel_labels"))


def ids_of(platform: Platform, table: str) -> list[str]:
    """The ids in one of the log's tables; none before the first compaction."""
    tables = open_backend("tables", f"file://{platform.home / 'tables'}")
    ids: list[str] = tables.read(table, columns=["id"])["id"].to_pylist() if table in tables.names() else []
    return ids
