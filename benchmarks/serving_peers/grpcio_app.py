"""gRPC's floor in Python: grpcio's asyncio server with nothing behind it but the model call.

Messages are tritonclient's, which are the Open Inference Protocol's, on protobuf's C implementation.
"""

from __future__ import annotations

from typing import Any

import grpc.aio
import numpy as np
import uvloop
from onnx_model import grpc_port, open_model
from tritonclient.grpc import service_pb2, service_pb2_grpc


class Inference(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Answers ModelInfer with raw tensors."""

    def __init__(self) -> None:
        self.answer = open_model()

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Rows (n, 30) of FP32 to answers (n,)."""
        rows = np.frombuffer(request.raw_input_contents[0], "<f4").reshape(tuple(request.inputs[0].shape))
        answers = self.answer(rows)
        response = service_pb2.ModelInferResponse(
            model_name=request.model_name, raw_output_contents=[answers.tobytes()]
        )
        response.outputs.add(name="y", datatype="FP32", shape=answers.shape)
        return response


async def main() -> None:
    """Serve until killed."""
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Inference(), server)
    server.add_insecure_port(f"127.0.0.1:{grpc_port()}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main())
