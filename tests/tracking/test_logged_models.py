"""Logged models are made, measured, found and put aside as in MLflow."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from tidewheel.base.clock import SystemClock
from tidewheel.base.errors import Conflict, InvalidInput, NotFound, Taken
from tidewheel.storage import journal
from tidewheel.storage.backends.local_blobs import LocalBlobs
from tidewheel.tracking import Experiments, LoggedModels, ModelMetric, Tracking, logged_model_store
from tidewheel.tracking.logged_model_records import DatasetRef, ModelOrder, RunModel

T0 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def models(metadata):
    return LoggedModels(metadata, SystemClock())


@pytest.fixture
def run(metadata, tmp_path):
    return Tracking(metadata, LocalBlobs(tmp_path / "blobs"), SystemClock()).start_run()


def measured(key, value, *, minute=0, step=0, run_id="r", dataset=None, digest=None):
    at = T0 + timedelta(minutes=minute)
    return ModelMetric(
        key=key, value=value, step=step, at=at, run_id=run_id, dataset_name=dataset, dataset_digest=digest
    )


def names(page):
    return [model.name for model in page.models]


def test_a_model_is_pending_until_it_is_finalized(models, run):
    made = models.create("0", "net", run.id, {"depth": "3"}, {"team": "a"}, "tree")
    assert (made.status, made.artifact_location) == ("PENDING", f"mlflow-artifacts:/0/models/{made.id}/artifacts")
    assert models.model(made.id) == made
    assert models.finalize(made.id, "READY").status == "READY"
    assert made.id.startswith("m-")
    assert len(made.id) == 34


def test_an_id_of_the_callers_choice_is_taken_once(models):
    models.create("0", "net", model_id="m-abc")
    with pytest.raises(Taken):
        models.create("0", "net", model_id="m-abc")
    with pytest.raises(InvalidInput):
        models.create("0", "net", model_id="../up")


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a.b", "100%", "'", '"'])
def test_a_name_that_would_break_an_address_is_refused(models, name):
    with pytest.raises(InvalidInput, match="Invalid model name"):
        models.create("0", name)


def test_a_model_needs_an_active_experiment(models, metadata):
    with pytest.raises(NotFound, match="No Experiment with id=77 exists"):
        models.create("77", "net")
    home = Experiments(metadata, SystemClock()).create("shelf", "mlflow-artifacts:/shelf")
    made = models.create(home.id)
    assert made.artifact_location == f"mlflow-artifacts:/shelf/models/{made.id}/artifacts"


def test_params_are_written_once_and_tags_may_change(models):
    made = models.create("0", "net", params={"depth": "3"}, tags={"team": "a"})
    models.log_params(made.id, {"depth": "3", "width": "5"})
    with pytest.raises(Conflict, match="'depth'"):
        models.log_params(made.id, {"depth": "4"})
    models.set_tags(made.id, {"team": "b", "new": "1"})
    models.delete_tag(made.id, "new")
    found = models.model(made.id)
    assert (found.params, found.tags) == ({"depth": "3", "width": "5"}, {"team": "b"})
    with pytest.raises(NotFound, match="No tag with key 'new'"):
        models.delete_tag(made.id, "new")


def test_a_deleted_model_is_found_only_by_those_who_ask_for_it(models):
    made = models.create("0", "net")
    models.delete(made.id)
    with pytest.raises(NotFound, match="Logged model with ID"):
        models.model(made.id)
    assert models.model(made.id, deleted=True).lifecycle_stage == "deleted"
    assert models.search(["0"]).models == ()


def test_metrics_of_a_model_are_kept_once_and_nan_too(models):
    made = models.create("0", "net")
    values = [measured("loss", 0.5), measured("loss", math.nan, step=1), measured("loss", math.inf, step=2)]
    models.log_metrics({made.id: values})
    models.log_metrics({made.id: values})
    kept = models.model(made.id).metrics
    assert [str(metric.value) for metric in kept] == ["0.5", "nan", "inf"]


def test_the_filter_speaks_of_attributes_params_tags_and_metrics(models):
    a = models.create("0", "a", params={"depth": "3"}, tags={"team": "red"}, model_type="tree")
    b = models.create("0", "b", params={"depth": "4"}, tags={"team": "blue"})
    models.finalize(b.id, "READY")
    models.log_metrics({a.id: [measured("acc", 0.9), measured("acc", 0.1, step=1)], b.id: [measured("acc", 0.5)]})
    for text, expected in {
        "name = 'a'": ["a"],
        "model_type = 'tree'": ["a"],
        "status = 'READY'": ["b"],
        "name LIKE 'A%'": [],
        "name ILIKE 'A%'": ["a"],
        "params.depth IN ('3', '4')": ["b", "a"],
        "params.depth NOT IN ('3')": ["b"],
        "tags.`team` != 'red'": ["b"],
        "metrics.acc > 0.8": ["a"],
        "metrics.acc < 0.2 AND metrics.acc > 0.8": ["a"],
        "metrics.acc >= 0.5": ["b", "a"],
        "creation_timestamp > 0 AND name != 'b'": ["a"],
        f"model_id = '{b.id}'": ["b"],
    }.items():
        assert names(models.search(["0"], text)) == expected, text
    for wrong in ("name > 'a'", "metrics.acc = 'x'", "nonsense.x = 1", "name = 'a' OR name = 'b'"):
        with pytest.raises(InvalidInput):
            models.search(["0"], wrong)
    assert models.search(["1"]).models == ()


def test_datasets_bound_which_metrics_count(models):
    a, b = models.create("0", "a"), models.create("0", "b")
    models.log_metrics({a.id: [measured("acc", 0.9, dataset="train", digest="d1")]})
    models.log_metrics({b.id: [measured("acc", 0.9, dataset="test", digest="d2")]})
    assert names(models.search(["0"], "metrics.acc > 0.5", [DatasetRef("train")])) == ["a"]
    assert names(models.search(["0"], datasets=[DatasetRef("test", "d2")])) == ["b"]
    assert names(models.search(["0"], datasets=[DatasetRef("test", "d9")])) == []


def test_models_are_sorted_by_the_latest_metric_with_missing_ones_last(models):
    a, b, _ = (models.create("0", name) for name in "abc")
    models.log_metrics({a.id: [measured("acc", 0.9), measured("acc", 0.1, minute=1)], b.id: [measured("acc", 0.5)]})
    for ascending, expected in ((True, ["a", "b", "c"]), (False, ["b", "a", "c"])):
        assert names(models.search(["0"], order_by=[ModelOrder("metrics.acc", ascending)])) == expected
    assert names(models.search(["0"], order_by=[ModelOrder("name")])) == ["a", "b", "c"]
    for field in ("nonsense", "params.depth"):
        with pytest.raises(InvalidInput, match="Invalid order by field name"):
            models.search(["0"], order_by=[ModelOrder(field)])


def test_pages_hold_every_model_once(models):
    made = {models.create("0", f"n{number}").id for number in range(7)}
    found, token = [], None
    while True:
        page = models.search(["0"], limit=3, page_token=token)
        found += [model.id for model in page.models]
        token = page.next_page_token
        if token is None:
            break
    assert (len(found), set(found)) == (7, made)


def test_runs_use_and_make_models_and_lineage_tells_so(models, run, metadata):
    used, made = models.create("0", "used"), models.create("0", "made", run.id)
    models.log_inputs(run.id, [used.id])
    models.log_outputs(run.id, [RunModel(made.id, 3)])
    models.log_outputs(run.id, [RunModel(made.id, 3)])
    with metadata.read() as connection:
        assert logged_model_store.models_of_runs(connection, [run.id], "output") == {run.id: [RunModel(made.id, 3)]}
        assert logged_model_store.models_of_runs(connection, [run.id], "input") == {run.id: [RunModel(used.id)]}
        edges = {(row.source, row.target) for row in connection.execute(journal.edges.select())}
    assert {(used.node, run.node), (run.node, made.node)} <= edges
    with pytest.raises(NotFound):
        models.log_outputs("none", [RunModel(made.id)])
