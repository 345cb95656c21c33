"""The model call that every peer makes: onnxruntime, one thread, one float32 table in, one float32 column out.

Imported by the servers of this folder, each in its own environment. The file is named by BENCH_MODEL.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import onnxruntime

FEATURES = 30


def open_model() -> Callable[[np.ndarray], np.ndarray]:
    """A function from rows (n, 30) to answers (n,), both float32."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options, providers=["CPUExecutionProvider"])
    (given,), (answer,) = session.get_inputs(), session.get_outputs()
    names, name = [answer.name], given.name
    return lambda rows: session.run(names, {name: rows})[0].ravel()


def port() -> int:
    """Where to listen on 127.0.0.1."""
    return int(os.environ["BENCH_PORT"])


def grpc_port() -> int:
    """Where to listen for gRPC."""
    return int(os.environ["BENCH_GRPC_PORT"])


def metrics_port() -> int:
    """Where to listen for Prometheus, if that is apart."""
    return int(os.environ["BENCH_METRICS_PORT"])


def max_batch_rows() -> int:
    """How many requests may be put together; 1 = none."""
    return int(os.environ.get("BENCH_MAX_BATCH_ROWS", "1"))
