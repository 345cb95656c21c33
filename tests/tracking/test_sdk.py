"""`with tw.start_run()`: the active run, its children, and how it ends."""

import pytest

from tidewheel import tracking as tw
from tidewheel.base.errors import InvalidInput, Unavailable


def test_calls_are_written_to_the_active_run(tracking, tmp_path):
    (tmp_path / "note.txt").write_text("n")
    with tw.start_run("surge", "first", tags={"n": 1}, inputs=["commit:rides@4"]) as run:
        tw.log_param("depth", 7)
        tw.log_params({"rate": 0.1})
        tw.log_metric("auc", 0.8, step=2)
        tw.log_metrics({"loss": 0.4})
        tw.set_tag("a", True)
        tw.set_tags({"b": None})
        tw.log_artifact(str(tmp_path / "note.txt"))
        assert tw.active_run().id == run.id
    found = tracking.run(run.id)
    assert (found.status, found.experiment, found.inputs) == ("FINISHED", "surge", ("commit:rides@4",))
    assert found.params == {"depth": "7", "rate": "0.1"}
    assert found.metrics == {"auc": 0.8, "loss": 0.4}
    assert found.tags.items() >= {"a": "True", "b": "None", "n": "1"}.items()
    assert tracking.artifacts(run.id)[0].path == "note.txt"
    assert tw.active_run() is None


def test_a_run_within_a_run_is_its_child_in_the_same_experiment(tracking):
    with tw.start_run("surge") as parent:
        with tw.start_run() as child:
            tw.log_metric("auc", 1.0)
        assert tw.active_run().id == parent.id
    found = tracking.run(child.id)
    assert (found.tags["mlflow.parentRunId"], found.experiment) == (parent.id, "surge")
    assert tracking.run(parent.id).metrics == {}


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_run_that_is_cut_short_says_so(tracking, error, status):
    with pytest.raises(error), tw.start_run() as run:
        raise error
    assert tracking.run(run.id).status == status


def test_a_run_can_be_written_on_later(tracking):
    with tw.start_run() as first:
        tw.log_metric("auc", 0.5)
    with tw.start_run(run_id=first.id):
        assert tracking.run(first.id).status == "RUNNING"
        tw.log_metric("auc", 0.6, step=1)
    assert tracking.run(first.id).metrics == {"auc": 0.6}


def test_a_run_can_be_ended_by_hand(tracking):
    run = tw.start_run()
    tw.log_metric("auc", 0.5)
    assert run.end().status == "FINISHED"
    assert tw.active_run() is None


def test_without_a_run_or_a_platform_the_error_says_what_to_do(tracking):
    with pytest.raises(InvalidInput, match=r"with tw\.start_run"):
        tw.log_metric("auc", 1.0)


def test_without_a_platform_the_error_says_what_to_do():
    with pytest.raises(Unavailable, match="No platform is open"):
        tw.start_run()


@pytest.mark.parametrize("path", ["%2e%2e/a", "C:/a", "a\n"])
def test_a_path_that_the_server_would_refuse_is_refused_where_it_is_given(tracking, path):
    with tw.start_run() as run, pytest.raises(InvalidInput, match="not an artifact path"):
        tw.log_artifact(b"x", path)
    assert all(artifact.path.startswith("reproducibility/") for artifact in tracking.artifacts(run.id))
