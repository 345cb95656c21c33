"""A runtime is chosen only if it answers as the model does and is worth it; the version tells why."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from tests.registry.runtime_models import LABELS, ROWS, forest, lightgbm, network, perceptron, save, scaled_logistic

from tidewheel.base.errors import GateSaidNo, InvalidInput
from tidewheel.registry.formats import open_format
from tidewheel.registry.runtimes import CHOICE, NATIVE
from tidewheel.registry.runtimes.agreement import TrialRows, compare
from tidewheel.registry.runtimes.choosing import Asked, choose_runtime
from tidewheel.registry.runtimes.loading import load_chosen, read_choice
from tidewheel.registry.runtimes.records import Quantize, Tolerance

pytest.importorskip("skl2onnx")
pytest.importorskip("onnxmltools")
pytest.importorskip("skops")
EXACT = Tolerance(absolute=0.0, relative=0.0)
SOME = arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(1, 3)), elements=st.floats(width=64))


def test_a_forest_is_run_by_a_graph_and_the_choice_says_by_how_much_it_is_faster(tmp_path):
    choice = choose_runtime(save(forest(), tmp_path), tmp_path, ROWS, Asked())
    assert choice == read_choice((tmp_path / CHOICE).read_bytes())
    native, chosen = choice.candidates[0], choice.chosen
    assert chosen.runtime in {"onnx", "onnx_double"}
    assert (native.runtime, native.chosen, chosen.rows_apart) == (NATIVE, False, 0)
    assert chosen.speed.row_us < 0.9 * native.speed.row_us
    assert chosen.rows == 600 + 2000 + 256  # the sample, rows drawn within its ranges, rows with missing values
    assert choice.refuses == ("infinite",)
    assert sorted(each.name for each in (tmp_path / "runtime").iterdir()) == ["choice.json", chosen.runtime]


def test_none_that_differs_by_more_than_the_tolerance_is_chosen(tmp_path):
    choice = choose_runtime(save(lightgbm(), tmp_path), tmp_path, ROWS, Asked(tolerance=EXACT))
    assert choice.runtime == NATIVE
    onnx = next(each for each in choice.candidates if each.runtime == "onnx")
    assert onnx.rows_apart > 0
    assert 0 < onnx.max_difference < 1e-5
    assert "lie further from the model's answers than tolerated" in onnx.why
    assert load_chosen(tmp_path, {CHOICE}) is None
    assert [each.name for each in (tmp_path / "runtime").iterdir()] == ["choice.json"]


def test_one_that_agrees_and_is_not_faster_by_the_margin_is_passed_over(tmp_path):
    asked = Asked(tolerance=Tolerance(margin=0.9999))
    choice = choose_runtime(save(scaled_logistic(), tmp_path), tmp_path, ROWS, asked)
    assert choice.runtime == NATIVE
    assert "would have to cost" in choice.candidates[1].why


def test_one_that_is_named_must_agree_and_need_not_be_faster(tmp_path):
    name = save(lightgbm(), tmp_path)
    choice = choose_runtime(name, tmp_path, ROWS, Asked(runtime="onnx", tolerance=Tolerance(margin=0.9999)))
    assert choice.runtime == "onnx"
    with pytest.raises(GateSaidNo, match="onnx may not run this model"):
        choose_runtime(name, tmp_path, ROWS, Asked(runtime="onnx", tolerance=EXACT))
    with pytest.raises(GateSaidNo, match="32-bit floats only"):
        choose_runtime(name, tmp_path, ROWS, Asked(runtime="onnx_double"))


def test_a_model_without_rows_has_nothing_to_be_compared_on(tmp_path):
    with pytest.raises(InvalidInput, match="no rows to answer"):
        choose_runtime(save(lightgbm(), tmp_path), tmp_path, ROWS[:0], Asked())


def test_what_is_asked_must_make_sense():
    for asked in (Asked(runtime="fastest"), Asked(runtime="onnx_int8"), Asked(runtime="onnx", quantize=Quantize())):
        with pytest.raises(InvalidInput):
            asked.candidates()
    for wrong in (lambda: Quantize("int4"), lambda: Quantize(at_most=-1.0), lambda: Tolerance(margin=1.0)):
        with pytest.raises(InvalidInput):
            wrong()


@pytest.mark.parametrize("make", [network, perceptron])
def test_a_network_is_quantised_if_its_answers_stay_near(make, tmp_path):
    name = save(make(), tmp_path)
    choice = choose_runtime(name, tmp_path, ROWS, Asked(quantize=Quantize("int8", at_most=0.05)))
    assert (choice.runtime, choice.gate.metric) == ("onnx_int8", "difference")
    assert 0 < choice.gate.worse_by <= 0.05
    assert load_chosen(tmp_path, {CHOICE}).predict(ROWS).shape == (600, 1)
    with pytest.raises(GateSaidNo, match="may be worse by 1e-09"):
        choose_runtime(name, tmp_path, ROWS, Asked(quantize=Quantize("int8", at_most=1e-9)))


def test_quantisation_is_judged_by_labelled_rows_where_a_metric_asks_for_them(tmp_path):
    name, labels = save(perceptron(), tmp_path), LABELS.astype(float)
    choice = choose_runtime(
        name, tmp_path, ROWS, Asked(quantize=Quantize(metric="accuracy", at_most=0.1), labels=labels)
    )
    own = open_format(name).load(tmp_path).predict(ROWS)[:, 0]
    assert choice.gate.own == np.mean((own >= 0.5) == LABELS)
    assert choice.gate.worse_by == pytest.approx(choice.gate.own - choice.gate.quantized)
    with pytest.raises(InvalidInput, match="needs to know what was true"):
        choose_runtime(name, tmp_path, ROWS, Asked(quantize=Quantize(metric="accuracy")))
    with pytest.raises(InvalidInput, match="cannot be taken"):
        choose_runtime(name, tmp_path, ROWS, Asked(quantize=Quantize(metric="f1"), labels=labels))


def test_trees_have_nothing_to_quantise(tmp_path):
    with pytest.raises(GateSaidNo, match="nothing to quantise"):
        choose_runtime(save(forest(), tmp_path), tmp_path, ROWS, Asked(quantize=Quantize()))


@settings(max_examples=100, deadline=None)
@given(own=SOME)
def test_answers_agree_with_themselves_and_not_with_any_that_is_a_number_where_they_are_none(own):
    found = compare(own, own.copy(), EXACT)
    assert (found.apart, found.max_difference) == (0, 0.0)
    other = np.where(np.isnan(own), 0.0, np.nan)
    assert compare(own, other, Tolerance(absolute=1e300)).apart == len(own)
    assert compare(own, own[:, :0], EXACT).apart == len(own)


@settings(max_examples=60, deadline=None)
@given(own=arrays(np.float64, (6, 2), elements=st.floats(-1e3, 1e3)), by=st.floats(0, 1e-3), part=st.floats(0, 1e-3))
def test_the_tolerance_is_absolute_and_relative(own, by, part):
    tolerance = Tolerance(absolute=by, relative=part)
    allowed = by + part * np.abs(own)
    assert compare(own, own + 0.99 * allowed, tolerance).apart <= (np.abs(own).max() * 1e-13 > allowed.min()) * 6
    assert compare(own, own + 1.01 * allowed + 1e-9, tolerance).apart == 6


@settings(max_examples=60, deadline=None)
@given(sample=arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 4)), elements=st.floats(-1e9, 1e9)))
def test_rows_are_drawn_within_the_samples_ranges_and_have_gaps_of_each_kind(sample):
    trial = TrialRows.of(sample)
    assert (trial.whole["drawn"] >= sample.min(axis=0)).all()
    assert (trial.whole["drawn"] <= sample.max(axis=0)).all()
    assert np.isnan(trial.gapped["missing"]).any()
    assert np.isinf(trial.gapped["infinite"]).any()
    again = TrialRows.of(sample)
    np.testing.assert_array_equal(trial.whole["drawn"], again.whole["drawn"])
