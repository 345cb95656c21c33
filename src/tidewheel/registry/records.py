"""The nouns of the registry, as in MLflow: Model, ModelVersion, Signature, alias. Frozen, JSON-able, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.tensors import TensorLayout, TensorSpec


@dataclass(frozen=True, slots=True)
class Signature:
    """The columns that a version takes and gives, in order: (name, dtype) with numpy's dtype names.

    `optional` names inputs that a request may leave out; they are then missing (NaN). No inputs at all means that
    nobody said what it takes: the model itself is then the judge. Where inputs are tensors and not columns,
    `input_shapes` has the shape of each, as in [-1, 3, 32, 32]; `output_shapes` likewise.
    """

    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    optional: tuple[str, ...] = ()
    input_shapes: tuple[tuple[int, ...], ...] = ()
    output_shapes: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(cls, inputs: Sequence[str], outputs: Sequence[str]) -> Signature:
        """A signature whose columns are all float64, which is what predictors take and give."""
        return cls(tuple((name, "float64") for name in inputs), tuple((name, "float64") for name in outputs))

    @classmethod
    def of_tensors(cls, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Signature:
        """A signature of tensors; no outputs = nobody knows them beforehand."""
        return cls(
            tuple((spec.name, spec.dtype) for spec in inputs),
            tuple((spec.name, spec.dtype) for spec in outputs),
            input_shapes=tuple(spec.shape for spec in inputs),
            output_shapes=tuple(spec.shape for spec in outputs),
        )

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of the inputs, in order."""
        return tuple(name for name, _ in self.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs, in order."""
        return tuple(name for name, _ in self.outputs)

    @property
    def input_tensors(self) -> tuple[TensorSpec, ...]:
        """The tensors that it takes; none if it takes columns."""
        given = zip(self.inputs, self.input_shapes, strict=False)
        return tuple(TensorSpec(name, shape, dtype) for (name, dtype), shape in given)

    @property
    def output_tensors(self) -> tuple[TensorSpec, ...]:
        """The tensors that it gives; none if it gives columns."""
        given = zip(self.outputs, self.output_shapes, strict=False)
        return tuple(TensorSpec(name, shape, dtype) for (name, dtype), shape in given)

    @property
    def layout(self) -> TensorLayout | None:
        """How its tensors lie in a matrix; None if it takes columns."""
        return TensorLayout(self.input_tensors, self.output_tensors) if self.input_shapes else None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The inputs as columns that can be watched; none where they are tensors of many values."""
        return self.input_names if all(spec.width == 1 for spec in self.input_tensors) else ()

    @property
    def output_columns(self) -> tuple[str, ...]:
        """A name for each column of its answers: of a tensor of many values, its name with their places."""
        return tuple(each for spec in self.output_tensors for each in _column_names(spec)) or self.output_names

    def require_table(self, what: str) -> None:
        """Refuse what is done for models of columns alone.

        Raises:
            InvalidInput: if it takes or gives tensors.
        """
        tensors = [f"{spec.name} {list(spec.shape)}" for spec in (*self.input_tensors, *self.output_tensors)]
        if tensors:
            raise InvalidInput(
                f"{what} is for models of columns, and this one is of tensors: {', '.join(tensors)}.",
                fix="Do it before the model is logged: it is served as it was logged.",
            )


def _column_names(spec: TensorSpec) -> list[str]:
    return [spec.name] if spec.width == 1 else [f"{spec.name}_{place}" for place in range(spec.width)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One version of a model: its files by path and BLAKE3, what it takes and gives, and where it came from.

    What it is never changes; words about it (description, tags, stage), its aliases and who trusts it do.

    Attributes:
        trusted_by: who vouched for a format that executes code on load.
        aliases: those it holds now.
        source: the address that its files were taken from, where they came from one (`runs:/…/model`, `s3://…`).
        model_id: the logged model that it was made from.
        stage: MLflow's legacy stage: None, Staging, Production or Archived.
        sample_digest: the blob that holds a sample input, as an Arrow stream.
        environment: what it was trained in: python, platform, packages.
        measured: figures of its own, as `latency_p50_us`, `latency_p99_us`, `load_ms`.
        deleted_at: since when it is listed no more; its files stay, so that what serves it goes on.
    """

    id: str
    model: str
    number: int
    format: str
    files: dict[str, str]
    size_bytes: int
    signature: Signature
    created_at: datetime
    run_id: str | None = None
    feature_set_name: str | None = None
    feature_set_hash: str | None = None
    commits: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)
    reference_digest: str | None = None
    executes_code: bool = False
    trusted_by: str | None = None
    aliases: tuple[str, ...] = ()
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    source: str | None = None
    model_id: str | None = None
    stage: str = "None"
    status: str = "READY"
    status_message: str = ""
    run_link: str | None = None
    user: str = ""
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    sample_digest: str | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)

    @property
    def node(self) -> str:
        """Its name in the journal's lineage."""
        return f"version:{self.id}"


@dataclass(frozen=True, slots=True)
class Model:
    """A named line of versions; `aliases` maps each alias to the version number that holds it."""

    name: str
    created_at: datetime
    versions: int
    aliases: dict[str, int]
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check of every stored file of a version found; `damaged` says of each bad file what is wrong with it."""

    version_id: str
    whole: bool
    checked: tuple[str, ...]
    damaged: dict[str, str]


@dataclass(frozen=True, slots=True)
class ModelPage:
    """One page of a search of models; `next_page_token` asks for the next, None says that there is none."""

    models: tuple[Model, ...]
    next_page_token: str | None = None


@dataclass(frozen=True, slots=True)
class VersionPage:
    """One page of a search of versions; `next_page_token` asks for the next, None says that there is none."""

    versions: tuple[ModelVersion, ...]
    next_page_token: str | None = None
