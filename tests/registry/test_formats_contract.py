"""What every model format must do, found by discovery: a format without an example here fails."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.registry.test_onnx import product_graph

from tidewheel.base.errors import Corrupt, InvalidInput, TidewheelError
from tidewheel.registry.formats import CODE_FREE, FORMATS, open_format, saving_format

ROWS = np.random.default_rng(5).normal(size=(200, 3))
LABELS = (ROWS[:, 0] + ROWS[:, 1] > 0).astype(int)


class Slope:
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return rows[:, 0] * 3.0


def booster():
    lightgbm = pytest.importorskip("lightgbm")
    return lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(ROWS, LABELS), 5)


def xgboost_booster():
    xgboost = pytest.importorskip("xgboost")
    return xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(ROWS, LABELS), 5)


def forest():
    pytest.importorskip("skops")
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(5, random_state=0, n_jobs=1).fit(ROWS, LABELS)


def network():
    nn = pytest.importorskip("torch").nn
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1), nn.Sigmoid()).eval()


def scripted():
    import warnings

    torch = pytest.importorskip("torch")
    with warnings.catch_warnings(action="ignore"):
        return torch.jit.trace(network(), torch.zeros(2, 3))


def exported():
    torch = pytest.importorskip("torch")
    rows = torch.export.Dim("rows", min=1)
    return torch.export.export(network(), (torch.zeros(2, 3),), dynamic_shapes=({0: rows},))


def graph():
    pytest.importorskip("onnxruntime")
    return product_graph(np.array([[1.0], [0.5], [2.0]]))


def combined():
    from tidewheel.registry import Graph, nodes

    return Graph(
        inputs=["a", "b", "c"],
        nodes={
            "whole": nodes.Impute(["a", "b", "c"], values=[0, 0, 0]),
            "trees": nodes.Model(booster(), of="whole"),
            "line": nodes.Sigmoid("a"),
            "both": nodes.Mean(["trees", "line"], weights=[3, 1]),
        },
        output="both",
    )


EXAMPLES = {
    "lightgbm": booster,
    "xgboost": xgboost_booster,
    "skops": forest,
    "safetensors": network,
    "torchscript": scripted,
    "torch_export": exported,
    "onnx": graph,
    "graph": combined,
    "python": Slope,
}
ELSEWHERE = {
    "mlflow",  # MLflow itself saves it: test_mlflow_folder.py
    "code_graph",  # saves what turns out not to fit `graph`: test_graphs.py
}


def test_every_format_has_an_example():
    assert set(EXAMPLES) | ELSEWHERE == set(FORMATS)


def test_the_formats_said_to_be_free_of_code_are_those_that_say_so():
    assert [name for name in FORMATS if not open_format(name).executes_code] == list(CODE_FREE)


@pytest.fixture(params=EXAMPLES)
def kept(request, tmp_path):
    model = EXAMPLES[request.param]()
    found = saving_format(model)
    assert found.name == request.param
    found.save(model, tmp_path)
    return found, tmp_path


def test_one_row_is_answered_as_many_and_rows_are_left_as_they_were(kept):
    found, folder = kept
    predictor, before = found.load(folder), ROWS.copy()
    answers = predictor.predict(ROWS)
    assert (answers.dtype, answers.shape) == (np.float64, (200, 1))
    for place in range(0, 200, 67):
        np.testing.assert_allclose(predictor.predict(ROWS[place : place + 1]), answers[place : place + 1], rtol=1e-5)
    np.testing.assert_array_equal(ROWS, before)


def test_rows_of_another_width_are_refused(kept):
    found, folder = kept
    if found.name != "python":
        with pytest.raises(InvalidInput):
            found.load(folder).predict(np.zeros((2, 7)))


def test_a_file_cut_short_never_ends_the_process(kept):
    found, folder = kept
    for file in [path for path in folder.iterdir() if path.is_file()]:
        whole = file.read_bytes()
        for share in (0.0, 0.01, 0.3, 0.5, 0.77, 0.99):
            file.write_bytes(whole[: int(len(whole) * share)])
            try:
                found.load(folder).predict(ROWS[:2])
            except TidewheelError:
                continue
        file.write_bytes(whole)
    found.load(folder).predict(ROWS[:2])


def test_asking_what_a_format_takes_imports_no_library():
    script = (
        "import sys; from tidewheel.registry.formats import FORMATS, open_format\n"
        "[open_format(name).takes({}) for name in FORMATS]\n"
        "assert not {'lightgbm', 'xgboost', 'sklearn', 'skops', 'torch', 'onnxruntime', 'mlflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize("name", ["skops", "safetensors", "mlflow"])
def test_a_library_that_is_missing_is_named_with_its_extra(name, tmp_path):
    for file in ("model.ubj", "model.skops", "model.safetensors"):
        (tmp_path / file).write_bytes(b"{}")
    (tmp_path / "layers.json").write_text('{"layer": "Sequential", "layers": []}')
    (tmp_path / "MLmodel").write_text("flavors: {}")
    script = (
        "import sys; from pathlib import Path\n"
        "from tidewheel.base.errors import Unavailable\n"
        "from tidewheel.registry.formats import open_format\n"
        "class Away:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'xgboost', 'skops', 'torch', 'mlflow'}: raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Away())\n"
        "try: open_format(sys.argv[1]).load(Path(sys.argv[2]))\n"
        "except Unavailable as error: print(error)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, name, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert 'pip install "tidewheel[' in said.stdout, said.stderr


def test_equal_models_of_most_formats_are_equal_files(tmp_path):
    model = network()
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        saving_format(model).save(model, folder)
    assert (tmp_path / "one/model.safetensors").read_bytes() == (tmp_path / "two/model.safetensors").read_bytes()


def test_an_estimator_of_the_project_does_not_fit_skops_and_says_what_to_do(tmp_path: Path):
    from sklearn.linear_model import LogisticRegression

    class Mine(LogisticRegression):
        pass

    with pytest.raises(InvalidInput, match=r"without code.*trust=True"):
        saving_format(Mine()).save(Mine().fit(ROWS, LABELS), tmp_path)


def test_a_tree_that_turns_in_a_circle_is_corrupt():
    from tidewheel.registry.formats.tree_bounds import check_trees

    model = forest()
    check_trees(model)
    model.estimators_[0].tree_.children_left[0] = 0
    with pytest.raises(TidewheelError, match="leaves its own bounds"):
        check_trees(model)


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_refused_unread(tmp_path):
    import zipfile

    pytest.importorskip("skops")
    with zipfile.ZipFile(tmp_path / "model.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b" " * (80 * 2**20))
    with pytest.raises(Corrupt, match="over 50 times its size"):
        open_format("skops").load(tmp_path)
