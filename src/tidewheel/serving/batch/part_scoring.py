"""Scores one part of a source and lays down what came of it, in the job's own process or in one of its pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tidewheel.serving.batch.places import Place, place_of
from tidewheel.serving.batch.records import VersionOpening
from tidewheel.serving.batch.scoring import Scorer, Sifted, sift, with_outputs

if TYPE_CHECKING:
    import pyarrow as pa

ROW, REASON = "rejected_row", "rejected_reason"


@dataclass(frozen=True, slots=True)
class PartTask:
    """What is done with every part of a job."""

    opening: VersionOpening
    work: str
    """The address of the folder for parts."""
    columns: tuple[str, ...] | None
    time: str | None
    at_us: int
    max_rejects: int
    is_text: bool
    """Whether columns of the source may be text that is numbers, as the model's inputs then become."""


@dataclass(frozen=True, slots=True)
class PartCount:
    """A part that lies finished in the work folder."""

    index: int
    rows: int
    rejected: int


class PartScorer:
    """Scores parts, with the version loaded once."""

    def __init__(self, task: PartTask) -> None:
        self._task = task
        self._work = place_of(task.work)
        self.scorer = Scorer(task.opening.load(), task.opening.online(), task.time, task.at_us)

    def score(self, index: int, first_row: int, table: pa.Table) -> PartCount:
        """Score a part and lay it down; its bad rows first, so that a part that lies there is whole.

        Raises:
            InvalidInput: if more rows are bad than may be.
        """
        sifted = sift(self.scorer, table, self._task.max_rejects)
        if sifted.reasons:
            write_arrow(rejects_place(self._work, index), _rejects(table, first_row, sifted))
        write_arrow(part_place(self._work, index), self._answered(table, sifted))
        return PartCount(index, table.num_rows, len(sifted.reasons))

    def _answered(self, table: pa.Table, sifted: Sifted) -> pa.Table:
        import pyarrow as pa

        outputs = sifted.outputs
        if sifted.reasons:
            good = np.ones(table.num_rows, dtype=bool)
            good[list(sifted.reasons)] = False
            table, outputs = table.filter(pa.array(good)), outputs[good]
        if self._task.columns is not None:
            table = table.select(list(self._task.columns))
        if self._task.is_text:
            for place, name in enumerate(table.column_names):
                if name in self.scorer.version.columns and pa.types.is_string(table[name].type):
                    table = table.set_column(place, name, table[name].cast(pa.float64()))
        return with_outputs(table, self.scorer.version, outputs)


def part_place(work: Place, index: int) -> Place:
    """Where the answered rows of a part lie."""
    return work.within(f"part-{index:08d}.arrow")


def rejects_place(work: Place, index: int) -> Place:
    """Where the bad rows of a part lie, if it has any."""
    return work.within(f"rejects-{index:08d}.arrow")


def write_arrow(place: Place, table: pa.Table) -> None:
    """Lay a table down as an Arrow file."""
    place.write(to_arrow(table, compression="lz4"))


def read_arrow(place: Place) -> Any:
    """The table of an Arrow file."""
    return from_arrow(place.read())


def to_arrow(table: pa.Table, compression: str | None = None) -> Any:
    """A table as the buffer of an Arrow file; of a slice only its own rows."""
    import pyarrow as pa

    buffer = pa.BufferOutputStream()
    with pa.ipc.new_file(buffer, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def from_arrow(data: Any) -> Any:
    """The table of an Arrow file's bytes."""
    import pyarrow as pa

    return pa.ipc.open_file(pa.py_buffer(data)).read_all()


def _rejects(table: pa.Table, first_row: int, sifted: Sifted) -> pa.Table:
    import pyarrow as pa

    places = sorted(sifted.reasons)
    numbers = pa.array([first_row + place for place in places], pa.int64())
    reasons = pa.array([sifted.reasons[place] for place in places], pa.string())
    rows = table.take(pa.array(places))
    return rows.add_column(0, ROW, numbers).add_column(1, REASON, reasons)
