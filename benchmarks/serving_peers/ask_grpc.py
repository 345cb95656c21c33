"""Asks a gRPC server once with tritonclient, unmodified, and prints its answers as JSON: the check before the timing.

python ask_grpc.py PORT MODEL ROWS.npy COUNT      (in the environment `grpcio`)
"""

from __future__ import annotations

import json
import sys

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput

port, model, path, count = sys.argv[1:]
rows = np.load(path)[: int(count)]
tensor = InferInput("features", list(rows.shape), "FP32")
tensor.set_data_from_numpy(rows)
answer = InferenceServerClient(f"127.0.0.1:{port}").infer(model, [tensor])
print(json.dumps(answer.as_numpy(answer.get_response().outputs[0].name).ravel().tolist()))
