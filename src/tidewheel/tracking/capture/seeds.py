"""`tw.seed(7)` sets every random generator that is there, and remembers which, so that a run can say so."""

from __future__ import annotations

import os
import random
import sys

from tidewheel.base.errors import InvalidInput

SEED_TAG = "tidewheel.seed"
_set: dict[str, int] = {}


def seed(number: int) -> dict[str, int]:
    """Seed Python's `random`, NumPy, and PyTorch and TensorFlow if they are imported; what was set, by its name.

    The active run gets it as the tag ``tidewheel.seed``. Call it after importing the libraries.

    >>> sorted(seed(7))[:2]
    ['numpy', 'random']
    """
    import numpy

    if not 0 <= number < 2**32:
        raise InvalidInput(f"{number} cannot be a seed.", fix="Use 0 to 4294967295, which every library takes.")
    random.seed(number)
    numpy.random.seed(number)
    _set.update(random=number, numpy=number)
    torch, tensorflow = sys.modules.get("torch"), sys.modules.get("tensorflow")
    if torch is not None:
        torch.manual_seed(number)
        _set["torch"] = number
    if tensorflow is not None:
        tensorflow.random.set_seed(number)
        _set["tensorflow"] = number
    _tell_active_run()
    return dict(_set)


def current() -> dict[str, int | str]:
    """The seeds set in this process, and Python's for hashes if it was given one."""
    hashing = os.environ.get("PYTHONHASHSEED")
    return {**_set, **({"PYTHONHASHSEED": hashing} if hashing else {})}


def told() -> str:
    """In one line: ``7``, or by library if they differ."""
    numbers = set(map(str, current().values()))
    return numbers.pop() if len(numbers) == 1 else ", ".join(f"{name} {value}" for name, value in current().items())


def _tell_active_run() -> None:
    from tidewheel.tracking.sdk.calls import active_run

    run = active_run()
    if run is not None:
        run.set_tags({SEED_TAG: told()})
