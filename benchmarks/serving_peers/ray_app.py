"""Ray Serve: one replica. RAY_SERVE_* of the environment tune it; `serving_servers` says how.

With HAProxy in front (`ray-tuned`) Ray itself binds the replica's port on every address of the machine.
"""

from __future__ import annotations

import signal

import numpy as np
import ray
from onnx_model import open_model, port
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=1, max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0})
class Model:
    """The model as a replica."""

    def __init__(self) -> None:
        self.answer = open_model()

    async def __call__(self, request: Request) -> dict:
        """JSON in and out."""
        rows = np.array((await request.json())["rows"], np.float32)
        return {"answers": self.answer(rows).tolist()}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=10**8)
    serve.start(http_options={"host": "127.0.0.1", "port": port(), "access_log": False})
    serve.run(Model.options(logging_config={"enable_access_log": False}).bind(), route_prefix="/")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    ray.shutdown()
