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


class Sluggish:
    """Takes a little long for anything, so that a worker knows it for slow from the start."""

    def predict(self, rows):
        import time

        time.sleep(0.03)
        return rows[:, :1]


class Gated:
    """Adds up rows, and waits for the file `gate` before, once it has told that it was asked by the file `entered`."""

    def __init__(self, folder):
        self.folder = str(folder)

    def predict(self, rows):
        import time
        from pathlib import Path

        if rows.any():
            Path(self.folder, "entered").touch()
            while not Path(self.folder, "gate").exists():
                time.sleep(0.005)
        else:
            time.sleep(0.01)  # known for slow from the start, it is asked from a thread
        return rows.sum(axis=1, keepdims=True)


class Slow:
    """Takes its time on anything but zeros."""

    def predict(self, rows):
        import time

        if rows.any():
            time.sleep(0.2)
        return rows[:, :1]


class HeldUp:
    """Cannot be loaded while the file `hold` is there; then it adds up rows."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __setstate__(self, state):
        import time
        from pathlib import Path

        while Path(state["folder"], "hold").exists():
            time.sleep(0.005)
        self.__dict__.update(state)

    def predict(self, rows):
        return rows.sum(axis=1, keepdims=True)
