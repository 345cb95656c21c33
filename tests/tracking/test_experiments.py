"""Experiments are made, found, renamed, described, deleted with their runs, restored and purged."""

from datetime import timedelta

import pytest

from tidewheel.base.clock import SystemClock
from tidewheel.base.errors import Conflict, InvalidInput, NotFound, Taken
from tidewheel.storage.backends.local_blobs import LocalBlobs
from tidewheel.tracking import Artifacts, LoggedModels, Views


def test_the_default_experiment_is_there_from_the_first_look(experiments):
    assert [found.id for found in experiments.search().experiments] == ["0"]
    assert experiments.experiment("0").name == experiments.by_name("Default").name == "Default"


def test_an_experiment_tells_its_location_and_tags(experiments):
    made = experiments.create("trees", "s3://bucket/trees/", {"team": "wood"})
    found = experiments.by_name("trees")
    assert found == made
    assert found.artifact_root("run_1") == "s3://bucket/trees/run_1/artifacts"
    assert experiments.create("flowers").artifact_location == "mlflow-artifacts:/2"


def test_an_experiment_is_renamed_once_the_name_is_free(experiments):
    made = experiments.create("trees")
    assert experiments.rename(made.id, "woods").name == "woods"
    with pytest.raises(Taken):
        experiments.rename(made.id, "Default" if experiments.by_name("Default") else "")
    with pytest.raises(InvalidInput):
        experiments.rename(made.id, " ")


def test_tags_are_set_and_dropped(experiments):
    made = experiments.create("trees", tags={"a": "1"})
    experiments.set_tags(made.id, {"a": "2", "b": "3"})
    experiments.delete_tag(made.id, "b")
    assert experiments.experiment(made.id).tags == {"a": "2"}
    with pytest.raises(NotFound):
        experiments.delete_tag(made.id, "b")


def test_runs_are_deleted_and_restored_with_their_experiment(experiments, tracking):
    run = tracking.start_run("trees")
    experiments.delete(run.experiment_id)
    assert tracking.run(run.id).lifecycle_stage == "deleted"
    with pytest.raises(Conflict):
        tracking.start_run("trees")
    with pytest.raises(Conflict):
        experiments.set_tags(run.experiment_id, {"a": "1"})
    with pytest.raises(NotFound):
        experiments.delete(run.experiment_id)
    experiments.restore(run.experiment_id)
    assert tracking.run(run.id).lifecycle_stage == "active"


def test_experiments_are_searched_by_name_tag_and_time(experiments):
    for name in ("ash", "Beech"):
        experiments.create(name, tags={"kind": name})

    def found(text, **more):
        return [experiment.name for experiment in experiments.search(text, **more).experiments]

    assert found("name LIKE 'b%'") == []
    assert found("name ILIKE 'b%'") == ["Beech"]
    assert found("tags.kind = 'ash'") == ["ash"]
    assert found("creation_time > 0", order_by=["experiment_id"]) == ["Default", "ash", "Beech"]
    page = experiments.search(limit=2, order_by=["experiment_id DESC"])
    assert [e.name for e in page.experiments] == ["Beech", "ash"]
    assert found("", limit=2, order_by=["experiment_id DESC"], page_token=page.next_page_token) == ["Default"]


def test_what_was_deleted_long_ago_is_purged_with_all_that_it_kept(experiments, tracking):
    gone, kept = tracking.start_run("trees"), tracking.start_run("flowers")
    tracking.log_batch(gone.id, params={"depth": "6"}, tags={"a": "b"})
    tracking.log_artifact(gone.id, b"leaf", "leaf.txt")
    experiments.delete(gone.experiment_id)
    assert tracking.purge(timedelta(days=1)).runs == 0
    purged = tracking.purge(timedelta(microseconds=1))
    assert (purged.experiments, purged.runs, purged.artifacts) == (1, 1, 1)
    with pytest.raises(NotFound):
        tracking.run(gone.id)
    assert tracking.run(kept.id).id == kept.id
    assert experiments.create("trees").name == "trees"


def test_the_default_experiment_can_be_renamed_and_another_can_have_its_name(experiments, tracking):
    experiments.rename(experiments.experiment("0").id, "first")
    with pytest.raises(NotFound):
        experiments.by_name("Default")
    made = tracking.start_run().experiment_id
    assert made != "0"
    assert experiments.by_name("Default").id == made
    assert experiments.experiment("0").name == "first"


def test_what_a_purged_experiment_held_is_not_found_in_another_that_gets_its_number(
    experiments, tracking, metadata, tmp_path
):
    models, views = LoggedModels(metadata, SystemClock()), Views(metadata, SystemClock())
    artifacts = Artifacts(metadata, LocalBlobs(tmp_path / "blobs"), SystemClock())
    gone = experiments.create("gone").id
    model = models.create(gone, "tree")
    artifacts.put(f"{gone}/models/{model.id}/artifacts/MLmodel", b"flavors: {}")
    views.save(gone, "mine")
    experiments.delete(gone)
    assert tracking.purge(timedelta(microseconds=1)).artifacts == 1
    fresh = experiments.create("fresh").id
    assert models.search([fresh]).models == ()
    assert not views.views(fresh)
    with pytest.raises(NotFound):
        models.model(model.id)


def test_an_address_that_is_none_hinders_no_purge(experiments, tracking):
    made = experiments.create("odd", "http://[odd")
    tracking.start_run(experiment_id=made.id)
    experiments.delete(made.id)
    assert tracking.purge(timedelta(microseconds=1)).runs == 1
