"""Whatever bytes come as a gRPC request, the worker answers or refuses them in words, and lives."""

import grpc
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.serving.grpc_house import start_grpc_worker
from tests.serving.house import open_house
from tests.serving.models import Adding

from tidewheel.serving.worker.binary_tensors import DTYPES
from tidewheel.serving.worker.grpc.messages import ModelInferRequest, ModelInferResponse

FINE = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
METHODS = ("ModelReady", "ModelMetadata", "ServerMetadata", "RepositoryIndex", "RepositoryModelLoad", "ServerLive")
often = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One home: `surge` adds 10, `priced` looks features up by zone."""
    opened = open_house(tmp_path_factory.mktemp("home"))
    opened.deploy(Adding(10.0))
    looked_up = opened.register_zones(Adding(0.0))
    opened.serving.create_endpoint("priced")
    opened.serving.set_route("priced", {looked_up.id: 100.0})
    opened.worker = start_grpc_worker(opened)
    opened.infer = opened.worker.method("ModelInfer")
    yield opened
    assert opened.worker.process.poll() is None
    assert "Traceback" not in opened.said()
    opened.worker.close()
    opened.close()


def fitting():
    message = ModelInferRequest(model_name="surge")
    message.inputs.add(name="features", datatype="FP64", shape=[1, 2]).contents.fp64_contents.extend([1.0, 2.0])
    return message.SerializeToString()


def code_of(method, data):
    try:
        method(data, timeout=10)
    except grpc.RpcError as refusal:
        return refusal.code() if refusal.details() else None  # without words, no refusal is fine
    return grpc.StatusCode.OK


@st.composite
def requests(draw):
    """Requests that are messages, with contents that need not fit anything."""
    message = ModelInferRequest(
        model_name=draw(st.sampled_from(["surge", "priced", "surge", "", "nobody"])),
        model_version=draw(st.sampled_from(["", "", "1", "9", "é"])),
        id=draw(st.text(max_size=3)) * draw(st.sampled_from([1, 1, 100])),
    )
    for _ in range(draw(st.integers(0, 3))):
        tensor = message.inputs.add(
            name=draw(st.sampled_from(["features", "a", "b", "zone", "drivers", "demand", "é" * 5000])),
            datatype=draw(st.sampled_from([*DTYPES, "BYTES", "what"])),
            shape=draw(st.lists(st.sampled_from([1, 2, 1, 0, -1, 2**63 - 1]), max_size=3)),
        )
        kind = draw(st.sampled_from([None, "fp64_contents", "fp32_contents", "int64_contents", "bytes_contents"]))
        if kind is not None:
            values = st.binary(max_size=4) if kind == "bytes_contents" else st.integers(-3, 3)
            getattr(tensor.contents, kind).extend(draw(st.lists(values, max_size=4)))
    message.raw_input_contents.extend(draw(st.lists(st.binary(max_size=32), max_size=draw(st.sampled_from([0, 0, 3])))))
    for name in draw(st.lists(st.sampled_from(["key", "timeout", "explain", "é"]), max_size=2)):
        choice = draw(st.sampled_from(["bool_param", "int64_param", "string_param", "double_param", "uint64_param"]))
        values = {"string_param": st.text(max_size=300), "double_param": st.floats(), "bool_param": st.booleans()}
        setattr(message.parameters[name], choice, draw(values.get(choice, st.integers(0, 2**63 - 1))))
    for name in draw(st.lists(st.sampled_from(["p", "q"]), max_size=2)):
        message.outputs.add(name=name)
    return message.SerializeToString()


@st.composite
def mutations(draw):
    """Bytes that were a message before some were changed, cut out or repeated."""
    data = bytearray(draw(st.one_of(st.just(fitting()), requests())))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(len(data) - 1, 0)))
        end = draw(st.integers(start, min(start + 8, len(data))))
        data[start:end] = draw(st.sampled_from([b"", bytes(data[start:end]) * 2, draw(st.binary(max_size=8))]))
    return bytes(data)


def test_a_request_that_fits_is_answered(shared):
    response = ModelInferResponse.FromString(shared.infer(fitting()))
    assert response.outputs[0].contents.fp64_contents == [13.0]


@often
@given(requests())
def test_messages_that_fit_nothing_are_refused(shared, data):
    assert code_of(shared.infer, data) in FINE


@often
@given(mutations())
def test_mutated_messages_are_answered_or_refused(shared, data):
    assert code_of(shared.infer, data) in FINE


@often
@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_answered_or_refused(shared, data):
    assert code_of(shared.infer, data) in FINE


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(METHODS), st.binary(max_size=60))
def test_arbitrary_bytes_to_other_methods_are_answered_or_refused(shared, name, data):
    assert code_of(shared.worker.method(name), data) in FINE
