"""The nouns of data: Commit, Tag, Contract and what a check of one finds. Frozen, JSON-able, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

ColumnType = Literal["integer", "number", "text", "boolean", "instant", "date", "other"]
RuleName = Literal["present", "type", "not null", "minimum", "maximum", "categories", "unique", "no other columns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One immutable version of a dataset. `rows` and `size_bytes` are those that the commit wrote; `columns` are all
    columns of the dataset at that version with their types, in order."""

    dataset: str
    number: int
    at: datetime
    operation: str
    rows: int
    size_bytes: int
    columns: dict[str, str]
    schema_hash: str
    message: str = ""
    source: str = ""

    @property
    def ref(self) -> str:
        """As people name it: ``rides@4``."""
        return f"{self.dataset}@{self.number}"

    @property
    def node(self) -> str:
        """As lineage names it: ``commit:rides@4``."""
        return f"commit:{self.ref}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """A dataset as a list of datasets shows it."""

    name: str
    rows: int
    commits: int
    latest: Commit
    tags: tuple[str, ...]
    has_contract: bool


@dataclass(frozen=True, slots=True)
class Tag:
    """A name for one commit, such as `golden`; it may be moved."""

    dataset: str
    name: str
    number: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What changed from one commit to another: counts and columns."""

    dataset: str
    before: int
    after: int
    rows_before: int
    rows_after: int
    added_columns: dict[str, str]
    removed_columns: dict[str, str]
    retyped_columns: dict[str, tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnContract:
    """What a column must be. `minimum` and `maximum` are inclusive; `quantiles` say what the reference held and are
    not checked."""

    name: str
    type: ColumnType
    nullable: bool = True
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] | None = None
    unique: bool = False
    quantiles: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What each version of a dataset must meet. `reference` is the commit that it was inferred from."""

    dataset: str
    columns: tuple[ColumnContract, ...]
    other_columns: bool = True
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that does not hold: for which column, how often, and for which rows (at most five, with their place)."""

    column: str
    rule: RuleName
    count: int
    message: str
    examples: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """The outcome of holding rows against a contract."""

    dataset: str
    ref: str
    rows: int
    passed: bool
    violations: tuple[Violation, ...]
