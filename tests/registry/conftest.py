"""A registry on an empty database of each kind and a fresh blob folder, and a booster to keep in it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tidewheel.base import ambient
from tidewheel.base.clock import SystemClock
from tidewheel.registry import ModelVersion, Registry, Signature
from tidewheel.storage import Metadata
from tidewheel.storage.backends.local_blobs import LocalBlobs


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def registry(metadata: Metadata, blobs: LocalBlobs) -> Iterator[Registry]:
    room = Registry(metadata, blobs, SystemClock())
    token = ambient.enter([room])
    yield room
    ambient.leave(token)


@pytest.fixture
def register(registry: Registry, tmp_path: Path) -> Callable[..., ModelVersion]:
    """Register a version whose one file holds some text; only what it says differs."""

    def add(name: str = "surge", text: str = "tree", **more: object) -> ModelVersion:
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / "model.txt").write_text(text)
        signature = Signature.of(["a", "b"], ["p"])
        return registry.register(name, **{"format": "lightgbm", "folder": folder, "signature": signature, **more})

    return add


@pytest.fixture(scope="session")
def rides() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(800, 4))
    rows[::9, 2] = np.nan
    return rows, (rows[:, 0] + rows[:, 1] > 0).astype(float)
