"""A tensor means the same however it is written, and whatever is written instead is refused, never a failure."""

import contextlib
import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tidewheel.base.errors import InvalidInput
from tidewheel.registry import ModelVersion, Signature, TensorSpec
from tidewheel.registry.tensors import shaped_rows
from tidewheel.serving.signature import check_whole_tensor
from tidewheel.serving.worker.answer_tensors import DATATYPES, answer_tensors, raw_bytes
from tidewheel.serving.worker.binary_tensors import DTYPES, BinaryTensor
from tidewheel.serving.worker.calls import Answer
from tidewheel.serving.worker.inference_codec import Tensor
from tidewheel.serving.worker.scoring_formats import read_json

shapes = st.lists(st.integers(1, 3), min_size=1, max_size=8)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["image", "a"]), inner, max_size=2),
    max_leaves=12,
)


class Version:
    """What an answer's codec asks of a version."""

    id, number = "ver_1", "1"

    def __init__(self, specs):
        self.output_tensors = specs
        self.outputs = [spec.name for spec in specs]


@given(shapes, st.sampled_from(["FP64", "FP32", "INT64", "BOOL"]))
def test_nested_flat_and_binary_data_are_the_same_tensor(shape, datatype):
    values = np.arange(np.prod(shape)) % 2
    array = values.reshape(shape).astype({"BOOL": bool, "INT64": int}.get(datatype, float))
    nested, flat = (msgspec.Raw(json.dumps(each.tolist()).encode()) for each in (array, array.ravel()))
    written = [Tensor("t", datatype, shape, nested), Tensor("t", datatype, shape, flat)]
    written.append(BinaryTensor("t", datatype, shape, memoryview(array.astype(DTYPES[datatype]).tobytes())))
    for tensor in written:
        np.testing.assert_array_equal(tensor.numbers(), array.astype(float))
    if len(shape) > 1 and datatype != "BOOL":
        (lone,) = read_json(json.dumps({"inputs": array.tolist()}).encode()).inputs
        np.testing.assert_array_equal(lone.numbers(), array)


@settings(max_examples=300)
@given(anything, st.lists(st.integers(-1, 3), max_size=9), st.sampled_from(["FP32", "INT8", "BOOL", "BYTES", "?"]))
def test_data_of_any_other_form_are_refused(data, shape, datatype):
    tensor = Tensor("t", datatype, shape, msgspec.Raw(json.dumps(data).encode()))
    for read in (tensor.numbers, tensor.texts):
        with contextlib.suppress(InvalidInput):
            assert len(read()) > 0


@settings(max_examples=300)
@given(st.sampled_from(["inputs", "instances"]), anything)
def test_scoring_bodies_of_any_other_form_are_refused(key, data):
    try:
        inputs = read_json(json.dumps({key: data}).encode()).inputs
    except InvalidInput:
        return
    for given_input in inputs:
        for read in (given_input.numbers, given_input.texts):
            with contextlib.suppress(InvalidInput):
                assert len(read()) > 0


@given(st.lists(shapes, min_size=1, max_size=3), st.integers(1, 4), st.sampled_from(sorted(DATATYPES)))
def test_the_tensors_of_an_answer_are_those_that_lie_in_its_columns(row_shapes, rows, dtype):
    specs = [TensorSpec(f"t{place}", (-1, *shape[:7]), dtype) for place, shape in enumerate(row_shapes)]
    tensors = [(np.arange(rows * spec.width) % 2).reshape(rows, *spec.row_shape).astype(dtype) for spec in specs]
    columns = np.hstack([tensor.reshape(rows, -1).astype(float) for tensor in tensors])
    found = answer_tensors(Answer("e", Version(specs), "r", columns))
    for (name, datatype, shape, values), tensor, spec in zip(found, tensors, specs, strict=True):
        assert (name, datatype, shape) == (spec.name, DATATYPES[dtype], list(tensor.shape))
        read = BinaryTensor(name, datatype, shape, memoryview(raw_bytes(values))).numbers()
        np.testing.assert_array_equal(read, tensor.astype(float))


@pytest.mark.parametrize(
    ("dtype", "values", "says"),
    [
        ("int8", [[1.0, 200.0]], "row 0 gives 200"),
        ("int64", [[1.0, 2.0], [0.5, 1.0]], "row 1 gives 0.5"),
        ("bool", [[2.0, 0.0]], "row 0 gives 2"),
        ("uint8", [[1.0, np.nan]], "gives null"),
        ("int64", [[float(2**53 + 1), 0.0]], "gives 9007199254740992.*from -9007199254740991 to 9007199254740991"),
        ("uint64", [[1e300, 0.0]], "gives 1e\\+300"),
    ],
)
def test_a_tensor_of_whole_numbers_takes_no_others(dtype, values, says):
    spec = TensorSpec("t", (-1, 2), dtype)
    with pytest.raises(InvalidInput, match=says):
        check_whole_tensor(spec, np.array(values))
    check_whole_tensor(spec, np.array([[1.0, 0.0]]))
    check_whole_tensor(TensorSpec("t", (-1, 2)), np.array(values))


def test_one_value_a_row_may_have_a_dimension_of_its_own_or_none():
    for shape in ((-1,), (-1, 1), (-1, 1, 1)):
        spec = TensorSpec("t", shape)
        assert shaped_rows(spec, np.zeros((2, 1))).shape == shaped_rows(spec, np.zeros(2)).shape == (2, 1)
    with pytest.raises(InvalidInput, match=r"takes \[-1\]"):
        shaped_rows(TensorSpec("t", (-1,)), np.zeros((2, 2)))


def test_a_signature_of_tensors_travels_as_json():
    signature = Signature.of_tensors([TensorSpec("image", (-1, 3, 4))], [TensorSpec("ids", (-1, 2), "int64")])
    told = json.loads(msgspec.json.encode(signature))
    assert told["input_shapes"] == [[-1, 3, 4]]
    assert msgspec.json.decode(msgspec.json.encode(signature), type=Signature) == signature
    assert msgspec.json.schema(ModelVersion)
