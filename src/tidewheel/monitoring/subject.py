"""Builds the subject of a watch from a registered version: its columns, and its reference as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.monitoring.uncertainty import COLUMN as UNCERTAINTY
from tidewheel.monitoring.uncertainty import entropy_bits
from tidewheel.monitoring.watch import LabelFacts, Subject
from tidewheel.registry import ModelVersion, Registry
from tidewheel.stats import FeatureBins

if TYPE_CHECKING:
    from numpy.typing import NDArray


def build_subject(registry: Registry, version: ModelVersion, label: LabelFacts, started_at_us: int) -> Subject:
    """The subject of a version's watches.

    Raises:
        InvalidInput: if the label names a prediction that is not an output of the version.
    """
    features, outputs = version.signature.input_names, version.signature.output_names
    prediction = label.prediction or outputs[-1]
    if prediction not in outputs:
        raise InvalidInput(
            f"The label {label.name!r} is predicted by {prediction!r}, which {version.id} does not give.",
            fix=f"Its outputs are {list(outputs)}; name one as tw.Label(prediction=…).",
        )
    reference, at_us = _reference(registry, version)
    if len(reference.get(prediction, ())):
        predicted = reference[prediction]
        if np.nanmin(predicted) >= 0 and np.nanmax(predicted) <= 1:
            reference[UNCERTAINTY] = entropy_bits(predicted)
    return Subject(
        features=features,
        outputs=outputs,
        label=label.name,
        prediction=prediction,
        bins={name: FeatureBins.of(values, kind="numeric") for name, values in reference.items()},
        reference=reference,
        reference_at_us=at_us,
        started_at_us=started_at_us,
    )


def observed_columns(
    subject: Subject, features: NDArray[np.float64], outputs: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """The columns of a batch of predictions, (n, k) features and (n, m) outputs, by the subject's names."""
    columns = {name: features[:, place] for place, name in enumerate(subject.features)}
    columns |= {name: outputs[:, place] for place, name in enumerate(subject.outputs)}
    if UNCERTAINTY in subject.bins:
        columns[UNCERTAINTY] = entropy_bits(columns[subject.prediction])
    return columns


def _reference(registry: Registry, version: ModelVersion) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int64]]:
    names = {name: name for name in version.signature.input_names}
    names |= {name: f"output.{name}" for name in version.signature.output_names}
    try:
        table: Any = registry.reference(version.id)
    except NotFound:
        return {name: np.empty(0) for name in names}, np.empty(0, dtype=np.int64)
    columns = {name: table.column(stored).to_numpy().astype(np.float64) for name, stored in names.items()}
    if "at" not in table.column_names:
        return columns, np.empty(0, dtype=np.int64)
    return columns, table.column("at").to_numpy().astype("datetime64[us]").astype(np.int64)
