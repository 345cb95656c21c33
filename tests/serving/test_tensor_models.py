"""Models of images and token ids, asked by tritonclient as NVIDIA ships it, in JSON, as MLflow asks, and in batch."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton
from tests.registry.tensor_models import exported, image_answers, image_graph, network, pair_graph, table_graph
from tests.serving.house import Client, open_house, until
from tests.serving.models import Adding
from tritonclient.utils import InferenceServerException

import tidewheel as tw
from tidewheel.base import ambient
from tidewheel.base.errors import InvalidInput
from tidewheel.registry.tensor_tables import column_values, table_of_rows
from tidewheel.serving.batch import BatchOptions

pytest.importorskip("onnx")
IMAGES = np.random.default_rng(3).normal(size=(5, 3, 4, 4)).astype(np.float32)
MEAN, HALVED = image_answers(IMAGES)
SPEC = tw.TensorSpec("image", (-1, 3, 4, 4))


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """`vision` takes images, mirrored to a second version; `apart` has a process of its own; `tokens` takes two."""
    opened = open_house(tmp_path_factory.mktemp("home"))
    token = ambient.enter([opened.registry])
    first, second = (tw.log_model(image_graph(), "vision") for _ in range(2))
    tokens = tw.log_model(pair_graph(), "tokens")
    square = tw.log_model(table_graph(), "square", inputs=["a", "b", "c", "d"])
    ambient.leave(token)
    opened.version = first
    for name in ("vision", "apart", "tokens", "square"):
        opened.serving.create_endpoint(name)
    opened.serving.configure_endpoint("apart", isolated=True)
    opened.serving.set_route("vision", {first.id: 100.0}, [second.id])
    for name, version in (("apart", first), ("tokens", tokens), ("square", square)):
        opened.serving.set_route(name, {version.id: 100.0})
    opened.deploy_as("table", Adding(1.0))
    opened.group = opened.start(log_tensor_values=8)
    yield opened
    opened.close()


@pytest.fixture(params=["http", "grpc"])
def asked(request, house):
    """A client of either protocol, and its module."""
    module, port = (triton, house.group.port) if request.param == "http" else (triton_grpc, house.group.grpc_port)
    with module.InferenceServerClient(f"{house.group.host}:{port}") as client:
        yield client, module


@pytest.fixture
def client(house):
    opened = Client(house.group)
    yield opened
    opened.close()


def tensor(module, name, values, datatype):
    made = module.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values)
    return made


def test_metadata_says_the_real_shapes_and_datatypes(client):
    told = client.request("GET", "/v2/models/vision").json
    assert told["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 3, 4, 4]}]
    assert told["outputs"] == [
        {"name": "mean", "datatype": "FP32", "shape": [-1, 3]},
        {"name": "halved", "datatype": "FP32", "shape": [-1, 3, 2, 2]},
    ]
    assert told["parameters"]["alternatives"] == [["image"]]
    tokens = client.request("GET", "/v2/models/tokens").json["inputs"]
    assert [(each["name"], each["datatype"], each["shape"]) for each in tokens] == [
        ("ids", "INT64", [-1, 4]),
        ("weights", "FP32", [-1, 4]),
    ]


def test_configurations_have_rows_shapes_and_tritons_types(asked):
    client, module = asked
    more = {} if module is triton else {"as_json": True}
    config = client.get_model_config("vision", **more)
    config = config.get("config", config)
    said = [(each["name"], each["data_type"], [int(size) for size in each["dims"]]) for each in config["output"]]
    assert said == [("mean", "TYPE_FP32", [3]), ("halved", "TYPE_FP32", [3, 2, 2])]
    (image,) = config["input"]
    assert (image["data_type"], [int(size) for size in image["dims"]]) == ("TYPE_FP32", [3, 4, 4])
    score = client.get_model_config("tokens", **more)
    score = score.get("config", score)["output"][0]
    assert (score["dims"] in ([1], ["1"]), score["reshape"].get("shape", [])) == (True, [])


@pytest.mark.parametrize("endpoint", ["vision", "apart"])
def test_images_are_answered_in_binary_by_both_protocols(asked, endpoint):
    client, module = asked
    answer = client.infer(endpoint, [tensor(module, "image", IMAGES, "FP32")])
    np.testing.assert_allclose(answer.as_numpy("mean"), MEAN, rtol=1e-5)
    assert answer.as_numpy("halved").dtype == np.float32
    np.testing.assert_array_equal(answer.as_numpy("halved"), HALVED)
    part = client.infer(
        endpoint, [tensor(module, "image", IMAGES[:1], "FP32")], outputs=[module.InferRequestedOutput("halved")]
    )
    assert part.as_numpy("mean") is None
    np.testing.assert_array_equal(part.as_numpy("halved"), HALVED[:1])


def test_several_inputs_come_by_name_in_any_order_and_in_other_datatypes(asked):
    client, module = asked
    ids, weights = np.array([[1, 2, 3, 4], [0, 0, 0, 1]]), np.full((2, 4), 0.5)
    given = [tensor(module, "weights", weights, "FP64"), tensor(module, "ids", ids.astype(np.int32), "INT32")]
    answer = client.infer("tokens", given)
    assert answer.as_numpy("score").tolist() == [5.0, 0.5]
    assert answer.as_numpy("echo").dtype == np.int64
    assert answer.as_numpy("echo").tolist() == ids.tolist()


@pytest.mark.parametrize(
    ("endpoint", "inputs", "says"),
    [
        ("vision", [("image", IMAGES[:, :, :3])], r"shape \[5, 3, 3, 4\], and the model takes \[-1, 3, 4, 4\]"),
        ("vision", [("image", IMAGES[0])], r"takes \[-1, 3, 4, 4\]"),
        ("tokens", [("ids", IMAGES[0, 0])], "'weights' is missing"),
        ("tokens", [("ids", IMAGES[0, 0]), ("weights", IMAGES[0, 0])], "int64 in the version's signature"),
        ("tokens", [("features", IMAGES[0, 0])], "knows no input 'features'"),
        ("tokens", [("ids", np.ones((1, 4), "f4")), ("weights", np.ones((2, 4), "f4"))], "differ in their number"),
        ("table", [("features", IMAGES)], "the model takes 2 features"),
        ("table", [("a", IMAGES), ("b", IMAGES)], "48 values in one row"),
    ],
)
def test_a_wrong_shape_is_told_what_is_taken(asked, endpoint, inputs, says):
    client, module = asked
    with pytest.raises(InferenceServerException, match=says):
        client.infer(endpoint, [tensor(module, name, values, "FP32") for name, values in inputs])


@pytest.mark.parametrize(
    "shaped",
    [
        lambda images: {"shape": list(images.shape), "data": images.tolist()},
        lambda images: {"shape": list(images.shape), "data": images.ravel().tolist()},
        lambda images: {"shape": [len(images), 48], "data": images.reshape(-1, 48).tolist()},
    ],
)
def test_json_may_be_nested_or_flat(client, shaped):
    body = {"inputs": [{"name": "image", "datatype": "FP32", **shaped(IMAGES)}]}
    mean, halved = client.request("POST", "/v2/models/vision/infer", body).json["outputs"]
    assert (halved["datatype"], halved["shape"]) == ("FP32", [5, 3, 2, 2])
    np.testing.assert_array_equal(np.array(halved["data"], np.float32).reshape(HALVED.shape), HALVED)
    np.testing.assert_allclose(mean["data"], MEAN.ravel(), rtol=1e-5)


def test_typed_contents_of_grpc_are_answered_with_typed_contents(house):
    import grpc
    from tests.serving.grpc_house import SERVICE
    from tritonclient.grpc import service_pb2

    request = service_pb2.ModelInferRequest(model_name="tokens")
    request.inputs.add(name="ids", datatype="INT64", shape=[1, 4]).contents.int64_contents.extend([1, 2, 3, 4])
    request.inputs.add(name="weights", datatype="FP32", shape=[1, 4]).contents.fp32_contents.extend([1, 1, 0, 0])
    with grpc.insecure_channel(f"{house.group.host}:{house.group.grpc_port}") as channel:
        data = channel.unary_unary(f"/{SERVICE}/ModelInfer")(request.SerializeToString())
    score, echo = service_pb2.ModelInferResponse.FromString(data).outputs
    assert (list(score.contents.fp32_contents), list(score.shape)) == ([3.0], [1])
    assert (list(echo.contents.int64_contents), list(echo.shape), echo.datatype) == ([1, 2, 3, 4], [1, 4], "INT64")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([[[1.0]]], "input 'image'"),
        ([[[[1.0] * 4] * 4, [[1.0] * 4] * 4, [[1.0] * 4] * 3]], "dimension 2"),
        ([[[["x"] * 4] * 4] * 3], "input 'image'"),
    ],
)
def test_lists_that_are_no_tensor_are_refused(client, data, says):
    body = {"inputs": [{"name": "image", "datatype": "FP32", "shape": [1, 3, 4, 4], "data": data}]}
    answer = client.request("POST", "/v2/models/vision/infer", body)
    assert (answer.status, says in answer.json["error"]) == (400, True), answer.json


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": IMAGES.tolist()},
        {"instances": IMAGES.tolist()},
        {"inputs": {"image": IMAGES.tolist()}},
        {"instances": [{"image": image} for image in IMAGES.tolist()]},
    ],
)
def test_mlflows_formats_take_tensors_and_give_them_back(client, body):
    predictions = client.request("POST", "/v2/models/vision/invocations", body).json["predictions"]
    halved = np.array([each["halved"] for each in predictions], np.float32)
    np.testing.assert_array_equal(halved, HALVED)
    np.testing.assert_allclose([each["mean"] for each in predictions], MEAN, rtol=1e-5)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"inputs": [[[1.0, 2.0], [1.0]]]}, "differ in length"),
        ({"inputs": {"image": [[[{"a": 1}]]]}}, "different depths"),
        ({"instances": [[[1.0]], {"image": 1}]}, "differ in length"),
        ({"inputs": [[["x"]]]}, "where a number is wanted"),
        ({"inputs": [[[1.0]]]}, "takes [-1, 3, 4, 4]"),
        ({"inputs": [[[1.0]]], "instances": [[[1.0]]]}, "not a scoring request"),
        ({"instances": [{"image": [[{"a": 1}]]}]}, "different depths"),
        ({"instances": [{"image": [{"a": 1}]}]}, "different depths"),
    ],
)
def test_what_is_no_tensor_in_mlflows_formats_is_refused(client, body, says):
    answer = client.request("POST", "/v2/models/vision/invocations", body)
    assert (answer.status, says in answer.json["error"]) == (400, True), answer.json


def test_large_inputs_are_left_out_of_the_log_and_small_ones_are_not(house, asked):
    client, module = asked
    kind = module.__name__.split(".")[-1]
    client.infer("vision", [tensor(module, "image", IMAGES[:2], "FP32")], request_id=f"images-{kind}")
    row = np.array([[1, 2, 3, 4]])
    given = [tensor(module, "ids", row, "INT64"), tensor(module, "weights", row.astype("f4"), "FP32")]
    client.infer("tokens", given, request_id=f"tokens-{kind}")
    logged = house.log.find([f"images-{kind}:0", f"images-{kind}:1", f"tokens-{kind}"])
    first = logged[f"images-{kind}:0"]
    assert (first.features, first.status, first.arm) == (b"", 200, "live")
    np.testing.assert_allclose(first.output_values(), np.append(MEAN[0], HALVED[0].ravel()), rtol=1e-5)
    assert logged[f"tokens-{kind}"].feature_values().tolist() == [1, 2, 3, 4, 1, 2, 3, 4]
    until(lambda: any(each.arm == "shadow" and each.id == f"images-{kind}:0" for each in house.records()[0]))
    shadowed = [each for each in house.records()[0] if each.arm == "shadow" and each.id == f"images-{kind}:0"]
    assert [(each.features, each.outputs) for each in shadowed] == [(b"", first.outputs)]


def test_columns_may_be_answered_with_a_tensor(client):
    columns = [
        {"name": name, "datatype": "FP64", "shape": [2], "data": [place, place + 4]}
        for place, name in enumerate("abcd")
    ]
    (square,) = client.request("POST", "/v2/models/square/infer", {"inputs": columns}).json["outputs"]
    assert (square["datatype"], square["shape"], square["data"]) == ("FP32", [2, 2, 2], list(range(8)))


def test_why_is_not_answered_of_tensors(client):
    tensor_ = {"name": "image", "datatype": "FP32", "shape": [1, 3, 4, 4], "data": [0.5] * 48}
    answer = client.request("POST", "/v2/models/vision/infer", {"inputs": [tensor_], "parameters": {"explain": True}})
    assert (answer.status, "explanations are of columns" in answer.json["error"]) == (400, True)


@pytest.mark.parametrize("flat", [True, False])
def test_batch_scores_columns_of_lists(house, tmp_path, flat):
    specs = [tw.TensorSpec("image", (-1, 48))] if flat else [SPEC]
    source = table_of_rows(IMAGES.reshape(5, -1).astype(np.float64), specs)
    pq.write_table(source, tmp_path / "in.parquet")
    place = str(tmp_path / "in.parquet")
    told = house.serving.batch(house.version.id, place, str(tmp_path / "out.parquet"), BatchOptions(workers=1))
    assert (told.rows, told.rejected) == (5, 0)
    answered = pq.read_table(tmp_path / "out.parquet")
    assert answered.column_names == ["image", "mean", "halved"]
    np.testing.assert_array_equal(column_values("halved", answered["halved"]), HALVED)
    with pytest.raises(InvalidInput, match="several values a row"):
        house.serving.batch(house.version.id, place, str(tmp_path / "out.csv"), BatchOptions(workers=1))


@pytest.mark.slow  # PyTorch is imported here, where the version is tried, and in the worker
def test_a_torch_export_program_is_served(tmp_path):
    torch = pytest.importorskip("torch")
    opened = open_house(tmp_path)
    token = ambient.enter([opened.registry])
    version = tw.log_model(exported(), "network", outputs=["logits"], trust=True)
    ambient.leave(token)
    opened.serving.create_endpoint("network")
    opened.serving.set_route("network", {version.id: 100.0})
    with torch.inference_mode():
        expected = network().eval()(torch.from_numpy(IMAGES)).numpy()
    try:
        group = opened.start()
        for module, port in ((triton, group.port), (triton_grpc, group.grpc_port)):
            with module.InferenceServerClient(f"{group.host}:{port}") as client:
                taken = version.signature.input_names[0]
                answer = client.infer("network", [tensor(module, taken, IMAGES, "FP32")])
            np.testing.assert_allclose(answer.as_numpy("logits"), expected, rtol=1e-4, atol=1e-5)
    finally:
        opened.close()
