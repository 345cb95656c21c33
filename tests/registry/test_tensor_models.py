"""Models that take and give tensors of any shape: what their files say of themselves, and what is refused."""

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, strategies as st
from tests.registry.tensor_models import exported, image_answers, image_graph, network, pair_graph

import tidewheel as tw
from tidewheel.base.errors import InvalidInput
from tidewheel.registry import Signature, log_model
from tidewheel.registry.mlflow_signature import read_signature, write_signature
from tidewheel.registry.sample import sample_table
from tidewheel.registry.tensor_tables import column_values, rows_of_table, table_of_rows
from tidewheel.registry.tensors import TensorLayout, read_layout, write_layout

IMAGES = np.random.default_rng(3).normal(size=(5, 3, 4, 4)).astype(np.float32)
SPEC = tw.TensorSpec("image", (-1, 3, 4, 4))
shapes = st.lists(st.integers(1, 4), max_size=4).map(lambda sizes: (-1, *sizes))
dtypes = st.sampled_from(["float32", "float64", "int64", "int8", "bool", "uint16"])


class Images:
    """Training rows whose one column is an image a row."""

    commits = ("photos@1",)

    def table(self):
        return table_of_rows(IMAGES.reshape(5, -1).astype(np.float64), [SPEC])


def flat(images):
    return images.reshape(len(images), -1).astype(np.float64)


def test_an_onnx_graph_says_its_own_tensors(registry):
    pytest.importorskip("onnx")
    version = log_model(image_graph(), "vision", rows=Images())
    signature = version.signature
    assert (signature.inputs, signature.input_shapes) == ((("image", "float32"),), ((-1, 3, 4, 4),))
    assert (signature.output_names, signature.output_shapes) == (("mean", "halved"), ((-1, 3), (-1, 3, 2, 2)))
    assert registry.version(version.id).signature == signature
    mean, halved = image_answers(IMAGES)
    answers = registry.load(version.id).predict(flat(IMAGES))
    np.testing.assert_allclose(answers, np.hstack([mean, flat(halved)]), rtol=1e-5)
    assert registry.answers(version.id, flat(IMAGES)).outputs[0].shape == (5, 15)
    np.testing.assert_array_equal(column_values("image", registry.sample(version.id)["image"]), IMAGES)
    watched = registry.reference(version.id)
    assert watched.column_names == [f"output.{name}" for name in signature.output_columns]


def test_several_inputs_are_asked_by_name_and_in_their_dtypes(registry):
    pytest.importorskip("onnx")
    version = log_model(pair_graph(), "tokens", outputs=["score", "copy"])
    assert version.signature.inputs == (("ids", "int64"), ("weights", "float32"))
    assert version.signature.outputs == (("score", "float32"), ("copy", "int64"))
    rows = np.array([[1, 2, 3, 4, 0.5, 0.5, 0.5, 0.5]])
    assert registry.load(version.id).predict(rows).tolist() == [[5, 1, 2, 3, 4]]
    backwards = [tw.TensorSpec("weights", (-1, 4)), tw.TensorSpec("ids", (-1, 4), "int64")]
    turned = log_model(pair_graph(), "tokens", inputs=backwards)
    assert registry.load(turned.id).predict(np.roll(rows, 4, axis=1)).tolist() == [[5, 1, 2, 3, 4]]


def test_some_outputs_may_be_chosen_by_the_models_own_names(registry):
    pytest.importorskip("onnx")
    version = log_model(image_graph(), "vision", outputs=["halved"])
    assert version.signature.output_shapes == ((-1, 3, 2, 2),)
    np.testing.assert_array_equal(registry.load(version.id).predict(flat(IMAGES)), flat(image_answers(IMAGES)[1]))
    turned = log_model(image_graph(), "vision", outputs=["halved", "mean"])
    assert turned.signature.output_shapes == ((-1, 3, 2, 2), (-1, 3))
    with pytest.raises(InvalidInput, match="gives 2 outputs"):
        log_model(image_graph(), "vision", outputs=["logits"])


