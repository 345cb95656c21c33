"""A model answers through another runtime as it does by itself, gaps included, and also where that is missing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from tests.registry.runtime_models import GAPPED, MODELS, ROWS, forest, save

from tidewheel.base.errors import Corrupt, InvalidInput
from tidewheel.base.hashing import hash_file
from tidewheel.registry.formats import open_format
from tidewheel.registry.load import load_predictor
from tidewheel.registry.runtimes import CHOICE, RUNTIMES, open_runtime
from tidewheel.registry.runtimes.agreement import compare
from tidewheel.registry.runtimes.choosing import Asked, choose_runtime
from tidewheel.registry.runtimes.loading import load_chosen
from tidewheel.registry.runtimes.records import Tolerance

pytest.importorskip("skl2onnx")
pytest.importorskip("onnxmltools")
pytest.importorskip("skops")
WIDE = st.floats(-1e6, 1e6, width=32)


def digests(folder: Path) -> dict[str, str]:
    return {file.relative_to(folder).as_posix(): hash_file(file) for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module", params=MODELS)
def packaged(request, tmp_path_factory):
    """The format and the folder of a model that was given the runtime `onnx`."""
    folder = tmp_path_factory.mktemp(request.param)
    name = save(MODELS[request.param](), folder)
    sample = GAPPED if name in {"lightgbm", "xgboost"} else ROWS
    choose_runtime(name, folder, sample, Asked(runtime="onnx"))
    return name, folder


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=arrays(np.float64, st.tuples(st.integers(1, 9), st.just(4)), elements=WIDE))
def test_whatever_numbers_come_both_answer_the_same(packaged, rows):
    name, folder = packaged
    own, other = open_format(name).load(folder), load_chosen(folder, {CHOICE})
    answers = own.predict(rows)
    assert compare(answers, other.predict(rows), Tolerance(absolute=1e-5, relative=1e-4)).apart == 0
    lone = np.vstack([other.predict(rows[place : place + 1]) for place in range(len(rows))])
    np.testing.assert_allclose(lone, other.predict(rows), rtol=1e-5, atol=1e-6)


def test_a_gap_that_the_model_refuses_its_runtime_refuses_and_one_that_it_takes_it_answers_alike(packaged):
    name, folder = packaged
    own, other = open_format(name).load(folder), load_chosen(folder, {CHOICE})
    for gap in (np.nan, np.inf, -np.inf):
        rows = ROWS[:50].copy()
        rows[::2, 0] = gap
        try:
            answers = own.predict(rows)
        except (ValueError, InvalidInput):
            with pytest.raises(InvalidInput, match=r"takes no .*(missing|infinite)"):
                other.predict(rows)
        else:
            assert compare(answers, other.predict(rows), Tolerance()).apart == 0


def test_rows_of_another_width_are_refused_as_before(packaged):
    _, folder = packaged
    with pytest.raises(InvalidInput, match="takes rows of 4 features"):
        load_chosen(folder, {CHOICE}).predict(np.zeros((2, 3)))


@pytest.fixture
def served(tmp_path):
    save(forest(), tmp_path)
    choose_runtime("skops", tmp_path, ROWS, Asked(runtime="onnx"))
    return tmp_path


def test_a_chosen_runtime_needs_the_library_of_the_model_no_more(served):
    answers = ask_without("sklearn skops", served)
    np.testing.assert_allclose(answers, forest().predict_proba(ROWS[:3])[:, 1], atol=1e-5)


def test_where_the_runtime_is_missing_the_format_answers_and_the_log_says_so(served):
    answers = ask_without("onnxruntime", served)
    np.testing.assert_array_equal(answers, forest().predict_proba(ROWS[:3])[:, 1])


def ask_without(libraries: str, folder: Path) -> list[float]:
    """What a process that lacks some libraries answers to three rows; it must warn if it cannot run the runtime."""
    np.save(folder.parent / "rows.npy", ROWS[:3])
    script = (
        "import logging, sys; from pathlib import Path; import numpy as np\n"
        "from tidewheel.base.hashing import hash_file\n"
        "from tidewheel.registry.load import load_predictor\n"
        "class Away:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in sys.argv[1].split(): raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Away())\n"
        "logging.basicConfig(stream=sys.stderr)\n"
        "folder = Path(sys.argv[2])\n"
        "files = {f.relative_to(folder).as_posix(): hash_file(f) for f in folder.rglob('*') if f.is_file()}\n"
        "rows = np.load(folder.parent / 'rows.npy')\n"
        "print(*load_predictor('skops', folder, files, None).predict(rows)[:, 0].tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, libraries, str(folder)], capture_output=True, text=True, timeout=60, check=True
    )
    assert ("is run by its format skops" in done.stderr) == ("onnxruntime" in libraries), done.stderr
    return [float(word) for word in done.stdout.split()]


def test_a_runtime_whose_file_was_changed_is_never_loaded(served):
    files = digests(served)
    graph = served / "runtime/onnx/model.onnx"
    graph.write_bytes(graph.read_bytes() + b"\0")
    with pytest.raises(Corrupt, match="its BLAKE3 differs"):
        load_predictor("skops", served, files, None)


@pytest.mark.parametrize("choice", [b"", b"{}", b'{"runtime": "../../x", "tolerance": {}, "candidates": []}'])
def test_a_choice_that_cannot_be_understood_is_corrupt(served, choice):
    (served / CHOICE).write_bytes(choice)
    with pytest.raises(Corrupt, match=r"choice\.json"):
        load_predictor("skops", served, digests(served), None)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_graph_cut_short_is_corrupt_and_never_ends_the_process(served, share):
    for file in (served / "runtime/onnx").iterdir():
        whole = file.read_bytes()
        file.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(Corrupt):
            load_chosen(served, {CHOICE})
        file.write_bytes(whole)


def test_every_runtime_says_its_name_and_loads_nothing_heavy_when_opened():
    script = (
        "import sys; from tidewheel.registry.runtimes import RUNTIMES, open_runtime\n"
        "import tidewheel.registry.load\n"
        "[open_runtime(name) for name in RUNTIMES]\n"
        "heavy = {'onnx', 'onnxruntime', 'skl2onnx', 'onnxmltools', 'sklearn', 'torch', 'sqlalchemy', 'pyarrow'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert [open_runtime(name).name for name in RUNTIMES] == list(RUNTIMES)
