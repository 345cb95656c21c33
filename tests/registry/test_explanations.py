"""Attributions are Shapley values: as brute force finds them, as the libraries' own, and always adding up."""

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

import tidewheel as tw
from tidewheel.base.errors import InvalidInput
from tidewheel.registry.explain import explainer_of
from tidewheel.registry.formats import saving_format

QUIET = {"verbose": -1, "num_threads": 1, "deterministic": True}


def saved(model, folder):
    kept = saving_format(model)
    kept.save(model, folder)
    return kept.load(folder)


def lightgbm_model(rides, **more):
    lightgbm = pytest.importorskip("lightgbm")
    rows, labels = rides
    return lightgbm.train({"objective": "binary", **QUIET, **more}, lightgbm.Dataset(rows, labels), 20)


def xgboost_model(rides, **more):
    xgboost = pytest.importorskip("xgboost")
    rows, labels = rides
    asked = {"objective": "binary:logistic", "nthread": 1, **more}
    return xgboost.train(asked, xgboost.DMatrix(rows, labels), 20)


class Function:
    """A predictor of a plain function of rows."""

    def __init__(self, function):
        self.function = function

    def predict(self, rows):
        return np.asarray(self.function(rows), dtype=np.float64).reshape(len(rows), -1)


def brute_force(predictor, row, background):
    """Shapley's formula over all subsets, missing features from each background row: (features, outputs)."""
    count = len(row)
    features = range(count)

    def worth(subset):
        rows = background.copy()
        rows[:, list(subset)] = row[list(subset)]
        return predictor.predict(rows).mean(axis=0)

    known = {frozenset(s): worth(s) for size in range(count + 1) for s in itertools.combinations(features, size)}
    values = []
    for feature in features:
        without = [s for s in known if feature not in s]
        weights = [math.factorial(len(s)) * math.factorial(count - len(s) - 1) / math.factorial(count) for s in without]
        values.append(sum(w * (known[s | {feature}] - known[s]) for w, s in zip(weights, without, strict=True)))
    return np.array(values)


def tricky(rows):
    """Interactions, a column of no effect, and two outputs."""
    a, b, c = rows[:, 0], rows[:, 1], rows[:, 2]
    return np.column_stack([np.where(a > 0, b * 2.0, c), a * b * c + np.abs(b)])


def assert_whole(found, expected):
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base, expected, rtol=1e-9, atol=1e-9)


def test_lightgbm_is_explained_as_by_its_own_package_and_adds_up_to_the_log_odds(rides, tmp_path):
    model = lightgbm_model(rides)
    found = explainer_of(saved(model, tmp_path), rides[0]).explain(rides[0])
    own = model.predict(rides[0], pred_contrib=True)
    np.testing.assert_array_equal(found.values[:, :, 0], own[:, :-1])
    np.testing.assert_array_equal(found.base[:, 0], own[:, -1])
    assert (found.scale, found.method, found.error) == ("margin", "tree_shap", None)
    assert_whole(found, model.predict(rides[0], raw_score=True)[:, None])


def test_lightgbm_classes_are_explained_each_and_a_regressor_on_the_scale_of_its_answer(rides, tmp_path):
    rows, labels = rides
    classes = lightgbm_model((rows, np.digitize(rows[:, 0], [-0.5, 0.5])), objective="multiclass", num_class=3)
    found = explainer_of(saved(classes, tmp_path), rows).explain(rows[:40])
    own = classes.predict(rows[:40], pred_contrib=True).reshape(40, 3, 5)
    np.testing.assert_array_equal(found.values, own[:, :, :-1].transpose(0, 2, 1))
    model = lightgbm_model((rows, labels * 3 + rows[:, 1]), objective="regression")
    found = explainer_of(saved(model, tmp_path), rows).explain(rows[:40])
    assert found.scale == "output"
    assert_whole(found, model.predict(rows[:40])[:, None])


def test_trees_with_linear_leaves_are_sampled_and_a_forest_adds_up_to_its_mean(rides, tmp_path):
    rows = np.nan_to_num(rides[0])
    labels = rows[:, 0] * 2 + rows[:, 1]
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6, "feature_fraction": 0.8}
    for asked, method in (({"linear_tree": True}, "sampled"), (forest, "tree_shap")):
        predictor = saved(lightgbm_model((rows, labels), objective="regression", **asked), tmp_path)
        found = explainer_of(predictor, rows[:50], evaluations=600).explain(rows[:3])
        assert (found.method, found.scale) == (method, "output")
        assert_whole(found, predictor.predict(rows[:3]))


