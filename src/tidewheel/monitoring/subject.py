"""Builds the subject of a watch from a registered version: its columns, and its reference as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.monitoring.sketches import SketchLayout
from tidewheel.monitoring.uncertainty import COLUMN as UNCERTAINTY, entropy_bits
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
    given = version.signature.output_columns
    if label.prediction and label.prediction not in given:
        raise InvalidInput(
            f"The label {label.name!r} is predicted by {label.prediction!r}, which {version.id} does not give.",
            fix=f"Its outputs are {list(given)}; name one as tw.Label(prediction=…).",
        )
    features = version.signature.feature_names
    outputs = tuple(f"output.{name}" if name in features else name for name in given)
    prediction = outputs[given.index(label.prediction)] if label.prediction else outputs[-1]
    stored = dict(zip((*features, *outputs), (*features, *(f"output.{name}" for name in given)), strict=True))
    reference, at_us = _reference(registry, version, stored)
    predicted = reference[prediction][np.isfinite(reference[prediction])]
    if UNCERTAINTY not in reference and predicted.size and predicted.min() >= 0 and predicted.max() <= 1:
        reference[UNCERTAINTY] = entropy_bits(reference[prediction])
    bins = {name: FeatureBins.of(values, kind="numeric") for name, values in reference.items()}
    return Subject(
        features=features,
        outputs=outputs,
        label=label.name,
        prediction=prediction,
        bins=bins,
        layout=SketchLayout(bins),
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


def _reference(
    registry: Registry, version: ModelVersion, stored: dict[str, str]
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int64]]:
    """The reference's columns, each from where it is stored, and its instants; empty where it has none."""
    nothing = np.empty(0, dtype=np.int64)
    try:
        table: Any = registry.reference(version.id)
    except NotFound:
        return {name: np.empty(0) for name in stored}, nothing
    there = set(table.column_names)
    columns = {
        name: table.column(kept).to_numpy().astype(np.float64) if kept in there else np.empty(0)
        for name, kept in stored.items()
    }
    if "at" not in table.column_names:
        return columns, nothing
    return columns, table.column("at").to_numpy().astype("datetime64[us]").astype(np.int64)
