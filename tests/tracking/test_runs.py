"""Runs are begun in experiments, described, ended, put aside and compared."""

import pytest

from tidewheel.base.errors import Conflict, InvalidInput, NotFound, Taken, TooLarge
from tidewheel.storage import acting
from tidewheel.storage.journal import edges, read_entries
from tidewheel.tracking import MetricPoint


def kinds(metadata):
    with metadata.read() as connection:
        return [entry.kind for entry in read_entries(connection)]


def test_the_default_experiment_has_number_zero_and_others_count_on(tracking, experiments):
    assert tracking.start_run().experiment_id == "0"
    assert tracking.start_run("surge").experiment_id == "1"
    assert experiments.create("eta").id == "2"
    assert tracking.start_run("surge").experiment_id == "1"


def test_an_experiment_is_made_once(experiments):
    experiments.create("eta")
    with pytest.raises(Taken, match="already"):
        experiments.create("eta")


def test_a_run_tells_what_was_written(tracking):
    with acting(actor="ada"):
        run = tracking.start_run("surge", "first", {"why": "drift"}, ["commit:rides@4"])
    tracking.log_params(run.id, {"depth": "7", "rate": "0.1"})
    tracking.log_metrics(run.id, [MetricPoint("auc", 0.7), MetricPoint("auc", 0.8, 1)])
    tracking.set_tags(run.id, {"why": "age", "who": "loop"})
    tracking.end_run(run.id)
    found = tracking.run(run.id)
    assert (found.name, found.user, found.experiment, found.status) == ("first", "ada", "surge", "FINISHED")
    assert found.params == {"depth": "7", "rate": "0.1"}
    assert found.metrics == {"auc": 0.8}
    assert found.tags == {"who": "loop", "why": "age"}
    assert found.inputs == ("commit:rides@4",)
    assert found.ended_at is not None
    assert found.ended_at >= found.started_at


def test_a_change_of_a_run_can_be_answered_without_what_it_wrote(tracking, metadata):
    run = tracking.start_run(tags={"why": "drift"})
    tracking.log_params(run.id, {"depth": "7"})
    changed = tracking.change_run(run.id, "FAILED", name="second")
    assert (changed.status, changed.name, changed.params, changed.tags) == ("FAILED", "second", {}, {})
    assert tracking.run(run.id).tags == {"why": "drift"}
    assert kinds(metadata)[-1] == "tracking.run.ended"
    with pytest.raises(NotFound, match="not found"):
        tracking.change_run("run_nowhere", "FAILED")


def test_a_run_builds_on_its_inputs_in_lineage(tracking, metadata):
    run = tracking.start_run(inputs=["commit:rides@4", "pipeline_run:p1"])
    with metadata.read() as connection:
        rows = connection.execute(edges.select()).all()
    assert {(row.source, row.target) for row in rows} == {("commit:rides@4", run.node), ("pipeline_run:p1", run.node)}


def test_changes_are_in_the_journal_and_measurements_are_not(tracking, metadata):
    run = tracking.start_run()
    tracking.log_metrics(run.id, [MetricPoint("loss", 1.0)])
    tracking.log_params(run.id, {"a": "1"})
    tracking.end_run(run.id, "FAILED")
    tracking.resume_run(run.id)
    tracking.delete_run(run.id)
    expected = ["experiment.created", "run.started", "run.described", "run.ended", "run.resumed", "run.deleted"]
    assert kinds(metadata) == [f"tracking.{kind}" for kind in expected]


def test_a_param_is_written_once(tracking):
    run = tracking.start_run()
    tracking.log_params(run.id, {"depth": "7"})
    tracking.log_params(run.id, {"depth": "7", "rate": "1"})
    with pytest.raises(Conflict, match=r"'depth'.*cannot become '8'"):
        tracking.log_params(run.id, {"leaf": "3", "depth": "8"})
    assert tracking.run(run.id).params == {"depth": "7", "rate": "1"}


