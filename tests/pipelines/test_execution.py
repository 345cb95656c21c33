"""A pipeline's body runs as ordinary Python, its steps in processes, with results handed from step to step."""

import os

import pytest

from tidewheel.base.errors import Conflict, InvalidInput
from tidewheel.pipelines import RunState, StepState


def test_results_travel_from_step_to_step_and_out(execute, platform, project):
    file = project("""
        @tw.step
        def load(n):
            return list(range(n))

        @tw.step
        def total(numbers, extra=0):
            return {"sum": sum(numbers) + extra, "pid": os.getpid()}

        @tw.pipeline
        def count(n=4):
            first = total(load(n))
            second = total([1, load(n).result()[2]], extra=load(2).result()[1])
            return [first, second]
    """)
    done = execute(file, "count", n=5)
    assert done.error is None
    first, second = done.result
    assert (first["sum"], second["sum"]) == (10, 4)
    assert os.getpid() not in (first["pid"], second["pid"])
    assert first["pid"] != second["pid"]
    steps = platform.pipelines.steps(done.id)
    assert sorted(step.key for step in steps) == ["load#1", "load#2", "load#3", "total#1", "total#2"]
    assert all(step.state is StepState.SUCCEEDED and step.cpu_s > 0 and step.wall_s >= 0 for step in steps)


def test_outside_a_run_steps_and_pipelines_are_functions(project):
    from tidewheel.pipelines import load_project

    module = load_project(
        project("""
        @tw.step(cache=True)
        def double(x):
            return 2 * x

        @tw.pipeline
        def both(x):
            return double(x) + double(x)
    """)
    )
    assert module.both(3) == 12
    assert module.double.__name__ == "double"


def test_a_result_may_be_anything_that_pickles(execute, platform, project):
    file = project("""
        class Thing:
            def __init__(self, size):
                self.size = size

        @tw.step
        def make():
            return Thing(3)

        @tw.step
        def grow(thing):
            return Thing(thing.size + 1)

        @tw.pipeline
        def things():
            return grow(make())
    """)
    done = execute(file, "things")
    assert done.state is RunState.SUCCEEDED
    assert (done.result, platform.pipelines.result(done.id).size) == (None, 4)
    with pytest.raises(InvalidInput, match="not a model version"):
        platform.pipelines.version_of(done.id)


def test_steps_that_do_not_need_each_other_run_at_once(execute, project):
    file = project("""
        @tw.step
        def meet(name, other):
            (HERE / name).write_text("here")
            deadline = time.monotonic() + 20
            while not (HERE / other).exists():
                assert time.monotonic() < deadline, "the other never came"
                time.sleep(0.01)
            return name

        @tw.pipeline
        def rendezvous():
            return [meet("a", "b"), meet("b", "a")]
    """)
    assert execute(file, "rendezvous").result == ["a", "b"]


def test_steps_write_to_the_tracking_run_of_the_pipeline(execute, platform, project):
    file = project("""
        @tw.step
        def train(rate):
            log_param("depth", 7)
            log_metric("auc", 0.8 + rate)

        @tw.pipeline
        def fit(rate=0.1):
            train(rate)
            log_metric("bodies", 1)
    """)
    done = execute(file, "fit", rate=0.05)
    found = platform.tracking.run(done.run_id)
    assert (found.experiment, found.status) == ("fit", "FINISHED")
    assert found.params == {"depth": "7", "rate": "0.05"}
    assert found.metrics == {"auc": pytest.approx(0.85), "bodies": 1.0}


def test_a_failure_names_the_projects_line_and_keeps_the_traceback(execute, platform, project, marks):
    file = project("""
        def helper(x):
            raise ValueError(f"bad rate {x}")

        @tw.step
        def train(x):
            return helper(x)

        @tw.step
        def use(model):
            mark("used")

        @tw.pipeline
        def fit():
            return use(train(-1))
    """)
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "raise ValueError" in text)
    done = execute(file, "fit")
    assert done.state is RunState.FAILED
    assert f"ValueError: bad rate -1 [project.py:{line}, in helper]" in done.error
    assert "Step train#1 failed" in done.error
    assert "in helper" in platform.pipelines.steps(done.id)[0].trace
    assert platform.tracking.run(done.run_id).status == "FAILED"
    assert marks() == []
    with pytest.raises(Conflict, match="failed"):
        platform.pipelines.result(done.id)


def test_a_body_may_handle_a_failed_step(execute, project):
    file = project("""
        @tw.step
        def risky():
            raise RuntimeError("no")

        @tw.pipeline
        def careful():
            try:
                return risky().result()
            except tw.StepFailed:
                return "instead"
    """)
    assert execute(file, "careful").result == "instead"


def test_a_failed_step_nobody_looked_at_fails_the_run(execute, project):
    file = project("""
        @tw.step
        def risky():
            raise RuntimeError("no")

        @tw.pipeline
        def careless():
            risky()
            return 1
    """)
    assert execute(file, "careless").state is RunState.FAILED


def test_a_step_is_tried_again_as_often_as_it_says(execute, platform, project, marks):
    file = project("""
        @tw.step(retries=2)
        def flaky():
            mark("tried")
            if len((HERE / "marks").read_text().split()) < 3:
                raise OSError("not yet")
            return "at last"

        @tw.pipeline
        def fit():
            return flaky()
    """)
    done = execute(file, "fit")
    assert done.result == "at last"
    attempts = [(step.attempt, str(step.state)) for step in platform.pipelines.steps(done.id)]
    assert attempts == [(1, "failed"), (2, "failed"), (3, "succeeded")]


def test_a_step_over_its_timeout_is_stopped(execute, project):
    file = project("""
        @tw.step(timeout="300ms")
        def slow():
            time.sleep(60)

        @tw.pipeline
        def fit():
            return slow()
    """)
    done = execute(file, "fit")
    assert "longer than its timeout of 0.3 s" in done.error


def test_what_cannot_travel_is_refused_in_words(execute, project):
    file = project("""
        @tw.step
        def generate():
            return (x for x in range(3))

        @tw.pipeline
        def fit():
            return generate()
    """)
    assert "returned is a generator, which cannot travel" in execute(file, "fit").error


def test_a_run_reads_data_as_of_its_start(execute, project):
    file = project("""
        from tidewheel.base.clock import pinned_as_of

        @tw.step
        def when():
            return pinned_as_of().isoformat()

        @tw.pipeline
        def ask():
            return [when(), pinned_as_of().isoformat()]
    """)
    done = execute(file, "ask")
    assert done.result == [done.as_of.isoformat()] * 2


def test_steps_do_not_spin_where_openmp_waits(execute, project):
    file = project("""
        @tw.step
        def policy():
            return os.environ["OMP_WAIT_POLICY"]

        @tw.pipeline
        def ask():
            return policy()
    """)
    assert execute(file, "ask").result == "passive"
