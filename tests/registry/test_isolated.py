"""A model is asked in a process of its own: whatever it does there is an error here, and no more."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.registry.damaged import crashing_booster

from tidewheel.base.errors import Corrupt, NotAllowed
from tidewheel.base.hashing import hash_file
from tidewheel.registry import Signature
from tidewheel.registry.formats import open_format, saving_format
from tidewheel.registry.isolated import Kept, ask

ROWS = np.random.default_rng(5).normal(size=(50, 3))


class Slope:
    def predict(self, rows):
        return rows[:, 0] * 3.0


class Leaving:
    """Ends its process when asked."""

    def predict(self, rows):
        os.write(2, b"so long\n")
        os._exit(7)


class Quitting:
    def predict(self, rows):
        sys.exit("enough")


class Hanging:
    def predict(self, rows):
        while True:
            time.sleep(1)


class Greedy:
    def predict(self, rows):
        return np.zeros((len(rows), 2**31 // 8))


class Spying:
    """Tells whether the settings and tokens of the install reach it."""

    def predict(self, rows):
        return np.full(len(rows), float(any(name.startswith("TIDEWHEEL_") for name in os.environ)))


def kept(model: object, folder: Path, trusted_by: str | None = "me") -> Kept:
    found = open_format("python") if type(model).__module__ == __name__ else saving_format(model)
    found.save(model, folder)
    return Kept(found.name, folder, {path.name: hash_file(path) for path in folder.iterdir()}, trusted_by)


def answer(model: object, folder: Path, *, limit_s: float = 60.0, memory_mb: int = 8192):
    return ask(kept(model, folder), [ROWS, ROWS[:1]], limit_s=limit_s, memory_mb=memory_mb, timed_rows=5)


def test_answers_are_those_of_the_model_and_latencies_come_with_them(tmp_path):
    found = answer(Slope(), tmp_path)
    np.testing.assert_array_equal(found.outputs[0][:, 0], ROWS[:, 0] * 3.0)
    assert (found.outputs[1].shape, found.latencies_ms.shape) == ((1, 1), (5,))
    assert (found.latencies_ms > 0).all()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Leaving(), r"with code 7, before it answered: so long\."),
        (Quitting(), "SystemExit: enough"),
        (Hanging(), r"within 3 s\..*TRIAL_TIMEOUT_S"),
        (Greedy(), "MemoryError"),
    ],
)
def test_what_a_model_does_to_its_process_is_an_error_here(model, said, tmp_path):
    with pytest.raises(Corrupt, match=said):
        answer(model, tmp_path, limit_s=3.0 if isinstance(model, Hanging) else 60.0, memory_mb=1024)


def test_a_native_file_that_ends_its_reader_names_the_signal(tmp_path):
    file = crashing_booster(tmp_path)
    with pytest.raises(Corrupt, match=r"lightgbm model ended the process .* with SIG[A-Z]+"):
        ask(Kept("lightgbm", tmp_path, {file.name: hash_file(file)}, None), [ROWS], limit_s=60, memory_mb=8192)


def test_files_and_trust_are_checked_there_too(tmp_path):
    pickled = kept(Slope(), tmp_path, trusted_by=None)
    with pytest.raises(NotAllowed, match="nobody vouched"):
        ask(pickled, [], limit_s=60, memory_mb=8192)
    (tmp_path / "model.pkl").write_bytes(b"another")
    with pytest.raises(Corrupt, match="BLAKE3"):
        ask(Kept("python", tmp_path, pickled.files, "me"), [], limit_s=60, memory_mb=8192)


def test_no_setting_or_token_of_the_install_reaches_a_model(tmp_path, monkeypatch):
    monkeypatch.setenv("TIDEWHEEL_SERVING_TOKEN", "secret")
    assert not answer(Spying(), tmp_path).outputs[0].any()


def test_the_registry_asks_a_version_and_compares_with_its_signature(registry, tmp_path):
    open_format("python").save(Slope(), tmp_path)
    two = Signature.of(["a", "b", "c"], ["p", "q"])
    version = registry.register("surge", format="python", folder=tmp_path, signature=two, trust=True)
    with pytest.raises(Corrupt, match="gives 1 outputs, and its signature names 2"):
        registry.answers(version.id, ROWS)


class Threads:
    """Answers how many threads PyTorch uses."""

    def __init__(self) -> None:
        torch = pytest.importorskip("torch")
        self.layer, self.count = torch.nn.Linear(1, 1), torch.get_num_threads

    def predict(self, rows):
        return np.full(len(rows), float(self.count()))


def test_pytorch_keeps_to_one_thread_whatever_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert set(answer(Threads(), tmp_path).outputs[0].flat) == {1.0}
