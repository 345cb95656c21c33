"""Saved views, and what a table of runs asks beside its rows."""

from __future__ import annotations

import pytest

from tidewheel.base.clock import SystemClock
from tidewheel.base.errors import InvalidInput, NotFound, TooLarge
from tidewheel.storage import Metadata
from tidewheel.tracking import Tracking, Views


@pytest.fixture
def views(metadata: Metadata) -> Views:
    return Views(metadata, SystemClock())


def test_a_view_is_kept_under_its_name_and_replaced_by_the_next_of_that_name(tracking: Tracking, views: Views) -> None:
    experiment_id = tracking.start_run("surge").experiment_id
    views.save(experiment_id, "best", filter="metrics.auc > 0.9", columns=("metrics.auc", "params.depth"))
    saved = views.save(experiment_id, " best ", order_by="metrics.auc DESC", stage="all")
    assert views.views(experiment_id) == [saved]
    assert (saved.name, saved.filter, saved.order_by, saved.columns) == ("best", "", "metrics.auc DESC", ())
    assert views.views("7") == []


def test_a_deleted_view_is_gone(tracking: Tracking, views: Views) -> None:
    view = views.save(tracking.start_run("surge").experiment_id, "mine")
    assert views.delete(view.id) == view
    with pytest.raises(NotFound):
        views.delete(view.id)


def test_a_view_has_a_name_an_experiment_and_a_bounded_length(tracking: Tracking, views: Views) -> None:
    experiment_id = tracking.start_run("surge").experiment_id
    with pytest.raises(InvalidInput, match="no name"):
        views.save(experiment_id, "  ")
    with pytest.raises(NotFound):
        views.save("99", "best")
    with pytest.raises(TooLarge):
        views.save(experiment_id, "best", filter="x" * 10_001)
    with pytest.raises(TooLarge):
        views.save(experiment_id, "best", columns=("params.a",) * 101)


def test_experiments_are_counted_with_their_newest_run(tracking: Tracking, views: Views) -> None:
    first, second = tracking.start_run("surge"), tracking.start_run("surge")
    tracking.end_run(first.id)
    tracking.delete_run(tracking.start_run("surge").id)
    (counts,) = views.counts()
    assert (counts.active, counts.running, counts.deleted) == (2, 1, 1)
    assert counts.last_run_at == second.started_at


def test_the_keys_of_an_experiment_are_those_of_its_runs(tracking: Tracking, views: Views) -> None:
    run, other = tracking.start_run("surge", tags={"team": "maps"}), tracking.start_run("eta")
    tracking.log_params(run.id, {"depth": "3", "lr": "0.1"})
    tracking.log_params(other.id, {"width": "9"})
    keys = views.keys(run.experiment_id)
    assert (keys.params, keys.metrics) == (("depth", "lr"), ())
    assert "team" in keys.tags


def test_the_runs_that_a_filter_fits_are_counted_by_stage(tracking: Tracking, views: Views) -> None:
    ids = [tracking.start_run("surge", tags={"team": "maps" if i % 2 else "eta"}).id for i in range(5)]
    tracking.delete_run(ids[1])
    tracking.start_run("another", tags={"team": "maps"})
    experiment_id = tracking.run(ids[0]).experiment_id
    assert views.matching(experiment_id) == 4
    assert views.matching(experiment_id, "tags.team = 'maps'") == 1
    assert views.matching(experiment_id, "tags.team = 'maps'", "all") == 2
    assert [counts.active for counts in views.counts(experiment_id)] == [4]
    assert len(views.counts()) == 2
    with pytest.raises(InvalidInput):
        views.matching(experiment_id, "team is best")
