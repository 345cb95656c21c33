"""The floor: a bare protocol on uvloop and httptools that parses, calls the model and answers, and does nothing else.

No route, no log, no metrics, no limits, no timeouts, no errors; it runs in Tidewheel's environment, on the libraries
that Tidewheel uses. What is above it is what a server's duties cost.
"""

from __future__ import annotations

import asyncio

import httptools
import msgspec
import numpy as np
import uvloop
from onnx_model import open_model, port

_model = open_model()
_LENGTH = b"inference-header-content-length"


class _Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    data: list[float] = []


class _Request(msgspec.Struct):
    inputs: list[_Tensor]


_decode = msgspec.json.Decoder(_Request).decode
_encode = msgspec.json.Encoder().encode


class Floor(asyncio.Protocol):
    """One connection; answers in the Open Inference Protocol's shape."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin."""
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self.body = b""
        self.json_bytes = -1

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        if name.lower() == _LENGTH:
            self.json_bytes = int(value)

    def on_body(self, part: bytes) -> None:
        """Called by the parser."""
        self.body = self.body + part if self.body else part

    def on_message_complete(self) -> None:
        """Called by the parser."""
        binary = self.json_bytes >= 0
        tensor = _decode(self.body[: self.json_bytes] if binary else self.body).inputs[0]
        rows = np.frombuffer(self.body, "<f4", offset=self.json_bytes) if binary else np.array(tensor.data, np.float32)
        answers = _model(rows.reshape(tensor.shape))
        output = {"name": "y", "datatype": "FP32", "shape": [len(answers)]}
        if binary:
            output["parameters"] = {"binary_data_size": answers.nbytes}
        else:
            output["data"] = answers.tolist()
        head = _encode({"model_name": "trees", "outputs": [output]})
        body = head + answers.tobytes() if binary else head
        extra = b"inference-header-content-length: %d\r\n" % len(head) if binary else b""
        self.transport.write(b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\n\r\n%s" % (extra, len(body), body))


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Floor, "127.0.0.1", port(), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