@pytest.mark.parametrize("more", [{}, {"objective": "multi:softprob", "num_class": 3}, {"objective": "reg:gamma"}])
def test_xgboost_is_explained_as_by_its_own_package(rides, tmp_path, more):
    xgboost = pytest.importorskip("xgboost")
    rows, labels = rides
    model = xgboost_model((rows, labels + ("gamma" in more.get("objective", ""))), **more)
    found = explainer_of(saved(model, tmp_path), rows).explain(rows)
    own = model.predict(xgboost.DMatrix(rows), pred_contribs=True, strict_shape=True)
    np.testing.assert_allclose(found.values, own[:, :, :-1].transpose(0, 2, 1), rtol=1e-6, atol=1e-6)
    margins = model.predict(xgboost.DMatrix(rows), output_margin=True, strict_shape=True)
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base, margins, atol=1e-4)
    assert (found.scale, found.method) == ("margin", "tree_shap")


def test_rows_with_gaps_are_explained_and_rows_of_another_width_refused(rides, tmp_path):
    gaps = np.full((3, 4), np.nan)
    for model in (lightgbm_model(rides), xgboost_model(rides)):
        explainer = explainer_of(saved(model, tmp_path), rides[0])
        found = explainer.explain(gaps)
        assert np.isfinite(found.values).all()
        assert explainer.explain(rides[0][:0]).values.shape == (0, 4, 1)
        with pytest.raises(InvalidInput, match="features"):
            explainer.explain(np.zeros((1, 9)))


def test_trees_need_no_background_and_other_models_do(rides, tmp_path):
    none = np.empty((0, 4))
    found = explainer_of(saved(lightgbm_model(rides), tmp_path), none).explain(rides[0][:5])
    assert (found.method, found.scale) == ("tree_shap", "margin")
    with pytest.raises(InvalidInput, match="there are none"):
        explainer_of(Function(tricky), none)
    with pytest.raises(InvalidInput, match="do not explain a row of 4 features"):
        explainer_of(Function(tricky), rides[0], evaluations=5)


SMALL = arrays(np.float64, (4, 3), elements=st.integers(-3, 3).map(float))


@settings(max_examples=25, deadline=None)
@given(SMALL, arrays(np.float64, (2, 3), elements=st.integers(-3, 3).map(float)))
def test_sampled_attributions_are_near_brute_force_and_add_up_exactly(background, rows):
    predictor = Function(tricky)
    found = explainer_of(predictor, background, evaluations=12_000).explain(rows)
    assert_whole(found, predictor.predict(rows))
    np.testing.assert_allclose(found.base, np.repeat(tricky(background).mean(axis=0)[None], 2, axis=0))
    exact = np.stack([brute_force(predictor, row, background) for row in rows])
    assert found.error is not None
    assert (np.abs(found.values - exact) <= 5.5 * found.error + 1e-9).all()


@settings(max_examples=25, deadline=None)
@given(arrays(np.float64, (8, 4), elements=st.floats(-5, 5)), arrays(np.float64, 4, elements=st.floats(-3, 3)))
def test_sampling_is_exact_where_features_do_not_interact(rows, weights):
    found = explainer_of(Function(lambda table: table @ weights), rows, evaluations=96).explain(rows)
    np.testing.assert_allclose(found.values[:, :, 0], (rows - rows.mean(axis=0)) * weights, atol=1e-9)


def test_a_feature_that_the_model_ignores_gets_nothing_and_twins_get_the_same(rides):
    rows = np.nan_to_num(rides[0][:40])
    rows[:, 1] = rows[:, 0]
    found = explainer_of(Function(lambda table: table[:, 0] * table[:, 1]), rows, evaluations=24_000).explain(rows[:4])
    assert (found.values[:, 2:] == 0).all()
    assert (np.abs(found.values[:, 0] - found.values[:, 1]) <= 5 * found.error[:, 0] + 1e-9).all()


