"""The feature plan of a version: what a worker asks of it, and how it comes out of its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt
from tidewheel.base.hashing import hash_bytes


class Plan(Protocol):
    """What a worker needs of a feature plan (`features.FeaturePlan`)."""

    @property
    def name(self) -> str: ...
    @property
    def views(self) -> Sequence[Any]: ...
    @property
    def on_demands(self) -> Sequence[Any]: ...
    @property
    def names(self) -> Sequence[str]: ...
    @property
    def entities(self) -> Sequence[str]: ...
    @property
    def request(self) -> Mapping[str, type]: ...
    def online(
        self,
        store: Any,
        entities: Mapping[str, Sequence[str]],
        request: Mapping[str, Any],
        at_us: int | NDArray[np.int64],
    ) -> NDArray[np.float64]: ...


def load_plan(path: Path, digest: str) -> Plan:
    """The plan in a file. It is the project's own code, as the features room stored it; its digest is checked first.

    Raises:
        Corrupt: if the file is missing or is not the one that was published.
    """
    import cloudpickle

    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise Corrupt("The feature plan is missing.", where=str(path), fix="The next publish fetches it.") from None
    if hash_bytes(data) != digest:
        raise Corrupt("The feature plan is not the one that was published.", where=str(path), fix="Delete the file.")
    plan: Plan = cloudpickle.loads(data)
    return plan
