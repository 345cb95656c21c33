"""Models whose answers tell which of them answered. Registered as `python` objects."""

from __future__ import annotations


class Adding:
    """Answers the sum of the features and a constant, so that an answer tells which version gave it."""

    def __init__(self, constant: float) -> None:
        self.constant = constant

    def predict(self, rows):
        return rows.sum(axis=1, keepdims=True) + self.constant


class Failing:
    """Answers its warm-up, which is zeros, and fails on anything else."""

    def predict(self, rows):
        if rows.any():
            raise RuntimeError("this model is broken")
        return rows[:, :1]


class Broken:
    """Cannot even answer its warm-up, so that no worker takes it."""

    def predict(self, rows):
        raise RuntimeError("this model is broken")


class Slow:
    """Takes its time on anything but zeros."""

    def predict(self, rows):
        import time

        if rows.any():
            time.sleep(0.2)
        return rows[:, :1]
