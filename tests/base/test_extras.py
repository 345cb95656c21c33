"""What brings a library that is missing is read from the distribution's own metadata."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tidewheel.base.extras import extra_with, how_to_install

EXTRAS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("lightgbm", "lightgbm"),
        ("sklearn.ensemble", "sklearn"),
        ("grpc", "grpc"),
        ("onnxruntime", "onnx"),
        ("skl2onnx", "runtimes"),
        ("opentelemetry.sdk.trace", "otel"),
        ("psycopg", "postgres"),
        ("mlflow", "mlflow"),
    ],
)
def test_a_library_is_told_with_its_extra(module: str, extra: str) -> None:
    assert extra in EXTRAS
    assert extra_with(module) == extra
    assert f"tidewheel[{extra}]" in how_to_install(module)


def test_a_library_that_no_extra_brings_is_the_readers_to_install() -> None:
    assert extra_with("polars") == ""
    assert "'polars'" in how_to_install("polars")
