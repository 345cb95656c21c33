"""The Open Inference Protocol over gRPC: a second door to the worker's path of a prediction, beside `rest`.

`server` opens the port with grpcio, the extra `grpc`; `service` and `health` answer its methods; `codec` and `tensors`
read and write messages, whose classes `messages` builds from the `.proto` files of this folder. Nothing here predicts:
an `InferCall` is handed to `Inference.submit` like any other protocol's. Only `server` may be imported without grpcio.
"""
