"""A version that keeps its own runtime is told why, and what helps: an extra, a name, a tolerance, or nothing."""

import os
import subprocess
import sys

import numpy as np
import pytest
from tests.registry.runtime_models import LABELS, NAMES, ROWS, lightgbm, save, scaled_logistic

import tidewheel as tw
from tidewheel.app import open_platform
from tidewheel.base.errors import GateSaidNo
from tidewheel.registry.formats import open_format
from tidewheel.registry.runtimes import CHOICE
from tidewheel.registry.runtimes.choosing import Asked, choose_runtime
from tidewheel.registry.runtimes.loading import load_chosen

pytest.importorskip("skl2onnx")
pytest.importorskip("skops")
EXACT = tw.Tolerance(absolute=0.0, relative=0.0)


@pytest.fixture
def home(tmp_path):
    with open_platform(tmp_path / "home"):
        tw.log_model(scaled_logistic(), "surge", inputs=NAMES, rows=ROWS)
        tw.log_model(lightgbm(), "trees", inputs=NAMES, rows=ROWS)
    return tmp_path / "home"


def optimize(home, *arguments, **environment):
    command = [sys.executable, "-m", "tidewheel.cli", "models", "optimize", *arguments, "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env={**os.environ, **environment})
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [("surge/1",), ("surge/1", "--runtime", "onnx")])
def test_without_the_extra_the_error_names_it_and_is_no_gate(home, tmp_path, arguments):
    absent = tmp_path / "absent"
    absent.mkdir()
    for library in ("skl2onnx", "onnxmltools"):  # what Python says where they are not installed
        (absent / f"{library}.py").write_text(f"raise ModuleNotFoundError('none', name={library!r})\n")
    code, said = optimize(home, *arguments, PYTHONPATH=str(absent))
    assert code == 1
    assert said.startswith("unavailable")
    assert "needs skl2onnx" in said
    assert 'pip install "tidewheel[runtimes]"' in said
    assert "Name a runtime" not in said


def test_each_hint_fits_what_was_refused(home):
    with open_platform(home) as platform:
        slow, apart = (platform.registry.find(f"models:/{name}/1").id for name in ("surge", "trees"))
        with pytest.raises(GateSaidNo, match="although it is no faster, name it: --runtime onnx"):
            platform.registry.optimize(slow, tolerance=tw.Tolerance(margin=0.9999))
        with pytest.raises(GateSaidNo, match=r"wider tolerance \(--tolerance\)") as refused:
            platform.registry.optimize(apart, tolerance=EXACT)
        assert "name it" not in str(refused.value)
        with pytest.raises(GateSaidNo, match=r"32-bit floats only\. Keep the model's own runtime"):
            platform.registry.optimize(apart, "onnx_double")


def regressor(kind, **settings):
    from sklearn import ensemble, tree

    made = getattr(ensemble, kind, None) or getattr(tree, kind)
    return made(random_state=0, **settings).fit(ROWS, LABELS)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("GradientBoostingRegressor", {"n_estimators": 5}),
        ("GradientBoostingClassifier", {"n_estimators": 5}),
        ("RandomForestRegressor", {"n_estimators": 5}),
        ("RandomForestClassifier", {"n_estimators": 5}),
        ("ExtraTreesRegressor", {"n_estimators": 5}),
        ("DecisionTreeRegressor", {}),
        ("DecisionTreeClassifier", {}),
    ],
)
def test_trees_and_forests_of_scikit_learn_run_in_64_bits(tmp_path, kind, settings):
    choice = choose_runtime(save(regressor(kind, **settings), tmp_path), tmp_path, ROWS, Asked(runtime="onnx_double"))
    assert (choice.runtime, choice.chosen.rows_apart) == ("onnx_double", 0)


def test_values_that_32_bits_cannot_tell_apart_fall_where_the_model_sends_them(tmp_path):
    """scikit-learn's trees round a row's values to 32 bits, and keep their splits in 64."""
    from sklearn.tree import DecisionTreeRegressor

    rows = np.repeat([[16_777_216.0], [16_777_218.0]], 40, axis=0)  # 2**24 and the next that 32 bits hold
    tree = DecisionTreeRegressor(max_depth=1).fit(rows, rows[:, 0] > 16_777_217)
    name = save(tree, tmp_path)
    choice = choose_runtime(name, tmp_path, rows, Asked(runtime="onnx_double"))
    assert choice.chosen.rows_apart == 0
    beside = np.arange(16_777_216.0, 16_777_218.0, 0.0625).reshape(-1, 1)
    chosen = load_chosen(tmp_path, {CHOICE})
    np.testing.assert_array_equal(chosen.predict(beside), open_format(name).load(tmp_path).predict(beside))
