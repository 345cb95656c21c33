"""BentoML, tuned: one worker, a coroutine for an API so that no thread is taken for a call of microseconds."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bentoml
import numpy as np
from onnx_model import max_batch_rows, open_model, port

_BATCHED = {"batchable": True, "max_batch_size": max_batch_rows(), "max_latency_ms": 10_000}
_API = bentoml.api(**_BATCHED) if max_batch_rows() > 1 else bentoml.api


@bentoml.service(workers=1, traffic={"timeout": 60, "max_concurrency": 1000}, logging={"access": {"enabled": False}})
class Model:
    """The model behind one API."""

    def __init__(self) -> None:
        self.answer = open_model()

    @_API
    async def predict(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n, 30) to answers (n,)."""
        return self.answer(rows.astype(np.float32))


if __name__ == "__main__":
    folder = str(Path(__file__).parent)
    command = [sys.executable, "-m", "bentoml", "serve", "bentoml_app:Model", "--working-dir", folder]
    os.execv(sys.executable, [*command, "--host", "127.0.0.1", "--port", str(port()), "--timeout", "60"])
