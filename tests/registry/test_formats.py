"""What a format saved answers as the model in memory did, row by row and all together."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tidewheel.base.errors import Corrupt, InvalidInput
from tidewheel.registry.formats import open_format, saving_format
from tidewheel.registry.formats.lightgbm_library import LightgbmPredictor

lightgbm = pytest.importorskip("lightgbm")
QUIET = {"verbose": -1, "num_threads": 1}


def booster(rides, **parameters):
    rows, labels = rides
    settings = {"objective": "binary", **QUIET, **parameters}
    return lightgbm.train(settings, lightgbm.Dataset(rows, labels), 15)


def saved(model, folder: Path):
    kept = saving_format(model)
    kept.save(model, folder)
    return kept.load(folder)


def test_lightgbm_text_answers_as_the_booster(rides, tmp_path):
    model = booster(rides)
    predictor = saved(model, tmp_path)
    expected = model.predict(rides[0], num_threads=1)
    np.testing.assert_array_equal(predictor.predict(rides[0])[:, 0], expected)
    for place in range(0, 800, 57):
        one = predictor.predict(rides[0][place : place + 1])
        assert one.shape == (1, 1)
        assert one[0, 0] == expected[place]


def test_lightgbm_classes_are_outputs_side_by_side(rides, tmp_path):
    rows, _ = rides
    labels = np.digitize(rows[:, 0], [-0.5, 0.5])
    parameters = {"objective": "multiclass", "num_class": 3, **QUIET}
    model = lightgbm.train(parameters, lightgbm.Dataset(rows, labels), 5)
    predictor = saved(model, tmp_path)
    np.testing.assert_array_equal(predictor.predict(rows[:50]), model.predict(rows[:50]))
    np.testing.assert_array_equal(predictor.predict(rows[3:4]), model.predict(rows[3:4]))


def test_lightgbm_estimators_are_kept_as_their_booster(rides, tmp_path):
    model = lightgbm.LGBMRegressor(n_estimators=5, **QUIET).fit(*rides)
    assert saving_format(model).name == "lightgbm"
    np.testing.assert_allclose(saved(model, tmp_path).predict(rides[0])[:, 0], model.booster_.predict(rides[0]))


def test_lightgbm_takes_any_layout_and_no_rows(rides, tmp_path):
    predictor = saved(booster(rides), tmp_path)
    expected = predictor.predict(rides[0][:64])
    np.testing.assert_array_equal(predictor.predict(np.asfortranarray(rides[0][:64])), expected)
    np.testing.assert_array_equal(predictor.predict(rides[0][:128:2]), predictor.predict(rides[0][:128])[::2])
    assert predictor.predict(np.empty((0, 4))).shape == (0, 1)


def test_lightgbm_answers_many_threads_at_once(rides, tmp_path):
    predictor = saved(booster(rides), tmp_path)
    expected, wrong = predictor.predict(rides[0]), []

    def ask(start: int) -> None:
        places = range(start, 800, 4)
        wrong.extend(i for i in places if predictor.predict(rides[0][i : i + 1])[0, 0] != expected[i, 0])

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []


def test_lightgbm_is_loaded_without_its_python_package(rides, tmp_path):
    saved(booster(rides), tmp_path)
    script = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from tidewheel.registry.formats import open_format\n"
        "open_format('lightgbm').load(Path(sys.argv[1])).predict(np.zeros((1, 4)))\n"
        "assert not {'lightgbm', 'pandas', 'sklearn', 'scipy'} & set(sys.modules), 'heavy import'"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=60)


@pytest.mark.parametrize("text", ["", "not a tree\n"])
def test_a_file_that_is_no_booster_is_corrupt(tmp_path, text):
    (tmp_path / "model.txt").write_text(text)
    with pytest.raises(Corrupt, match="not LightGBM's text"):
        LightgbmPredictor(tmp_path / "model.txt")


def test_rows_of_the_wrong_width_are_refused(rides, tmp_path):
    with pytest.raises(InvalidInput, match="takes rows of 4 features"):
        saved(booster(rides), tmp_path).predict(np.zeros((1, 5)))


class Slope:
    """A model of the project: its class is not installed anywhere."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return rows[:, 0] * self.weight


def test_a_python_object_travels_with_its_class(tmp_path):
    source = tmp_path / "project.py"
    source.write_text("class Double:\n    def predict(self, rows):\n        return rows[:, 0] * 2\n")
    save = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from project import Double\n"
        "from tidewheel.registry.formats import saving_format\n"
        "saving_format(Double()).save(Double(), Path(sys.argv[2]))"
    )
    folder = tmp_path / "kept"
    folder.mkdir()
    subprocess.run([sys.executable, "-c", save, str(tmp_path), str(folder)], check=True, timeout=60)
    source.unlink()
    predictor = open_format("python").load(folder)
    np.testing.assert_array_equal(predictor.predict(np.array([[1.0], [3.0]])), [[2.0], [6.0]])


def test_a_python_object_answers_as_in_memory(rides, tmp_path):
    predictor = saved(Slope(3.0), tmp_path)
    np.testing.assert_array_equal(predictor.predict(rides[0])[:, 0], rides[0][:, 0] * 3.0)


def test_a_classifier_answers_with_its_probability(rides, tmp_path):
    linear = pytest.importorskip("sklearn.linear_model")
    rows = np.nan_to_num(rides[0])
    model = linear.LogisticRegression().fit(rows, rides[1])
    np.testing.assert_allclose(saved(model, tmp_path).predict(rows)[:, 0], model.predict_proba(rows)[:, 1])


def test_a_pickle_that_cannot_be_read_says_what_is_missing(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"cno_such_library\nModel\n.")
    with pytest.raises(Corrupt, match="no_such_library"):
        open_format("python").load(tmp_path)


def test_an_object_that_cannot_predict_is_refused():
    with pytest.raises(InvalidInput, match=r"builtins\.dict"):
        saving_format({})
