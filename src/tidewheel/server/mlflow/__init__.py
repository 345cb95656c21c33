"""MLflow's REST protocol, so that its clients take this control plane for an MLflow server.

`wire.py` is joined into the application by `app.build`. One file a noun (`experiments.py`, `runs.py`, ...) holds what
that noun's addresses do: plain functions marked `@call`, each of them thin over a room's verb. `protocol.py` reads what
comes, `errors.py` says errors as MLflow does, `unsupported.py` lists what is left out. A new file is found by itself.
"""
