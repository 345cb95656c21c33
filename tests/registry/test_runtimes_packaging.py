"""`log_model` and `optimize` give versions a runtime: from Python, from the command line, over HTTP, and in workers."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.cli.runner import tidewheel
from tests.registry.runtime_models import LABELS, NAMES, ROWS, forest, lightgbm, perceptron
from tests.server.listening import listening
from tests.serving.house import Client, House, open_house

import tidewheel as tw
from tidewheel.app import open_platform
from tidewheel.base import ambient
from tidewheel.base.errors import GateSaidNo, InvalidInput, NotFound
from tidewheel.client import connect
from tidewheel.registry import log_model
from tidewheel.server.app import build

pytest.importorskip("skl2onnx")
pytest.importorskip("onnxmltools")
pytest.importorskip("skops")


class Rows:
    commits = ("rides@4",)

    def table(self) -> pa.Table:
        return pa.table({**{name: ROWS[:, place] for place, name in enumerate(NAMES)}, "accepted": LABELS})


@pytest.fixture
def house(tmp_path):
    opened = open_house(tmp_path)
    token = ambient.enter([opened.registry])
    yield opened
    ambient.leave(token)
    opened.close()


@pytest.fixture
def registry(house):
    return house.registry


def log(model: object, **more: object):
    return log_model(model, "surge", inputs=NAMES, outputs=["p"], rows=Rows(), metrics={"auc": 0.8}, **more)


def test_a_model_is_logged_with_the_fastest_runtime_and_tells_how_it_was_chosen(registry):
    version = log(forest(), runtime="auto")
    choice = registry.runtime(version.id)
    assert choice.runtime in {"onnx", "onnx_double"}
    assert f"runtime/{choice.runtime}/model.onnx" in version.files
    assert version.measured["latency_p50_us"] < choice.candidates[0].speed.one_us
    answers = registry.load(version.id).predict(ROWS)[:, 0]
    np.testing.assert_allclose(answers, forest().predict_proba(ROWS)[:, 1], atol=1e-5)
    np.testing.assert_array_equal(registry.reference(version.id).column("output.p").to_numpy(), answers)
    assert registry.verify(version.id).whole


def test_without_a_word_a_model_is_run_by_its_own_library(registry):
    version = log(forest())
    assert not [path for path in version.files if path.startswith("runtime/")]
    with pytest.raises(NotFound, match="No runtime was chosen"):
        registry.runtime(version.id)


def test_a_model_without_training_rows_is_given_no_runtime(registry):
    with pytest.raises(InvalidInput, match="no rows to answer"):
        log_model(forest(), "surge", inputs=NAMES, runtime="auto")
    assert registry.models() == []


def test_a_quantised_model_is_logged_only_if_its_gate_passes(registry):
    gate = tw.Quantize("int8", metric="log_loss", at_most=0.05, label="accepted")
    version = log(perceptron(), quantize=gate)
    choice = registry.runtime(version.id)
    assert (choice.runtime, choice.gate.metric, choice.gate.rows) == ("onnx_int8", "log_loss", 600)
    with pytest.raises(GateSaidNo, match="onnx_int8 may not run"):
        log(perceptron(), quantize=tw.Quantize(at_most=0.0))
    with pytest.raises(InvalidInput, match="no column 'tipped'"):
        log(perceptron(), quantize=tw.Quantize(metric="log_loss", label="tipped"))
    assert len(registry.versions("surge")) == 1


def test_optimize_makes_a_new_version_with_the_origins_of_the_first(registry):
    first = log(forest())
    made = registry.optimize(first.id)
    assert (made.number, made.source, made.format) == (2, "models:/surge/1", "skops")
    assert made.files | first.files == made.files
    for kept in ("commits", "signature", "metrics", "reference_digest", "sample_digest", "environment"):
        assert getattr(made, kept) == getattr(first, kept)
    assert made.measured["latency_p50_us"] < first.measured["latency_p50_us"]
    again = registry.optimize(made.id, "onnx")
    assert (again.source, registry.runtime(again.id).runtime) == ("models:/surge/2", "onnx")


def test_optimize_refuses_what_does_not_agree_and_registers_nothing(registry):
    first = log(lightgbm())
    with pytest.raises(GateSaidNo, match=r"stays as it is.*further from the model's answers"):
        registry.optimize(first.id, tolerance=tw.Tolerance(absolute=0.0, relative=0.0))
    with pytest.raises(InvalidInput, match="lack the columns"):
        registry.optimize(first.id, rows={"a": [1.0]})
    assert len(registry.versions("surge")) == 1


def test_the_command_line_and_http_optimize_too_and_a_gate_ends_with_3(tmp_path):
    home = tmp_path / "home"
    with open_platform(home) as platform:
        log(perceptron())
        with listening(build(platform)) as url, connect(url) as remote:
            first = remote.registry.find("models:/surge/1")
            made = remote.registry.optimize(first.id, quantize=tw.Quantize(at_most=0.1))
            assert remote.registry.runtime(made.id).runtime == "onnx_int8"
            with pytest.raises(InvalidInput, match="has no meaning"):
                remote.registry.optimize(first.id, tolerance={"margin": 2.0})
    rows = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(Rows().table(), rows)
    gate = ("--quantize", "int8", "--metric", "log_loss", "--label", "accepted", "--rows", rows)
    made = tidewheel("models", "optimize", "surge/1", "--home", home, *gate, "--at-most", 0.05, "--json")
    assert (made.exit_code, made.json["number"], made.json["source"]) == (0, 3, "models:/surge/1")
    told = tidewheel("models", "runtime", "surge/3", "--home", home, "--json")
    assert (told.json["runtime"], told.json["gate"]["metric"]) == ("onnx_int8", "log_loss")
    no = tidewheel("models", "optimize", "surge/1", "--home", home, "--quantize", "int8", "--at-most", 0)
    assert (no.exit_code, "onnx_int8 may not run this model" in no.err) == (3, True)
    assert tidewheel("models", "optimize", "surge/1", "--home", home, "--rows", home / "nothing.csv").exit_code == 2


def test_a_worker_answers_by_the_chosen_runtime(house: House):
    version = log(forest(), runtime="onnx")
    house.serving.create_endpoint("surge")
    house.serving.set_route("surge", {version.id: 100.0})
    client = Client(house.start())
    answer = client.infer(*ROWS[:9].tolist())
    client.close()
    expected = house.registry.load(version.id).predict(ROWS[:9])[:, 0]
    np.testing.assert_array_equal(answer.json["outputs"][0]["data"], expected)
    assert not np.array_equal(expected, forest().predict_proba(ROWS[:9])[:, 1])  # 32 bits: it was not the forest
    assert "is run by its format" not in house.said()
