"""MLmodel files: foreign ones are read within bounds, and ours are read by MLflow itself."""

import json
import subprocess
import sys

import numpy as np
import pytest
import yaml
from hypothesis import given, strategies as st
from tests.registry.test_formats_contract import ROWS, booster, forest, xgboost_booster

from tidewheel.base.errors import InvalidInput, NotFound, TidewheelError
from tidewheel.registry import Signature, log_model
from tidewheel.registry.mlflow_signature import read_signature, write_signature
from tidewheel.registry.mlmodel import describe, parse

COLUMNS = '[{"type": "double", "name": "a", "required": true}, {"type": "long", "name": "n", "required": false}]'


def described(text: str, *paths: str, **files: bytes):
    return describe(["MLmodel", *paths], lambda path: text.encode() if path == "MLmodel" else files.get(path, b""))


@pytest.mark.parametrize(
    ("flavors", "path", "found"),
    [
        ("sklearn: {serialization_format: skops, pickled_model: model.skops}", "model.skops", "skops"),
        ("sklearn: {serialization_format: cloudpickle, pickled_model: model.pkl}", "model.pkl", "mlflow"),
        ("xgboost: {data: model.ubj, model_class: xgboost.sklearn.XGBClassifier}", "model.ubj", "xgboost"),
        ("xgboost: {data: model.ubj, model_class: mine.Model}", "model.ubj", "mlflow"),
        ("onnx: {data: model.onnx}", "model.onnx", "onnx"),
        ("python_function: {loader_module: mlflow.pyfunc.model}", "python_model.pkl", "mlflow"),
    ],
)
def test_a_flavour_is_loaded_natively_where_that_is_safe_and_equal(flavors, path, found):
    model = described(f"flavors:\n  {flavors}\n", path)
    assert (model.format, model.executes_code) == (found, found == "mlflow")
    assert model.files == tuple(sorted(["MLmodel", path]))


@pytest.mark.parametrize(
    ("method", "booster_format", "estimator_format"),
    [("predict", "onnx", "skops"), ("predict_proba", "mlflow", "skops")],
)
def test_another_method_than_predict_is_native_only_to_estimators(method, booster_format, estimator_format):
    def format_of(flavor: str, file: str) -> str:
        pyfunc = f"python_function: {{loader_module: mlflow.{flavor.partition(':')[0]}, predict_fn: {method}}}"
        return described(f"flavors:\n  {flavor}\n  {pyfunc}\n", file).format

    assert format_of("onnx: {data: model.onnx}", "model.onnx") == booster_format
    estimator = "sklearn: {serialization_format: skops, pickled_model: model.skops}"
    assert format_of(estimator, "model.skops") == estimator_format


def test_columns_tensors_and_optional_inputs_become_a_signature():
    found = read_signature({"inputs": COLUMNS, "outputs": '[{"type": "double"}]'})
    assert found == Signature((("a", "float64"), ("n", "int64")), (("output", "float64"),), ("n",))
    assert read_signature(write_signature(found)) == found
    tensor = '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]'
    assert read_signature({"inputs": tensor}).inputs == (("x0", "float32"), ("x1", "float32"), ("x2", "float32"))


@pytest.mark.parametrize("text", ["", "[", "- 1", "flavors: 3", "[" * 50_000, "a: !!python/name:os.system", "\x00"])
def test_a_file_that_is_no_mlmodel_is_refused(text):
    with pytest.raises(TidewheelError):
        described(text)


@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ("{a: ", "}"), ("- ", "")])
def test_a_file_nested_more_deeply_than_any_model_is_refused(opened, closed):
    def nested(levels):
        return f"a:\n  {opened * levels}1{closed * levels}".encode()

    assert parse(nested(63))["a"]
    with pytest.raises(InvalidInput, match="nested more than 64 deep"):
        parse(nested(64))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), VALUES), st.booleans())
def test_a_document_reads_as_yamls_own_loader_reads_it(document, flow):
    text = yaml.safe_dump(document, default_flow_style=flow)
    assert parse(text.encode()) == yaml.safe_load(text) == document


def test_a_folder_without_an_mlmodel_file_and_one_too_long_are_refused():
    with pytest.raises(NotFound, match="no MLmodel file"):
        describe(["model.pkl"], lambda path: b"")
    with pytest.raises(TidewheelError, match="more than"):
        described("#" * 600_000)


@pytest.mark.slow  # MLflow takes seconds to import, each time
@pytest.mark.parametrize("make", [booster, xgboost_booster, forest])
def test_what_is_logged_is_loaded_by_mlflow_itself(make, registry, tmp_path):
    pytest.importorskip("mlflow")
    version = log_model(make(), "surge", inputs=["a", "b", "c"])
    registry.fetch(version.id, tmp_path / "model")
    script = (
        "import sys, json, warnings; warnings.simplefilter('ignore'); import mlflow.pyfunc, pandas as pd, numpy as np\n"
        "frame = pd.DataFrame(json.loads(sys.argv[2]), columns=['a', 'b', 'c'])\n"
        "print(json.dumps(np.asarray(mlflow.pyfunc.load_model(sys.argv[1]).predict(frame), float).tolist()))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "model"), json.dumps(ROWS[:5].tolist())]
    said = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert said.returncode == 0, said.stderr
    answers = np.array(json.loads(said.stdout.splitlines()[-1])).reshape(5, -1)[:, -1]
    np.testing.assert_allclose(registry.load(version.id).predict(ROWS[:5])[:, 0], answers, rtol=1e-6)


def test_a_logged_version_knows_its_sample_environment_and_latency(registry):
    version = log_model(booster(), "surge", inputs=["a", "b", "c"])
    assert {"load_ms", "latency_p50_us", "latency_p99_us", "batch_row_us"} == set(version.measured)
    assert "lightgbm" in version.environment["packages"]