@pytest.mark.parametrize("kind", ["safetensors", "torchscript", "torch_export"])
def test_a_network_of_images_is_kept_by_every_format_of_pytorch(registry, kind):
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    model = {"safetensors": network, "torchscript": lambda: scripted(torch), "torch_export": exported}[kind]()
    inputs = None if kind == "torch_export" else [SPEC]
    version = log_model(model, "vision", inputs=inputs, outputs=["logits"], trust=kind != "safetensors")
    assert (version.format, version.signature.output_shapes) == (kind, ((-1, 2),))
    assert version.signature.input_shapes == ((-1, 3, 4, 4),)
    with torch.inference_mode():
        expected = network().eval()(torch.from_numpy(IMAGES)).numpy()
    np.testing.assert_allclose(registry.load(version.id).predict(flat(IMAGES)), expected, rtol=1e-5, atol=1e-6)


def scripted(torch):
    import warnings

    with warnings.catch_warnings(action="ignore"):
        return torch.jit.trace(network().eval(), torch.zeros(2, 3, 4, 4))


def test_a_function_of_arrays_is_handed_them_in_their_shapes(registry):
    def brightest(image):
        return {"value": image.max(axis=(1, 2, 3)), "place": image.reshape(len(image), -1).argmax(axis=1)}

    version = log_model(brightest, "vision", inputs=[SPEC], trust=True)
    assert version.signature.outputs == (("value", "float32"), ("place", "int64"))
    answers = registry.load(version.id).predict(flat(IMAGES))
    np.testing.assert_allclose(answers, np.column_stack([flat(IMAGES).max(axis=1), flat(IMAGES).argmax(axis=1)]))


def test_a_free_dimension_is_refused_until_it_is_said_how_large_it_is(registry):
    pytest.importorskip("onnx")
    graph = image_graph(size="any")
    with pytest.raises(InvalidInput, match="more free than the rows"):
        log_model(graph, "vision")
    version = log_model(graph, "vision", inputs=[SPEC])
    assert version.signature.output_shapes == ((-1, 3), (-1, 3, 2, 2))
    with pytest.raises(InvalidInput, match="given as"):
        log_model(image_graph(), "vision", inputs=[tw.TensorSpec("image", (-1, 3, 8, 8))])
    with pytest.raises(InvalidInput, match="any number of rows"):
        log_model(image_graph(batch=1), "vision")


def test_rows_that_are_large_are_asked_a_few_at_a_time(registry):
    wide = tw.TensorSpec("image", (-1, 1024, 1024))
    version = log_model(lambda image: np.full(len(image), len(image)), "counts", inputs=[wide], trust=True)
    assert registry.load(version.id).predict(np.zeros((3, 2**20))).ravel().tolist() == [2, 2, 1]


@pytest.mark.parametrize(
    ("model", "inputs", "says"),
    [
        (lambda rows: rows.sum(axis=1), ["a", SPEC], "columns and tensors"),
        (lambda rows: rows, [SPEC, SPEC], "one name"),
        (lambda rows: rows[:1], [SPEC], "a row for each row, and nothing else may vary"),
        (lambda rows: ["text"], [SPEC], "arrays of numbers"),
    ],
)
def test_what_cannot_be_served_is_refused_when_it_is_logged(registry, model, inputs, says):
    with pytest.raises(InvalidInput, match=says):
        log_model(model, "vision", inputs=inputs, trust=True, rows=Images())


@pytest.mark.parametrize(
    ("shape", "dtype", "says"),
    [
        ((3, 4), "float32", "only its first"),
        ((-1, -1), "float32", "only its first"),
        ((-1,), "str", "cannot be served"),
    ],
)
def test_a_tensor_that_is_none_is_refused_at_once(shape, dtype, says):
    with pytest.raises(InvalidInput, match=says):
        tw.TensorSpec("image", shape, dtype)


def test_runtimes_quantisation_and_explanations_are_of_columns(registry):
    pytest.importorskip("onnx")
    version = log_model(image_graph(), "vision", rows=Images())
    for asked in (lambda: registry.optimize(version.id), lambda: registry.explainer(version.id)):
        with pytest.raises(InvalidInput, match="for models of columns, and this one is of tensors"):
            asked()
    with pytest.raises(InvalidInput, match="for models of columns"):
        log_model(image_graph(), "vision", runtime="auto")


