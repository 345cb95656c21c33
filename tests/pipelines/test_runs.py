"""Runs are queued, found again by key, cancelled, and tell where their data and models came from."""

import contextlib
import socket
import time

import pytest

from tidewheel.base.errors import Conflict, InvalidInput, NotFound
from tidewheel.pipelines import RunState
from tidewheel.pipelines.channel import Channel
from tidewheel.pipelines.executor import ExecutorLost
from tidewheel.pipelines.local_processes import LocalProcesses
from tidewheel.pipelines.runner_pool import RunnerPool
from tidewheel.pipelines.states import ENDED, RUN_MOVES, STEP_MOVES
from tidewheel.storage import acting
from tidewheel.storage.journal import edges, read_entries
from tidewheel.tracking import active_run

SOURCE = """
@tw.pipeline
def nothing(a=1):
    return a

def plain():
    pass
"""


def test_a_second_start_with_the_same_key_is_the_first(platform, project):
    target = f"{project(SOURCE)}:nothing"
    first = platform.pipelines.start(target, key="turn_1")
    assert platform.pipelines.start(target, {"a": 2}, key="turn_1") == first
    assert platform.pipelines.start(target).id != first.id


def test_a_run_is_done_in_the_name_and_because_of_who_started_it(platform, shared_runner, project):
    target = f"{project(SOURCE)}:nothing"
    with acting(actor="loop:surge"):
        run = platform.pipelines.start(target, cause="evt_drift")
    run = platform.pipelines.execute(run.id, shared_runner)
    with platform.metadata.read() as connection:
        entries = read_entries(connection, subject=f"pipeline_run:{run.id}")
        tracked = read_entries(connection, subject=f"run:{run.run_id}")
    queued, *later = entries
    assert (queued.kind, queued.cause) == ("pipelines.run.queued", "evt_drift")
    assert {entry.cause for entry in [*later, *tracked]} == {queued.id}
    assert {entry.actor for entry in [*entries, *tracked]} == {"loop:surge"}


def test_a_waiting_run_is_cancelled_at_once_and_never_runs(platform, project):
    run = platform.pipelines.start(f"{project(SOURCE)}:nothing")
    assert platform.pipelines.cancel(run.id).state is RunState.CANCELLED
    assert platform.pipelines.execute(run.id).starts == 0
    with pytest.raises(Conflict, match="cannot be cancelled: it is cancelled"):
        platform.pipelines.cancel(run.id)


def test_a_run_that_another_process_drives_is_left_alone(platform, project):
    run = platform.pipelines.start(f"{project(SOURCE)}:nothing")
    lease = platform.pipelines._leases.acquire(f"pipelines/{run.id}", 30)
    assert platform.pipelines.execute(run.id) is None
    platform.pipelines._leases.release(lease)
    assert platform.pipelines.run(run.id).state is RunState.QUEUED


def test_runs_are_listed_newest_first(platform, project):
    target = f"{project(SOURCE)}:nothing"
    ids = [platform.pipelines.start(target).id for _ in range(3)]
    assert [run.id for run in platform.pipelines.runs(limit=3)] == ids[::-1]


def test_lineage_leads_from_commit_to_model_version(execute, platform, project):
    file = project("""
        from dataclasses import dataclass
        import numpy as np
        from tidewheel.registry import log_model

        @dataclass
        class Rows:
            commits: tuple
            fingerprint: str

        class Model:
            def predict(self, rows):
                return rows.sum(axis=1)

        @tw.step
        def train(rows):
            return log_model(Model(), "surge", inputs=["a"], trust=True)

        @tw.pipeline
        def fit():
            return train(Rows(("rides@4", "weather@2"), "f" * 64))
    """)
    done = execute(file, "fit")
    version = platform.registry.version(platform.pipelines.version_of(done.id))
    assert version.run_id == done.run_id
    with platform.metadata.read() as connection:
        pairs = {(row.source, row.target) for row in connection.execute(edges.select())}
    run = f"pipeline_run:{done.id}"
    assert {("commit:rides@4", run), ("commit:weather@2", run)} <= pairs
    assert {(run, f"run:{done.run_id}"), (f"run:{done.run_id}", version.node)} <= pairs


def test_what_cannot_be_started_says_why(platform, project, tmp_path):
    with pytest.raises(NotFound, match="no such project file"):
        platform.pipelines.start(f"{tmp_path}/none.py:fit")
    with pytest.raises(InvalidInput, match="names no pipeline"):
        platform.pipelines.start("fit")
    with pytest.raises(NotFound, match="no pipeline run"):
        platform.pipelines.run("prun_none")


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("none", {}, "has no pipeline 'none'"),
        ("plain", {}, "is a function and not a pipeline"),
        ("nothing", {"b": 1}, "unexpected keyword argument 'b'"),
    ],
)
def test_a_run_that_cannot_begin_fails_in_words(execute, project, name, params, message):
    done = execute(project(SOURCE), name, **params)
    assert done.state is RunState.FAILED
    assert message in done.error
    assert active_run() is None  # a thread without a run of its own must not write to one that has ended


@pytest.mark.parametrize("moves", [RUN_MOVES, STEP_MOVES])
def test_every_state_can_be_reached_and_ends_stay_ends(moves):
    first = next(iter(moves))
    reached, seen = [first], {first}
    for state in reached:
        reached += [target for target in moves[state] if target not in seen]
        seen |= moves[state]
    assert seen == set(moves)
    assert {state for state in RUN_MOVES if not RUN_MOVES[state]} == ENDED


def test_params_are_not_nested_without_end(platform, project):
    params = {"a": 1}
    for _ in range(40):
        params = {"a": params}
    with pytest.raises(InvalidInput, match="nested"):
        platform.pipelines.start(f"{project(SOURCE)}:nothing", params)


def test_a_runner_that_keeps_dying_is_started_ever_more_rarely(tmp_path):
    launched = []

    def launch(project):
        launched.append(project)
        ours, theirs = socket.socketpair()
        theirs.close()
        return LocalProcesses(Channel(ours))

    pool = RunnerPool(launch)
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        pool.collect()
        with contextlib.suppress(ExecutorLost):
            pool.drive("prun_1", tmp_path)
    assert 2 <= len(launched) <= 12
    pool.close()
