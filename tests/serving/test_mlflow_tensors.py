"""Models of images that MLflow saved, from its folder to an answer: an ONNX graph natively, others by MLflow itself."""

import subprocess
import sys

import numpy as np
import pytest
import tritonclient.http as triton
from tests.registry.tensor_models import image_answers, image_graph
from tests.serving.house import Client, until

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.mlmodel import describe

SAVE = """
import sys, warnings; warnings.simplefilter("ignore")
import mlflow, numpy as np
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import Schema, TensorSpec

class Brightest(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        assert (model_input.dtype, model_input.ndim) == (np.float32, 4), (model_input.dtype, model_input.shape)
        return model_input.max(axis=(2, 3))

class Sum(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        assert sorted(model_input) == ["bias", "image"] and model_input["bias"].dtype == np.int64
        return {"total": model_input["image"].sum(axis=(1, 2, 3)) + model_input["bias"]}

images, bias = np.zeros((2, 3, 4, 4), np.float32), np.zeros(2, np.int64)
given = {"mean": images.mean(axis=(2, 3)), "halved": images[:, :, ::2, ::2]}
saved = dict(signature=infer_signature({"image": images}, given), input_example={"image": images}, pip_requirements=[])
if sys.argv[1] == "graph":
    import onnx
    mlflow.onnx.save_model(onnx.load(sys.argv[3]), sys.argv[2], **saved)
elif sys.argv[1] == "lone":
    signature = infer_signature(images, images.max(axis=(2, 3)))
    mlflow.pyfunc.save_model(sys.argv[2], python_model=Brightest(), signature=signature, pip_requirements=[])
elif sys.argv[1] == "free":
    signature = ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, 3, -1, -1))]))
    mlflow.pyfunc.save_model(sys.argv[2], python_model=Brightest(), signature=signature, pip_requirements=[])
else:
    signature = infer_signature({"bias": bias, "image": images}, {"total": images.sum(axis=(1, 2, 3))})
    mlflow.pyfunc.save_model(sys.argv[2], python_model=Sum(), signature=signature, pip_requirements=[])
"""
IMAGES = np.random.default_rng(3).normal(size=(5, 3, 4, 4)).astype(np.float32)


def saved_by_mlflow(house, kind):
    """A version of what a process of its own has saved with MLflow."""
    pytest.importorskip("mlflow")
    pytest.importorskip("onnx")
    folder, graph = house.home / kind, house.home / "graph.onnx"
    graph.write_bytes(image_graph())
    command = [sys.executable, "-c", SAVE, kind, str(folder), str(graph)]
    saved = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert saved.returncode == 0, saved.stderr
    paths = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    found = describe(paths, lambda path: (folder / path).read_bytes())
    return house.registry.register(
        kind, format=found.format, folder=folder, signature=found.signature, trust=found.executes_code
    )


def serve(house, version, name):
    house.serving.create_endpoint(name)
    house.serving.set_route(name, {version.id: 100.0})
    return house.start()


@pytest.mark.slow  # MLflow takes seconds to import, each time
def test_an_onnx_graph_is_served_natively_in_the_shapes_of_its_signature(house):
    version = saved_by_mlflow(house, "graph")
    assert (version.format, version.signature.input_shapes) == ("onnx", ((-1, 3, 4, 4),))
    assert version.signature.output_names == ("mean", "halved")
    group = serve(house, version, "vision")
    tensor = triton.InferInput("image", list(IMAGES.shape), "FP32")
    tensor.set_data_from_numpy(IMAGES)
    with triton.InferenceServerClient(f"{group.host}:{group.port}") as client:
        answer = client.infer("vision", [tensor])
    mean, halved = image_answers(IMAGES)
    np.testing.assert_allclose(answer.as_numpy("mean"), mean, rtol=1e-5)
    np.testing.assert_array_equal(answer.as_numpy("halved"), halved)


@pytest.mark.slow
def test_an_unnamed_tensor_is_called_features_and_reaches_the_model_as_an_array(house, connect):
    version = saved_by_mlflow(house, "lone")
    assert (version.format, version.signature.inputs) == ("mlflow", (("features", "float32"),))
    client = connect(serve(house, version, "vision"))
    answer = client.request("POST", "/v2/models/vision/invocations", {"inputs": IMAGES.tolist()})
    np.testing.assert_allclose(answer.json["predictions"], IMAGES.max(axis=(2, 3)), rtol=1e-6)


@pytest.mark.slow
def test_named_tensors_reach_the_model_by_name_and_a_free_size_is_refused_at_deployment(house):
    version = saved_by_mlflow(house, "named")
    group = serve(house, version, "sum")
    client = Client(group)
    body = {"inputs": {"image": IMAGES.tolist(), "bias": [1, 2, 3, 4, 5]}}
    predictions = client.request("POST", "/v2/models/sum/invocations", body).json["predictions"]
    client.close()
    np.testing.assert_allclose(predictions, IMAGES.sum(axis=(1, 2, 3)) + np.arange(1, 6), rtol=1e-5)
    until(lambda: len(house.records()[0]) == 5)
    free = saved_by_mlflow(house, "free")
    house.serving.create_endpoint("free")
    with pytest.raises(InvalidInput, match="more free than the rows"):
        house.serving.set_route("free", {free.id: 100.0})
