"""Any function, and a class that makes what it needs where it is loaded, are models; the rest is refused."""

import functools
import subprocess
import sys

import numpy as np
import pytest

import tidewheel as tw
from tidewheel.base.errors import Corrupt, InvalidInput, NotAllowed
from tidewheel.registry.formats import open_format, save_model, saving_format

ROWS = np.arange(12.0).reshape(6, 2)


def times(rows, factor=2.0):
    return rows[:, 0] * factor


class Table:
    """Prices by zone, as a model whose state is made where it is loaded."""

    made = 0

    def __init__(self):
        self.prices = None

    def load(self):
        type(self).made += 1
        self.prices = {zone: zone * 10.0 for zone in range(100)}

    def predict(self, rows):
        return [self.prices[int(row[0])] for row in rows]


class Probabilities:
    def predict_proba(self, rows):
        return np.column_stack([1 - rows[:, 0], rows[:, 0]])

    def predict(self, rows):
        return rows[:, 0] > 0.5


class NeedsPath:
    def load(self, path):
        raise AssertionError(path)

    def predict(self, rows):
        return rows[:, 0]


def loaded(model, folder):
    return save_model(model, folder, trust=True).load(folder)


@pytest.mark.parametrize(
    "function",
    [times, lambda rows: rows[:, 0] * 2, functools.partial(times, factor=2.0), lambda rows: (rows[:, :1] * 2).tolist()],
)
def test_a_function_of_rows_is_a_model(function, tmp_path):
    assert saving_format(function).name == "python"
    assert loaded(function, tmp_path).predict(ROWS).tolist() == (ROWS[:, :1] * 2).tolist()


def test_a_function_of_numpy_and_a_bound_method_are_models(tmp_path):
    for place, function in enumerate((np.exp, Probabilities().predict_proba)):
        folder = tmp_path / str(place)
        folder.mkdir()
        np.testing.assert_array_equal(loaded(function, folder).predict(ROWS), function(ROWS))


def test_a_logged_function_needs_trust_and_answers_in_a_process_that_lacks_its_module(registry):
    with pytest.raises(NotAllowed, match="runs code"):
        tw.log_model(times, "surge", inputs=["a", "b"])
    version = tw.log_model(times, "surge", inputs=["a", "b"], trust=True)
    assert registry.answers(version.id, ROWS).outputs[0].tolist() == (ROWS[:, :1] * 2).tolist()


def test_the_state_of_a_class_is_made_once_where_it_is_loaded_and_not_pickled(tmp_path):
    predictor = loaded(Table, tmp_path)
    again = [predictor.predict(ROWS).tolist() for _ in range(3)]
    assert again == [(ROWS[:, :1] * 10).tolist()] * 3
    assert type(predictor._predict.__self__).made == 1


def test_an_instance_with_load_is_loaded_too_and_one_whose_load_wants_a_path_is_left_alone(tmp_path):
    assert loaded(Table(), tmp_path).predict(ROWS[:1]).tolist() == [[0.0]]
    assert loaded(NeedsPath(), tmp_path).predict(ROWS[:1]).tolist() == [[0.0]]


def test_a_class_of_two_classes_answers_with_the_second_probability(tmp_path):
    assert loaded(Probabilities, tmp_path).predict(np.array([[0.25]])).tolist() == [[0.25]]


def test_a_class_that_fails_to_load_is_corrupt_with_its_reason(tmp_path):
    class Broken:
        def load(self):
            raise OSError("no table here")

        def predict(self, rows):
            return rows

    save_model(Broken, tmp_path, trust=True)
    with pytest.raises(Corrupt, match="OSError: no table here"):
        open_format("python").load(tmp_path)


async def later(rows):
    return rows


class WantsArguments:
    def __init__(self, path):
        self.path = path

    def predict(self, rows):
        return rows


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda: 1.0, "does not take one argument, the rows"),
        (lambda rows, more: rows, "does not take one argument, the rows"),
        (later, "answers with a coroutine"),
        (WantsArguments, "cannot be made without arguments"),
    ],
)
def test_what_could_never_answer_is_refused_when_it_is_logged(model, said, tmp_path):
    with pytest.raises(InvalidInput, match=said):
        save_model(model, tmp_path, trust=True)


def test_a_class_of_estimators_is_not_an_estimator(tmp_path):
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(InvalidInput, match="a class that has yet to be fitted"):
        save_model(LogisticRegression, tmp_path, trust=True)


def test_what_is_called_but_is_no_function_of_rows_goes_where_it_went_before():
    nn = pytest.importorskip("torch").nn
    assert saving_format(nn.Sequential(nn.Linear(1, 1))).name == "safetensors"
    for model in (nn.Linear(2, 1), dict, object()):
        with pytest.raises(InvalidInput, match="No format takes a model"):
            saving_format(model)


@pytest.mark.parametrize("answers", [[1.0, 2.0], [["many"]] * 6, "words"])
def test_answers_that_are_not_a_number_for_each_row_are_refused(answers, tmp_path):
    with pytest.raises(InvalidInput, match="The model answer"):
        loaded(lambda rows: answers, tmp_path).predict(ROWS)


def test_no_rows_are_answered_with_none(tmp_path):
    assert loaded(times, tmp_path).predict(np.empty((0, 2))).shape == (0, 1)


def test_a_project_function_calls_its_helpers_in_a_process_without_them(tmp_path):
    (tmp_path / "shop.py").write_text(
        "def rate(rows):\n    return rows[:, 1] * 3\ndef price(rows):\n    return rate(rows) + 1\n"
    )
    kept = tmp_path / "kept"
    kept.mkdir()
    save = (
        "import sys; sys.path.insert(0, sys.argv[1]); import shop; from pathlib import Path\n"
        "from tidewheel.registry.formats import save_model\n"
        "save_model(shop.price, Path(sys.argv[2]), trust=True)"
    )
    subprocess.run([sys.executable, "-c", save, str(tmp_path), str(kept)], check=True, timeout=60)
    assert open_format("python").load(kept).predict(ROWS).tolist() == (ROWS[:, 1:] * 3 + 1).tolist()
