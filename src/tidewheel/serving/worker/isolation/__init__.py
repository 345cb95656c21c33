"""Runs a model in a child process of the worker, so that one which crashes, hangs or grows takes no other along.

`open_isolated` gives a `registry.formats.Predictor` like any other; behind it, `keeper` keeps one child running,
`child` is what runs there, and `frames` is what the two say to each other. Nothing is pickled.
"""

from tidewheel.serving.worker.isolation.predictor import IsolatedPredictor, open_isolated

__all__ = ["IsolatedPredictor", "open_isolated"]
