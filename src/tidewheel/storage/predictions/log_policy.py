"""What of a request is logged: all its rows or none, by the hash of its id, and no value that is to stay out.

Workers call it between the model and the writer; it must cost nothing where everything is logged (`off`). Pure, and
the same in every worker and after every restart: a shadow's record carries the answered request's id and unit, so it
shares its fate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidewheel.storage.predictions.records import Prediction

_SCALE = 2.0**-64
_PERSON = b"log-share"  # a hash of its own: one shared with the route would sample the versions unevenly


class LogOptions(Protocol):
    """What an endpoint's owner asks of its log (`serving.EndpointOptions`)."""

    @property
    def log_share(self) -> float: ...
    @property
    def redact(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True, eq=False)
class LogPolicy:
    """What is logged of one version's answers at one endpoint. Made by `LogPolicy.of` when a table is loaded."""

    share: float
    columns: NDArray[np.intp]
    """Positions, among the model's inputs, of those that are redacted."""
    names: frozenset[str]
    hides_unit: bool
    off: bool
    """Whether everything is logged as it is, so that nothing here need be called."""

    @classmethod
    def of(cls, options: LogOptions, input_names: Sequence[str], unit_entity: str = "") -> LogPolicy:
        """The policy of a version with these inputs; `unit_entity` is the entity that a switchback is cut by, if any.

        A redacted name that is neither an input nor an entity of the version redacts nothing of it.
        """
        names = frozenset(options.redact)
        columns = np.array([place for place, name in enumerate(input_names) if name in names], dtype=np.intp)
        off = options.log_share >= 1.0 and not names
        return cls(options.log_share, columns, names, unit_entity in names, off)

    def keeps(self, request_id: str) -> bool:
        """Whether the records of a request are logged. `request_id` is the request's, not a row's."""
        return self.share >= 1.0 or _point_of(request_id) < self.share

    def apply(self, prediction: Prediction, request_id: str) -> Prediction | None:
        """A record as it is logged, or None if its request is not."""
        if self.off:
            return prediction
        if not self.keeps(request_id):
            return None
        rows = prediction.feature_values().reshape(1, -1)
        entities = {name: "" if name in self.names else key for name, key in prediction.entities.items()}
        return msgspec.structs.replace(
            prediction,
            features=self.redact_rows(rows).tobytes(),
            entities=entities,
            unit=self.redact_unit(prediction.unit),
        )

    def redact_rows(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Model inputs (rows, inputs) with NaN for what is redacted: a copy, since the model's own must stay whole.

        Rows without columns, as of a request that failed before it had any, stay as they are.
        """
        if not len(self.columns) or not rows.shape[1]:
            return rows
        redacted = rows.copy()
        redacted[:, self.columns] = np.nan
        return redacted

    def redact_entities(self, entities: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """Entity keys, a list a name, with the empty key for what is redacted."""
        return {name: [""] * len(keys) if name in self.names else keys for name, keys in entities.items()}

    def redact_unit(self, unit: str) -> str:
        """A switchback's cell under a name that does not say its entity, where that is redacted; still one a cell.

        Keys that can be guessed can be found again by hashing the guesses: this hides them from readers, not from a
        search.
        """
        return blake2b(unit.encode(errors="surrogatepass"), digest_size=12).hexdigest() if self.hides_unit else unit


def _point_of(request_id: str) -> float:
    """Where a request lies in [0, 1)."""
    digest = blake2b(request_id.encode(errors="surrogatepass"), digest_size=8, person=_PERSON).digest()
    return int.from_bytes(digest, "big") * _SCALE