def test_a_batch_is_written_whole_or_not_at_all(tracking):
    run = tracking.start_run()
    tracking.log_params(run.id, {"depth": "7"})
    with pytest.raises(Conflict):
        tracking.log_batch(run.id, metrics=[MetricPoint("auc", 1.0)], params={"depth": 8}, tags={"a": "b"})
    found = tracking.run(run.id)
    assert (found.metrics, found.tags) == ({}, {})


def test_a_deleted_run_takes_nothing_until_restored(tracking):
    run = tracking.start_run()
    tracking.delete_run(run.id)
    with pytest.raises(Conflict, match="deleted"):
        tracking.log_metrics(run.id, [MetricPoint("auc", 1.0)])
    assert tracking.runs() == []
    assert [r.id for r in tracking.runs(stage="deleted")] == [run.id]
    tracking.restore_run(run.id)
    tracking.log_metrics(run.id, [MetricPoint("auc", 1.0)])
    assert tracking.runs()[0].metrics == {"auc": 1.0}


def test_runs_are_listed_newest_first_by_experiment(tracking):
    ids = [tracking.start_run("a").id for _ in range(3)]
    other = tracking.start_run("b").id
    assert [run.id for run in tracking.runs("a")] == ids[::-1]
    assert [run.id for run in tracking.runs(limit=2)] == [other, ids[2]]


def test_what_is_not_there_is_not_found(tracking):
    with pytest.raises(NotFound, match="run_none"):
        tracking.run("run_none")
    with pytest.raises(NotFound, match="run_none"):
        tracking.log_metrics("run_none", [MetricPoint("auc", 1.0)])
    with pytest.raises(NotFound, match="experiment"):
        tracking.runs("nothing")


@pytest.mark.parametrize("key", ["", "/a", "a/../b", "a\n", "x" * 251, "ä@"])
def test_a_key_that_could_not_be_addressed_is_refused(tracking, key):
    run = tracking.start_run()
    with pytest.raises(InvalidInput, match="cannot name a metric"):
        tracking.log_metrics(run.id, [MetricPoint(key, 1.0)])
    with pytest.raises(InvalidInput, match="cannot name a param"):
        tracking.log_params(run.id, {key: "1"})


def test_a_text_over_the_limit_is_refused(tracking):
    run = tracking.start_run()
    with pytest.raises(TooLarge, match="6000"):
        tracking.log_params(run.id, {"a": "x" * 6001})


def test_a_value_that_is_no_number_is_refused(tracking):
    run = tracking.start_run()
    with pytest.raises(InvalidInput, match="not made of numbers"):
        tracking.log_metrics(run.id, [MetricPoint("a", "high")])


def test_a_comparison_shows_what_differs_and_all_metrics(tracking):
    first, second = tracking.start_run(), tracking.start_run()
    tracking.log_batch(first.id, metrics=[MetricPoint("auc", 0.7)], params={"depth": 7, "rate": 1})
    tracking.log_batch(second.id, metrics=[MetricPoint("loss", 0.2)], params={"depth": 8, "rate": 1})
    found = tracking.compare([first.id, second.id])
    assert found.params == {"depth": ("7", "8")}
    assert found.metrics == {"auc": (0.7, None), "loss": (None, 0.2)}
    with pytest.raises(NotFound):
        tracking.compare([first.id, "run_none"])


@pytest.mark.parametrize("name", ["x" * 251, "a\x1b]0;title\x07", "a\ud800"])
def test_a_run_is_not_called_what_no_terminal_or_table_can_show(tracking, name):
    with pytest.raises(InvalidInput, match="cannot name a run"):
        tracking.start_run(name=name)


def test_a_run_builds_on_a_bounded_number_of_inputs_and_has_a_bounded_number_of_tags(tracking):
    with pytest.raises(TooLarge):
        tracking.start_run(inputs=["commit:rides@4"] * 1001)
    with pytest.raises(TooLarge):
        tracking.start_run(tags={f"tag{number}": "" for number in range(10_001)})
