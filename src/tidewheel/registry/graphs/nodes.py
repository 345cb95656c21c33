"""What a graph is made of, as its owner writes it: `tw.nodes.Model`, and arithmetic that needs no code.

Every node says what it takes in `of`: names of the graph's inputs and of other nodes, whose columns are laid side by
side in that order. Stacking is a model whose `of` names other models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tidewheel.registry.graphs.combiners import Mean, Median, Vote
from tidewheel.registry.graphs.transforms import (
    Clip,
    Columns,
    Impute,
    Rescale,
    Sigmoid,
    Softmax,
    Standardize,
    Threshold,
    Transform,
)

__all__ = [
    "Clip",
    "Columns",
    "Impute",
    "Mean",
    "Median",
    "Model",
    "Node",
    "Rescale",
    "Sigmoid",
    "Softmax",
    "Standardize",
    "Threshold",
    "Vote",
]


@dataclass(frozen=True, slots=True)
class Model:
    """A member model.

    Attributes:
        model: what `tw.log_model` takes, a Python function included; or the address of a registered version, as
            ``"models:/surge@champion"``, which is looked up when the graph is logged and stays that version.
        of: what it takes, in the order of its features.
    """

    model: Any
    of: Sequence[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", (self.of,) if isinstance(self.of, str) else tuple(self.of))


Node = Model | Transform
