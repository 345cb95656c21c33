"""Runs are found by MLflow's filters and sorted by its rules, on every database."""

import math

import pytest

from tidewheel.base.errors import InvalidInput
from tidewheel.tracking import MetricPoint
from tidewheel.tracking.records import DatasetInput


@pytest.fixture
def library(tracking):
    """Four runs: three measured (one of them NaN), one bare."""
    for name, depth, auc in (("Ash", "6", 0.5), ("beech", "8", 0.9), ("cedar", "8", math.nan)):
        run = tracking.start_run("trees", name, {"Who": name.lower(), "kind": "measured"})
        tracking.log_batch(run.id, metrics=[MetricPoint("auc", auc)], params={"depth": depth})
    tracking.start_run("trees", "dogwood")
    return tracking


def names(tracking, filter="", order_by=None, **more):  # noqa: A002
    return [run.name for run in tracking.search_runs(None, filter, order_by, **more).runs]


@pytest.mark.parametrize(
    ("filter_string", "found"),
    [
        ("", {"Ash", "beech", "cedar", "dogwood"}),
        ("metrics.auc > 0.5", {"beech"}),
        ("metrics.auc >= 0.5 AND params.depth = '6'", {"Ash"}),
        ("metrics.auc != 0.5", {"beech", "cedar"}),
        ("metrics.auc < 1", {"Ash", "beech"}),
        ("params.depth != '6'", {"beech", "cedar"}),
        ("params.depth IS NULL", {"dogwood"}),
        ("tags.kind IS NOT NULL", {"Ash", "beech", "cedar"}),
        ("tags.Who LIKE 'A%'", set()),
        ("tags.Who ILIKE 'A%'", {"Ash"}),
        ("run_name LIKE 'a%'", set()),
        ("attributes.`run name` ILIKE 'a%'", {"Ash"}),
        ("tags.mlflow.runName = 'beech'", {"beech"}),
        ("tags.`mlflow.runName` IS NULL", set()),
        ("tags.`mlflow.runName` IS NOT NULL AND metrics.auc > 0.5", {"beech"}),
        ("status = 'RUNNING' AND start_time > 0", {"Ash", "beech", "cedar", "dogwood"}),
        ("end_time > 0", set()),
    ],
)
def test_a_filter_finds_the_runs_that_fulfil_it(library, filter_string, found):
    assert set(names(library, filter_string)) == found


def test_what_is_not_there_sorts_last_and_nan_before_it_in_either_direction(library):
    assert names(library, order_by=["metrics.auc"]) == ["Ash", "beech", "cedar", "dogwood"]
    assert names(library, order_by=["metrics.auc DESC"]) == ["beech", "Ash", "cedar", "dogwood"]
    assert names(library, order_by=["params.depth DESC", "attributes.run_name DESC"])[-1] == "dogwood"


def test_ties_go_by_start_and_the_newest_comes_first(library):
    assert names(library) == ["dogwood", "cedar", "beech", "Ash"]
    assert names(library, order_by=["params.depth"])[1:3] == ["cedar", "beech"]
    assert names(library, order_by=["start_time"]) == ["Ash", "beech", "cedar", "dogwood"]


def test_pages_follow_each_other_without_gap_or_overlap(library):
    first = library.search_runs(limit=3)
    second = library.search_runs(limit=3, page_token=first.next_page_token)
    assert [run.name for run in first.runs + second.runs] == ["dogwood", "cedar", "beech", "Ash"]
    assert second.next_page_token is None


def test_a_list_of_run_ids_and_a_list_of_experiments_narrow_the_search(library):
    wanted = library.search_runs(filter="run_name = 'Ash'").runs[0]
    assert names(library, f"run_id IN ('{wanted.id}', 'other')") == ["Ash"]
    assert library.search_runs([wanted.experiment_id]).runs
    assert library.search_runs(["999"]).runs == []
    assert library.search_runs([]).runs == []


def test_deleted_runs_are_found_when_they_are_meant(library):
    gone = library.search_runs(filter="run_name = 'Ash'").runs[0]
    library.delete_run(gone.id)
    assert names(library, stage="deleted") == ["Ash"]
    assert len(names(library, stage="all")) == 4


def test_runs_are_found_by_the_datasets_that_they_were_given(library):
    run = library.search_runs(filter="run_name = 'Ash'").runs[0]
    rides = DatasetInput("rides", "d1", "local", "{}", tags={"mlflow.data.context": "training"})
    library.log_datasets(run.id, [rides])
    library.log_datasets(run.id, [rides])
    assert library.run(run.id).datasets == (rides,)
    assert names(library, "datasets.name = 'rides' AND dataset.context = 'training'") == ["Ash"]
    assert names(library, "datasets.digest IN ('d2')") == []


@pytest.mark.parametrize("limit", [0, 50_001])
def test_a_page_has_a_largest_size(tracking, limit):
    with pytest.raises(InvalidInput, match="max_results"):
        tracking.search_runs(limit=limit)


@pytest.mark.parametrize(
    ("more", "dialect"),
    [
        ({"filter": f"tags.a LIKE '{'x' * 60_000}'"}, "sqlite"),
        ({"order_by": [f"tags.a{number}" for number in range(100)]}, "sqlite"),
        ({"experiment_ids": [str(number) for number in range(260_000)]}, None),
    ],
)
def test_a_search_for_too_much_is_the_askers_fault(tracking, metadata, more, dialect):
    tracking.start_run(tags={"a": "x"})
    if dialect in (None, metadata.engine.dialect.name):
        with pytest.raises(InvalidInput, match="too much at once"):
            tracking.search_runs(**more)
