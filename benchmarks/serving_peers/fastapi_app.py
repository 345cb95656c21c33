"""FastAPI by hand, as one writes it who wants speed: uvicorn on uvloop and httptools, no access log, no thread hop."""

from __future__ import annotations

import numpy as np
import uvicorn
from fastapi import FastAPI, Request, Response
from onnx_model import FEATURES, open_model, port
from pydantic import BaseModel

app = FastAPI()
model = open_model()


class Rows(BaseModel):
    """A request."""

    rows: list[list[float]]


class Answers(BaseModel):
    """An answer."""

    answers: list[float]


@app.post("/predict")
async def predict(asked: Rows) -> Answers:
    """JSON in and out."""
    return Answers(answers=model(np.array(asked.rows, np.float32)).tolist())


@app.post("/binary")
async def predict_binary(request: Request) -> Response:
    """Little-endian float32 in and out."""
    rows = np.frombuffer(await request.body(), "<f4").reshape(-1, FEATURES)
    return Response(model(rows).tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    uvicorn.run(app, port=port(), loop="uvloop", http="httptools", access_log=False, log_level="warning")