def test_equal_rows_get_equal_attributions_whatever_they_are_asked_with(rides):
    rows = np.nan_to_num(rides[0])
    explainer = explainer_of(Function(tricky), rows, evaluations=300)
    together = explainer.explain(rows[:6])
    alone = explainer_of(Function(tricky), rows, evaluations=300).explain(rows[5:6])
    np.testing.assert_array_equal(together.values[5], alone.values[0])


def test_the_budget_bounds_how_often_a_model_is_asked(rides):
    asked = []

    def counting(rows):
        asked.append(len(rows))
        return rows.sum(axis=1)

    explainer = explainer_of(Function(counting), np.nan_to_num(rides[0]), evaluations=500)
    asked.clear()
    explainer.explain(np.ones((1, 4)))
    assert 1 < sum(asked) <= 501


def test_a_model_of_one_feature_owes_it_all_to_that_one():
    background = np.array([[0.0], [2.0]])
    found = explainer_of(Function(lambda rows: rows**2), background, evaluations=10).explain(np.array([[3.0]]))
    assert (found.values.tolist(), found.base.tolist()) == ([[[7.0]]], [[2.0]])


@pytest.mark.parametrize("kind", ["LinearRegression", "LogisticRegression", "PoissonRegressor", "LogisticRegression3"])
def test_linear_models_are_explained_exactly(rides, tmp_path, kind):
    pytest.importorskip("skops")
    from sklearn import linear_model

    rows = np.nan_to_num(rides[0])[:, :3]
    labels = np.digitize(rows[:, 0], [-0.5, 0.5]) if kind.endswith("3") else rides[1]
    model = getattr(linear_model, kind.rstrip("3"))().fit(rows, labels)
    found = explainer_of(saved(model, tmp_path), rows).explain(rows[:3])
    margin = getattr(model, "decision_function", lambda x: x @ model.coef_ + model.intercept_)
    assert_whole(found, margin(rows[:3]).reshape(3, -1))
    exact = np.stack([brute_force(Function(margin), row, rows) for row in rows[:3]])
    np.testing.assert_allclose(found.values, exact, atol=1e-9)
    assert (found.method, found.scale) == ("linear", "output" if kind == "LinearRegression" else "margin")
    with pytest.raises(InvalidInput, match="missing or infinite"):
        explainer_of(saved(model, tmp_path), rows).explain(np.full((1, 3), np.nan))


def test_a_linear_model_that_answers_with_labels_is_sampled(rides, tmp_path):
    pytest.importorskip("skops")
    from sklearn.linear_model import RidgeClassifier

    rows = np.nan_to_num(rides[0])
    predictor = saved(RidgeClassifier().fit(rows, rides[1]), tmp_path)
    found = explainer_of(predictor, rows, evaluations=600).explain(rows[:2])
    assert found.method == "sampled"
    assert_whole(found, predictor.predict(rows[:2]))


class Rows:
    commits = ("rides@1",)

    def __init__(self, rows):
        self.rows = rows

    def table(self):
        return pa.table({name: self.rows[:, place] for place, name in enumerate("abcd")})


def test_a_registered_version_explains_itself_against_its_reference(registry, rides):
    trees = tw.log_model(lightgbm_model(rides), "surge", inputs=list("abcd"), rows=Rows(rides[0]))
    found = registry.explainer(trees.id).explain(rides[0][:3])
    assert (found.method, found.values.shape) == ("tree_shap", (3, 4, 1))
    graph = tw.Graph(
        list("abcd"),
        {"trees": tw.nodes.Model(trees.id, of=list("abcd")), "up": tw.nodes.Clip("trees", low=0.2)},
        output="up",
    )
    clipped = tw.log_model(graph, "clipped", rows=Rows(rides[0]))
    found = registry.explainer(clipped.id, evaluations=600).explain(rides[0][:3])
    assert (found.method, found.scale) == ("sampled", "output")
    assert_whole(found, registry.load(clipped.id).predict(rides[0][:3]))


def test_a_version_without_rows_that_must_be_sampled_says_what_it_lacks(registry):
    version = tw.log_model(lambda rows: rows[:, 0], "surge", inputs=["a", "b"], trust=True)
    with pytest.raises(InvalidInput, match=r"Log the model with its training rows"):
        registry.explainer(version.id)
