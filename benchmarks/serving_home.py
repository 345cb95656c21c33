"""The home that Tidewheel serves in `bench_serving`: what a user has after two deployments of one model.

`trees`: two versions of the same trees, 90 and 10 percent, so that every request is routed. `network` and
`network-alone`: the network, with requests put together into batches and without.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from benchmarks.serving_environments import model_folder
from tidewheel.app import Platform, open_platform
from tidewheel.registry import Signature

FEATURES = 30


def make_home(home: Path) -> None:
    """Register, make endpoints, set routes; afterwards `tidewheel serve --home` needs nothing more."""
    with open_platform(home) as platform:
        first, second = (_register(platform, "trees") for _ in range(2))
        _route(platform, "trees", {first: 90.0, second: 10.0})
        network = _register(platform, "network")
        _route(platform, "network", {network: 100.0})
        _route(platform, "network-alone", {network: 100.0})
        platform.serving.configure_endpoint("network-alone", max_batch_rows=1)


def _register(platform: Platform, model: str) -> str:
    """A version of the ONNX file of that name; its id."""
    signature = Signature.of([f"f{number}" for number in range(FEATURES)], ["y"])
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(model_folder() / f"{model}.onnx", Path(folder) / "model.onnx")
        return platform.registry.register(model, format="onnx", folder=Path(folder), signature=signature).id


def _route(platform: Platform, endpoint: str, weights: dict[str, float]) -> None:
    platform.serving.create_endpoint(endpoint)
    platform.serving.set_route(endpoint, weights)
