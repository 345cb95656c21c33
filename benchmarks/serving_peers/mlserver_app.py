"""MLServer, tuned: the model in the server's own process (`parallel_workers` 0), no debug, no access log."""

from __future__ import annotations

import asyncio
import logging

import numpy as np
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.settings import ModelParameters
from mlserver.types import InferenceRequest, InferenceResponse
from onnx_model import grpc_port, max_batch_rows, metrics_port, open_model, port

_NAMES = ("trees", "network")


class Model(MLModel):
    """The model as a custom runtime, which is what MLServer offers for ONNX."""

    async def load(self) -> bool:
        """Once, at the start."""
        self.answer = open_model()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Rows (n, 30) to answers (n, 1)."""
        rows = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32, copy=False)
        answers = self.answer(rows)[:, None]
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", answers)])


async def main() -> None:
    """Serve until SIGTERM."""
    settings = Settings(
        debug=False,
        host="127.0.0.1",
        http_port=port(),
        grpc_port=grpc_port(),
        metrics_port=metrics_port(),
        parallel_workers=0,
        logging_settings=None,
    )
    logging.getLogger("uvicorn.access").disabled = True
    batch = {"max_batch_size": max_batch_rows(), "max_batch_time": 0.002} if max_batch_rows() > 1 else {}
    models = [
        ModelSettings(name=name, implementation=Model, parameters=ModelParameters(version="1"), **batch)
        for name in _NAMES
    ]
    await MLServer(settings).start(models)


if __name__ == "__main__":
    asyncio.run(main())
