"""A folder that MLflow saved of a flavour without a native format: loaded by MLflow, in a process of its own."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tidewheel.base.errors import NotAllowed
from tidewheel.registry.mlmodel import describe

SAVE = """
import sys, warnings; warnings.simplefilter("ignore")
import mlflow.pyfunc, numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

class Weighted(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        assert list(model_input.columns) == ["minutes", "riders"], model_input.columns
        assert str(model_input["riders"].dtype) == "int64", model_input.dtypes
        return model_input["minutes"] * 2.0 + model_input["riders"]

signature = ModelSignature(
    Schema([ColSpec("double", "minutes"), ColSpec("long", "riders")]), Schema([ColSpec("double", "price")])
)
mlflow.pyfunc.save_model(sys.argv[1], python_model=Weighted(), signature=signature, pip_requirements=[])
"""


@pytest.mark.slow  # MLflow takes seconds to import, each time
def test_a_python_model_that_mlflow_saved_answers_once_it_is_trusted(registry, tmp_path):
    pytest.importorskip("mlflow")
    folder = tmp_path / "saved"
    saved = subprocess.run([sys.executable, "-c", SAVE, str(folder)], capture_output=True, text=True, timeout=100)
    assert saved.returncode == 0, saved.stderr
    paths = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    found = describe(paths, lambda path: (folder / path).read_bytes())
    assert (found.format, found.executes_code, found.signature.output_names) == ("mlflow", True, ("price",))
    version = registry.register("surge", format=found.format, folder=folder, signature=found.signature, trust=True)
    rows = np.array([[1.5, 2.0], [4.0, 1.0]])
    np.testing.assert_array_equal(registry.answers(version.id, rows).outputs[0], [[5.0], [9.0]])


def test_nothing_of_a_folder_runs_until_someone_vouches_for_it(registry, tmp_path: Path):
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors:\n  python_function: {loader_module: mine}\n")
    (folder / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    found = describe(["MLmodel", "mine.py"], lambda path: (folder / path).read_bytes())
    version = registry.register("surge", format="mlflow", folder=folder, signature=found.signature, trust=True)
    untrusted = replace(version, trusted_by=None)
    with pytest.raises(NotAllowed, match=r"nobody vouched.*models trust surge/1`"):
        registry.try_out(untrusted, folder, [])
    assert not (tmp_path / "ran").exists()
