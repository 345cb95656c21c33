"""LitServe, tuned: one worker, one API server, its faster queue, no client file, no access log."""

from __future__ import annotations

import litserve
import numpy as np
from onnx_model import max_batch_rows, open_model, port


class Model(litserve.LitAPI):
    """The model behind LitServe's hooks."""

    def setup(self, device: str) -> None:
        """Load it in the worker."""
        self.answer = open_model()

    def decode_request(self, request: dict) -> np.ndarray:
        """Rows (n, 30)."""
        return np.array(request["rows"], np.float32)

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        """The lone rows of several requests, as one table."""
        return np.concatenate(inputs)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """The model call."""
        return self.answer(rows)

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        """An answer each."""
        return list(output[:, None])

    def encode_response(self, output: np.ndarray) -> dict:
        """JSON."""
        return {"answers": output.tolist()}


if __name__ == "__main__":
    batched = {"max_batch_size": max_batch_rows(), "batch_timeout": 0.002} if max_batch_rows() > 1 else {}
    server = litserve.LitServer(Model(**batched), accelerator="cpu", workers_per_device=1, fast_queue=True, timeout=60)
    server.run(host="127.0.0.1", port=port(), num_api_servers=1, log_level="warning", generate_client_file=False)