@given(st.lists(st.tuples(shapes, dtypes), min_size=1, max_size=3), st.lists(st.tuples(shapes, dtypes), max_size=2))
def test_a_signature_of_tensors_survives_mlflows_file_and_our_own(tmp_path_factory, inputs, outputs):
    taken = tuple(tw.TensorSpec(f"in{place}", (*shape, 2, 1), dtype) for place, (shape, dtype) in enumerate(inputs))
    answered = tuple(tw.TensorSpec(f"out{place}", shape, dtype) for place, (shape, dtype) in enumerate(outputs))
    signature = Signature.of_tensors(taken, answered)
    assert read_signature(write_signature(signature)) == signature
    folder = tmp_path_factory.mktemp("layout")
    write_layout(folder, TensorLayout(taken, answered))
    assert read_layout(folder) == signature.layout


@given(st.lists(shapes, min_size=1, max_size=3), st.integers(0, 4), st.booleans())
def test_a_table_of_tensors_is_the_matrix_that_it_was_made_of(shapes, rows, flatly):
    specs = [tw.TensorSpec(f"t{place}", shape, "float64") for place, shape in enumerate(shapes)]
    matrix = np.random.default_rng(1).normal(size=(rows, sum(spec.width for spec in specs)))
    table = table_of_rows(matrix, specs)
    if flatly:
        lists = {spec.name: column_values(spec.name, table[spec.name]).reshape(rows, spec.width) for spec in specs}
        table = pa.table({name: pa.array(list(values), pa.list_(pa.float64())) for name, values in lists.items()})
    np.testing.assert_array_equal(rows_of_table(table, specs), matrix)


@pytest.mark.parametrize("dtype", ["float16", "float32", "uint64", "int8", "bool"])
def test_a_column_of_tensors_of_any_dtype_fits_into_a_delta_table(tmp_path, dtype):
    write_deltalake(tmp_path, table_of_rows(np.ones((3, 4)), [tw.TensorSpec("t", (-1, 2, 2), dtype)]))
    kept = DeltaTable(tmp_path).to_pyarrow_table()
    np.testing.assert_array_equal(column_values("t", kept["t"]), np.ones((3, 2, 2)))


@pytest.mark.parametrize(
    ("example", "read"),
    [
        ('{"image": [[[1, 2]], [[3, null]]], "ids": [4, 5]}', [[1, 2, 4], [3, np.nan, 5]]),
        ('{"image": [[1, 2]], "ids": [4], "more": 1}', [[1, 2, 4]]),
        ('{"image": [[[1, 2]]]}', None),
        ('{"image": [[[1, 2]]], "ids": [4, 5]}', None),
        ('{"image": [[[1]]], "ids": [4]}', None),
        ('{"image": [[[1, 2], [3]]], "ids": [4]}', None),
        ('{"image": "no", "ids": [4]}', None),
        ('{"image": 3, "ids": 4}', None),
        ("[[[[1, 2]]]]", None),
        ("3", None),
    ],
)
def test_mlflows_example_of_tensors_is_a_sample_if_it_is_of_the_signature(example, read):
    specs = [tw.TensorSpec("image", (-1, 1, 2)), tw.TensorSpec("ids", (-1,), "int64")]
    table = sample_table(example.encode(), specs)
    if read is None:
        assert table is None
    else:
        np.testing.assert_array_equal(rows_of_table(table, specs), read)
    lone = sample_table(b"[[[1, 2]]]", specs[:1])
    assert rows_of_table(lone, specs[:1]).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("lists", "says"),
    [([[1.0, 2.0], [1.0]], "lists of"), ([[1.0, 2.0], None], "without a tensor"), ([["a", "b"]], "not numeric")],
)
def test_a_column_of_ragged_or_missing_tensors_is_refused(lists, says):
    with pytest.raises(InvalidInput, match=says):
        column_values("t", pa.chunked_array([pa.array(lists)]))
