"""Scores a table: `score` all of it or nothing, `sift` what can be scored, with the reason of each row that cannot.

A table gives what a request may give: every feature by name, or entity keys and request values. The rows come from the
code that serves requests, so batch and online cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput, TidewheelError
from tidewheel.serving.worker.model_inputs import rows_of
from tidewheel.serving.worker.runtime import LoadedVersion

if TYPE_CHECKING:
    import pyarrow as pa

_SLICE_ROWS = 8_192  # the model's rows at once: large enough to vectorise, small enough for the cache
_SLICE_VALUES = 2**22  # and no more numbers than this, where a row is an image


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table, as an input of a model."""

    name: str
    values: Any

    def numbers(self) -> NDArray[np.float64]:
        """The column as float64, of more dimensions where it holds lists; null is NaN."""
        from tidewheel.registry.tensor_tables import column_values

        return column_values(self.name, self.values)

    def texts(self) -> list[str]:
        """The column as strings; null is the empty key."""
        import pyarrow as pa

        return ["" if value is None else value for value in self.values.cast(pa.string()).to_pylist()]


@dataclass(frozen=True, slots=True)
class Scorer:
    """A version and as of when its features are looked up."""

    version: LoadedVersion
    online: Any = None
    time: str | None = None
    at_us: int = 0

    def rows(self, table: pa.Table) -> NDArray[np.float64]:
        """The rows that the version takes, (rows, features).

        Raises:
            InvalidInput: if columns are missing or hold what the version does not take.
        """
        taken = self.version.known_inputs - {"features"}
        inputs = {name: TableColumn(name, table[name]) for name in table.column_names if name in taken}
        matrix, _ = rows_of(self.version, inputs, self.online, self._instants(table))
        return matrix

    def outputs(self, table: pa.Table) -> NDArray[np.float64]:
        """The answers to all the rows, (rows, outputs).

        Raises:
            InvalidInput: as `rows`.
        """
        return self.version.predict(self.rows(table))

    def _instants(self, table: pa.Table) -> int | NDArray[np.int64]:
        if self.time is None:
            return self.at_us
        import pyarrow as pa

        if self.time not in table.column_names:
            there = ", ".join(table.column_names)
            raise InvalidInput(f"There is no column {self.time!r}.", where="time", fix=f"There are: {there}.")
        try:
            cast = table[self.time].cast(pa.timestamp("us", "UTC"))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InvalidInput(f"The column {self.time!r} gives no instants: {str(error).rstrip('.')}.") from None
        if cast.null_count:
            raise InvalidInput(f"The column {self.time!r} has no instant here.")
        instants: NDArray[np.int64] = cast.cast(pa.int64()).to_numpy()
        return instants


@dataclass(slots=True)
class Sifted:
    """A table's answers, (rows, outputs), and the reason of each row that has none, by its place in the table."""

    outputs: NDArray[np.float64]
    reasons: dict[int, str] = field(default_factory=dict)


def score(
    version: LoadedVersion, rows: pa.Table, *, online: Any = None, time: str | None = None, at_us: int = 0
) -> pa.Table:
    """The table with a column for each output of the version.

    Args:
        version: a loaded version (`Serving.open_version`).
        rows: every feature by name, or entity keys and request values.
        online: the online store, where features are looked up.
        time: the column that says as of when to look up; without it all are as of `at_us`.
        at_us: the instant of the scoring.

    Raises:
        InvalidInput: if columns are missing or not of the kind that the version takes.
    """
    scorer = Scorer(version, online, time, at_us)
    outputs = scorer.outputs(rows) if rows.num_rows else np.empty((0, version.output_width))
    return with_outputs(rows, version, outputs)


def with_outputs(rows: pa.Table, version: LoadedVersion, outputs: NDArray[np.float64]) -> pa.Table:
    """The table with the outputs, (rows, outputs), as its last columns; of tensors each a column of lists."""
    import pyarrow as pa

    if version.output_tensors:
        from tidewheel.registry.tensor_tables import table_of_rows

        answered = table_of_rows(outputs, version.output_tensors)
        for name in answered.column_names:
            rows = rows.append_column(name, answered[name])
        return rows
    for name, column in zip(version.outputs, outputs.T, strict=False):
        rows = rows.append_column(name, pa.array(np.ascontiguousarray(column)))
    return rows


def sift(scorer: Scorer, table: pa.Table, max_rejects: int) -> Sifted:
    """Answer every row that can be answered.

    Rows that fail together are halved until the bad ones stand alone: one bad row costs about log2(rows) looks at the
    values, and the model sees each good row once, unless it is the model that fails.

    Raises:
        InvalidInput: if more than `max_rejects` rows are bad.
        TidewheelError: if the failure is not a row's: a damaged model, a store that is away.
    """
    version = scorer.version
    sifted = Sifted(np.full((table.num_rows, version.output_width), np.nan))
    size = max(1, min(_SLICE_ROWS, _SLICE_VALUES // max(version.width, version.output_width, 1)))
    for begin in range(0, table.num_rows, size):
        _sift_slice(scorer, table, begin, min(begin + size, table.num_rows), max_rejects, sifted)
    return sifted


def _sift_slice(scorer: Scorer, table: pa.Table, begin: int, end: int, max_rejects: int, sifted: Sifted) -> None:
    try:
        sifted.outputs[begin:end] = scorer.outputs(table.slice(begin, end - begin))
    except InvalidInput as error:
        reason = error.message
    except (TidewheelError, MemoryError, OSError):
        raise
    except Exception as error:  # the model's own, which may be anything
        reason = f"The model failed: {type(error).__name__}: {error}"
    else:
        return
    if end - begin > 1:
        middle = (begin + end) // 2
        _sift_slice(scorer, table, begin, middle, max_rejects, sifted)
        _sift_slice(scorer, table, middle, end, max_rejects, sifted)
        return
    sifted.reasons[begin] = reason
    if len(sifted.reasons) > max_rejects:
        raise too_many_rejects(len(sifted.reasons), max_rejects, reason)


def too_many_rejects(rejected: int, max_rejects: int, reason: str) -> InvalidInput:
    """The refusal of a file with too many bad rows."""
    return InvalidInput(
        f"{rejected:,} rows or more cannot be scored, and at most {max_rejects:,} may be set aside; one says: {reason}",
        fix="Mend the rows, or allow more with --max-rejects.",
    )


def check_columns(scorer: Scorer, schema: pa.Schema) -> None:
    """Refuse a source whose columns can never give the version's rows, before any of them is read.

    Raises:
        InvalidInput: if a column is missing, of a type that holds no numbers, or named like an output.
    """
    taken = [name for name in scorer.version.outputs if name in schema.names]
    if taken:
        raise InvalidInput(
            f"The source has a column {taken[0]!r} already, as the version's output is called.",
            fix="Rename it in the source.",
        )
    if len(set(schema.names)) != len(schema.names):
        raise InvalidInput(f"Columns of the source share a name: {', '.join(schema.names)}.", fix="Rename one.")
    try:
        scorer.rows(schema.empty_table())
    except InvalidInput as error:
        fix = error.fix or f"There are: {', '.join(schema.names)}."
        raise InvalidInput(error.message, fix=fix, where=error.where or "the source") from None
