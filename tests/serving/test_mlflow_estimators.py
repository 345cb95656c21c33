"""scikit-learn models that MLflow saved answer as its own pyfunc does; text columns are refused by their names."""

import subprocess
import sys

import numpy as np
import pytest

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.mlmodel import describe

SAVE = """
import sys, warnings; warnings.simplefilter("ignore")
from pathlib import Path
import mlflow, numpy as np, pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

home = Path(sys.argv[1])
rng = np.random.default_rng(3)
table = pd.DataFrame(rng.normal(size=(200, 3)), columns=["a", "b", "c"])
labels = (table.a + table.b > 0).astype(int)
two, three = LogisticRegression().fit(table, labels), LogisticRegression().fit(table, labels + (table.c > 0))
answers = {}
for name, model, method, kept in (
    ("proba", two, "predict_proba", "skops"),
    ("classes", three, "predict_proba", "skops"),
    ("labels", two, "predict", "skops"),
    ("logs", two, "predict_log_proba", "skops"),
    ("pickled", two, "predict_proba", "cloudpickle"),
):
    signature = infer_signature(table, getattr(model, method)(table))
    mlflow.sklearn.save_model(model, home / name, signature=signature, pyfunc_predict_fn=method,
                              serialization_format=kept, input_example=table[:5], pip_requirements=[])
    answers[name] = np.asarray(mlflow.pyfunc.load_model(str(home / name)).predict(table[:5])).reshape(5, -1)
np.savez(home / "answers.npz", rows=table[:5].to_numpy(), **answers)

city = pd.DataFrame({"city": ["Rome", "Oslo"] * 100, "a": table.a})
encoder = make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough")
mixed = make_pipeline(encoder, LogisticRegression()).fit(city, labels)
mlflow.sklearn.save_model(mixed, home / "mixed", signature=infer_signature(city, mixed.predict(city)),
                          serialization_format="skops", input_example=city[:3], pip_requirements=[])
"""
pytestmark = pytest.mark.slow  # MLflow takes seconds to import


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder of models that a process of its own has saved with MLflow, and what its pyfunc answers."""
    pytest.importorskip("mlflow")
    home = tmp_path_factory.mktemp("saved")
    done = subprocess.run([sys.executable, "-c", SAVE, str(home)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return home


def register(house, folder):
    paths = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    found = describe(paths, lambda path: (folder / path).read_bytes())
    return house.registry.register(
        folder.name, format=found.format, folder=folder, signature=found.signature, trust=found.executes_code
    )


def test_the_method_that_mlflow_was_told_to_predict_with_is_the_one_that_answers(house, connect, saved):
    names = ("proba", "classes", "labels", "logs", "pickled")
    formats = {}
    for name in names:
        version = register(house, saved / name)
        formats[name] = version.format
        house.serving.create_endpoint(name)
        house.serving.set_route(name, {version.id: 100.0})
    assert formats == {name: "mlflow" if name == "pickled" else "skops" for name in names}
    client = connect(house.start())
    with np.load(saved / "answers.npz") as own:
        assert own["proba"].shape == own["pickled"].shape == (5, 2)
        for name in names:
            answer = client.infer(*own["rows"].tolist(), path=name)
            assert answer.status == 200, answer.body
            columns = [each["data"] for each in answer.json["outputs"]]
            np.testing.assert_allclose(np.column_stack(columns), own[name], rtol=1e-9)


def test_a_faster_runtime_of_it_answers_both_probabilities_too(house, saved):
    pytest.importorskip("skl2onnx")
    version = register(house, saved / "proba")
    with np.load(saved / "answers.npz") as own:
        columns = dict(zip("abc", own["rows"].T.tolist(), strict=True))
        faster = house.registry.optimize(version.id, "onnx", rows=columns)
        house.serving.create_endpoint("proba")
        house.serving.set_route("proba", {faster.id: 100.0})
        answered = house.registry.answers(faster.id, own["rows"]).outputs[0]
        np.testing.assert_allclose(answered, own["proba"], atol=1e-5)


def test_a_model_of_text_columns_is_refused_at_deployment_by_their_names(house, saved):
    version = register(house, saved / "mixed")
    house.serving.create_endpoint("mixed")
    with pytest.raises(InvalidInput, match=r"not numbers: city \(text\).*encode the columns before the model"):
        house.serving.set_route("mixed", {version.id: 100.0})
    with pytest.raises(InvalidInput, match=r"not numbers: city \(text\)"):
        house.registry.optimize(version.id)
