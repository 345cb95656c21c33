"""The inference worker: one process, one event loop, one port shared with its siblings.

The path of a request, each piece in its file: `http_protocol` (bytes to requests, answers to bytes, in order) ->
`addresses` (which handler) -> `inference_codec` (Open Inference Protocol v2) -> `endpoints` (which version) ->
`model_inputs` (features given or looked up) -> `runtime` (the loaded version) -> the prediction log -> the answer.
`predict` joins them; `process` starts and drains the whole. `snapshots` swaps endpoints while requests run, `shadows`
computes what is mirrored, `counters` and `metrics` count for all workers at once.

A worker reads the snapshot, model files and the online store, and writes its log, counters and report: no database, no
call to another process.
"""
