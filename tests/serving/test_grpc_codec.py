"""What gRPC's messages mean: tensors of every datatype, raw and typed, and what is refused in words. No connection."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tritonclient.grpc import model_config_pb2, service_pb2

from tidewheel.base import errors
from tidewheel.base.errors import InvalidInput
from tidewheel.serving.worker.binary_tensors import DTYPES
from tidewheel.serving.worker.call_options import deadline_of, key_among
from tidewheel.serving.worker.calls import Answer
from tidewheel.serving.worker.grpc.codec import read_request, write_answer
from tidewheel.serving.worker.grpc.messages import MESSAGES, ModelInferRequest, ModelInferResponse
from tidewheel.serving.worker.grpc.status import CODES, details_of
from tidewheel.serving.worker.grpc.tensors import CONTENTS

FOLDER = files("tidewheel.serving.worker.grpc")
INTEGERS = {name: np.iinfo(np.dtype(kind)) for name, kind in DTYPES.items() if "INT" in name}
FLOATS = {"FP32": 32, "FP64": 64}


def request_of(datatype, shape, *, raw=None, contents=None, **values):
    """A request with one input; its values raw, or in the list that `contents` names or its datatype has."""
    message = ModelInferRequest(model_name="surge")
    tensor = message.inputs.add(name="x", datatype=datatype, shape=shape)
    if raw is not None:
        message.raw_input_contents.append(raw)
    if "typed" in values:
        getattr(tensor.contents, contents or CONTENTS[datatype]).extend(values["typed"])
    return message.SerializeToString()


def input_of(data):
    (tensor,) = read_request(data).inputs
    return tensor


@st.composite
def tensors(draw):
    """A numeric datatype that has a typed list, a shape, and values for it."""
    datatype = draw(st.sampled_from([*INTEGERS, *FLOATS, "BOOL"]))
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=2))
    if datatype in INTEGERS:
        values = st.integers(int(INTEGERS[datatype].min), int(INTEGERS[datatype].max))
    else:
        values = st.booleans() if datatype == "BOOL" else st.floats(width=FLOATS[datatype])
    count = int(np.prod(shape))
    return datatype, shape, draw(st.lists(values, min_size=count, max_size=count))


@given(tensors())
def test_numbers_mean_the_same_raw_and_typed(tensor):
    datatype, shape, values = tensor
    expected = np.array(values, DTYPES[datatype]).astype(float).reshape(shape)
    raw = request_of(datatype, shape, raw=np.array(values, DTYPES[datatype]).tobytes())
    typed = request_of(datatype, shape, typed=values)
    assert np.array_equal(input_of(raw).numbers(), expected, equal_nan=True)
    assert np.array_equal(input_of(typed).numbers(), expected, equal_nan=True)
    assert (read_request(raw).raw, read_request(typed).raw) == (True, False)


@given(st.lists(st.floats(width=16), min_size=1, max_size=20))
def test_half_precision_goes_raw(values):
    halves = np.array(values, "<f2")
    found = input_of(request_of("FP16", [len(values)], raw=halves.tobytes())).numbers()
    assert np.array_equal(found, halves.astype(float), equal_nan=True)
    brains = np.array(values, "<f4").view("<u4") >> 16
    found = input_of(request_of("BF16", [len(values)], raw=brains.astype("<u2").tobytes())).numbers()
    assert np.array_equal(found, (brains << 16).astype("<u4").view("<f4").astype(float), equal_nan=True)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=8))
def test_texts_mean_the_same_raw_and_typed(texts):
    elements = [text.encode() for text in texts]
    raw = b"".join(len(element).to_bytes(4, "little") + element for element in elements)
    assert input_of(request_of("BYTES", [len(texts)], raw=raw)).texts() == texts
    assert input_of(request_of("BYTES", [len(texts)], typed=elements)).texts() == texts


def test_integers_may_be_keys():
    assert input_of(request_of("INT64", [2], typed=[7, -2])).texts() == ["7", "-2"]


@given(tensors(), st.integers(-8, 8).filter(bool))
def test_raw_bytes_too_many_or_too_few_are_refused(tensor, difference):
    datatype, shape, values = tensor
    raw = np.array(values, DTYPES[datatype]).tobytes()
    cut = raw[:difference] if difference < 0 else raw + bytes(difference)
    with pytest.raises(InvalidInput, match="'x'"):
        input_of(request_of(datatype, shape, raw=cut)).numbers()


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=5), st.data())
def test_texts_cut_short_are_refused(elements, data):
    raw = b"".join(len(element).to_bytes(4, "little") + element for element in elements)
    cut = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(InvalidInput, match="'x'"):
        input_of(request_of("BYTES", [len(elements)], raw=raw[:cut])).texts()


@pytest.mark.parametrize("shape", [[], [3], [0], [-1], [2, 2], [1, 1, 3], [1] * 8 + [2], [2**62, 4], [-2, -1], [2, 0]])
def test_a_shape_that_its_values_do_not_fill_is_refused(shape):
    raw = request_of("FP64", shape, raw=bytes(16))
    typed = request_of("FP64", shape, typed=[0.0, 0.0])
    for data in (raw, typed):
        with pytest.raises(InvalidInput, match="shape"):
            input_of(data).numbers()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (request_of("FP16", [1]), "FP16 values go in raw_input_contents"),
        (request_of("FP99", [1]), "'FP99'"),
        (request_of("", [1], raw=b"12"), "datatype ''"),
        (request_of("FP32", [1], typed=[1.0], contents="fp64_contents"), "values in fp64_contents"),
        (request_of("INT8", [1], typed=[200]), "not INT8"),
        (request_of("UINT16", [1], typed=[70000]), "not UINT16"),
        (request_of("FP64", [1], raw=bytes(8), typed=[1.0]), "has contents, and the request raw_input_contents"),
        (request_of("BYTES", [1], typed=[b"a"]), "where numbers are wanted"),
    ],
)
def test_values_that_are_not_what_is_said_are_refused(data, words):
    with pytest.raises(InvalidInput, match=words):
        input_of(data).numbers()


def test_text_that_is_not_utf8_is_refused():
    for data in (request_of("BYTES", [1], typed=[b"\xff"]), request_of("BYTES", [1], raw=b"\1\0\0\0\xff")):
        with pytest.raises(InvalidInput, match="not UTF-8"):
            input_of(data).texts()
    with pytest.raises(InvalidInput, match="where text is wanted"):
        input_of(request_of("FP64", [1], typed=[1.0])).texts()


def test_raw_contents_must_be_one_for_each_input():
    message = ModelInferRequest(raw_input_contents=[b"", b""])
    message.inputs.add(name="x", datatype="FP64", shape=[1])
    with pytest.raises(InvalidInput, match="1 inputs and 2 raw_input_contents"):
        read_request(message.SerializeToString())


def test_parameters_are_python_values():
    message = ModelInferRequest(model_name="surge", model_version="3", id="r1")
    for name, value in {"bool": True, "int64": -3, "string": "s", "double": 0.5, "uint64": 2**64 - 1}.items():
        setattr(message.parameters[name], f"{name}_param", value)
    message.parameters["none"].SetInParent()
    message.outputs.add(name="p")
    request = read_request(message.SerializeToString())
    assert request.parameters == {"bool": True, "int64": -3, "string": "s", "double": 0.5, "uint64": 2**64 - 1}
    assert (request.endpoint, request.asked, request.request_id, request.wanted) == ("surge", "3", "r1", ["p"])


def test_the_routing_key_is_text_or_a_number():
    assert [key_among({}), key_among({"key": "a"}), key_among({"key": 7})] == [None, "a", "7"]
    for wrong in (True, 0.5):
        with pytest.raises(InvalidInput, match="routing key"):
            key_among({"key": wrong})


def test_the_earlier_of_two_deadlines_counts():
    assert deadline_of(None, {"timeout": 0}) is None
    late, early = deadline_of(100.0, {}), deadline_of(100.0, {"timeout": 5_000_000})
    assert 90 < late - early < 100
    for wrong in (-1, 0.5, True, "soon", 10**14):
        with pytest.raises(InvalidInput, match="timeout"):
            deadline_of(None, {"timeout": wrong})


class Version:
    id, number = "ver_1", "4"

    output_tensors = ()

    def __init__(self, *outputs):
        self.outputs = list(outputs)


@given(st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_an_answer_is_read_as_it_was_given(rows, columns, raw):
    outputs = np.arange(rows * columns, dtype=float).reshape(rows, columns)
    names = [f"p{number}" for number in range(columns)]
    data = write_answer(Answer("surge", Version(*names), "r1", outputs), [], raw)
    response = ModelInferResponse.FromString(data)
    assert (response.model_name, response.model_version, response.id) == ("surge", "4", "r1")
    assert [list(tensor.shape) for tensor in response.outputs] == [[rows]] * columns
    found = [tensor.contents.fp64_contents for tensor in response.outputs]
    if raw:
        found = [np.frombuffer(values, "<f8") for values in response.raw_output_contents]
    assert np.array_equal(np.array(found).T, outputs)
    chosen = ModelInferResponse.FromString(write_answer(Answer("surge", Version(*names), "", outputs), ["p0"], raw))
    assert [tensor.name for tensor in chosen.outputs] == ["p0"]


def test_many_columns_of_one_name_are_one_tensor_and_an_explanation_follows():
    answer = Answer("surge", Version("p"), "r", np.ones((2, 3)), {"shap": np.zeros((2, 2)), "method": "tree"})
    response = ModelInferResponse.FromString(write_answer(answer, [], True))
    assert [(tensor.name, list(tensor.shape)) for tensor in response.outputs] == [("p", [2, 3]), ("shap", [2, 2])]
    assert response.parameters["method"].string_param == "tree"


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_request_or_refused(data):
    try:
        request = read_request(data)
    except InvalidInput:
        return
    assert isinstance(request.endpoint, str)


def test_every_error_has_a_code_and_words_that_fit():
    pending = [errors.TidewheelError]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        assert kind.status in CODES
    assert len(details_of(InvalidInput("é" * 10_000)).encode()) <= 2000


def test_the_compiled_messages_are_those_of_the_proto_files(tmp_path):
    written = tmp_path / "descriptors.pb"
    command = [sys.executable, "-W", "ignore", "-m", "grpc_tools.protoc", f"-I{FOLDER}"]
    names = ["open_inference.proto", "health.proto"]
    subprocess.run([*command, f"--descriptor_set_out={written}", *names], check=True)
    assert written.read_bytes() == Path(str(FOLDER.joinpath("descriptors.pb"))).read_bytes(), "run `make proto`"


def test_our_messages_are_those_that_tritonclient_speaks():
    known = {**model_config_pb2.DESCRIPTOR.message_types_by_name, **service_pb2.DESCRIPTOR.message_types_by_name}
    for name, message in MESSAGES.items():
        if name.startswith("inference."):
            compare(message.DESCRIPTOR, known[name.removeprefix("inference.")])


def compare(ours, theirs):
    fields = {field.name: field for field in theirs.fields}
    for field in ours.fields:
        other = fields[field.name]
        assert (field.number, field.type, field.is_repeated) == (other.number, other.type, other.is_repeated)
        if field.enum_type is not None:
            numbers = {value.name: value.number for value in other.enum_type.values}
            assert {value.name: value.number for value in field.enum_type.values} == numbers
    for nested in ours.nested_types:
        compare(nested, theirs.nested_types_by_name[nested.name])
