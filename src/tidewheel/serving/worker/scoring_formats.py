"""The bodies that MLflow's scoring server takes, and KServe's v1 protocol with it, to inputs.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally, "Local inference server specification":
`dataframe_split`, `dataframe_records`, `instances` and `inputs` in JSON, or CSV. Rows without names are taken in the
order of the model's columns. Pure; called by `scoring`.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tidewheel.base.errors import InvalidInput
from tidewheel.serving.worker.calls import Input
from tidewheel.serving.worker.columns import Block, Cell, Column, Nested, TextColumn, columns_of_records
from tidewheel.serving.worker.python_json import with_nulls

Values = list[Cell | list[Cell]]
_FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")


class SplitFrame(msgspec.Struct):
    """A DataFrame as `to_dict(orient="split")` makes it; its index is not looked at."""

    data: list[list[Cell]]
    columns: list[str | int] | None = None


class ScoringBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a scoring request: one of the four formats, and `params`. Of tensors, lists may be deeper."""

    dataframe_split: SplitFrame | None = None
    dataframe_records: list[dict[str, Cell]] | None = None
    instances: list[dict[str, Cell | list[Cell]] | list[Cell] | Cell] | None = None
    inputs: list[dict[str, Cell | list[Cell]] | list[Cell] | Cell] | dict[str, Values | Cell] | None = None
    params: dict[str, Any] | None = None
    signature_name: str | None = None
    """What TensorFlow Serving's clients send with `instances`; there is one signature."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """What a scoring request gives."""

    inputs: Sequence[Input]
    params: dict[str, Any] | None


class TensorBody(msgspec.Struct, forbid_unknown_fields=True):
    """A scoring request whose rows are tensors: lists in lists, of any depth, by name or by row."""

    instances: list[Any] | None = None
    inputs: list[Any] | dict[str, list[Any]] | None = None
    params: dict[str, Any] | None = None
    signature_name: str | None = None


_decode = msgspec.json.Decoder(ScoringBody).decode
_decode_tensors = msgspec.json.Decoder(TensorBody).decode


def read_json(body: bytes) -> Scoring:
    """The inputs in a JSON body.

    Raises:
        InvalidInput: if it is not JSON, none of the formats, or several of them.
    """
    request = _decoded(body)
    if isinstance(request, TensorBody):
        return Scoring(_tensors(request), request.params)
    given = [name for name in _FORMATS if getattr(request, name) is not None]
    if len(given) != 1:
        raise InvalidInput(
            f"The body gives {' and '.join(given) or 'no rows'}.", fix=f"Give exactly one of {', '.join(_FORMATS)}."
        )
    return Scoring(_inputs(request), request.params)


def read_csv(body: bytes) -> Scoring:
    """The inputs in a CSV body, whose first line names the columns.

    Raises:
        InvalidInput: if it is not UTF-8, or a line has another number of cells than the first.
    """
    try:
        names, *lines = [line for line in csv.reader(body.decode("utf-8-sig").splitlines(), strict=True) if line]
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise InvalidInput(f"The body is no CSV: {error}.", fix="Name the columns in the first line.") from None
    for place, line in enumerate(lines):
        if len(line) != len(names):
            raise InvalidInput(f"Row {place} of the CSV has {len(line)} cells, and the first line {len(names)}.")
    return Scoring([TextColumn(name, [line[place] for line in lines]) for place, name in enumerate(names)], None)


def _decoded(body: bytes) -> ScoringBody | TensorBody:
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        refused = error
    for data in filter(None, (body, with_nulls(body))):
        for decode in (_decode, _decode_tensors):
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                found: ScoringBody | TensorBody = decode(data)
                if isinstance(found, ScoringBody) or (found.instances is None) != (found.inputs is None):
                    return found
    raise InvalidInput(
        f"The body is not a scoring request: {refused}.",
        fix='Send {"dataframe_split": {"columns": ["a", "b"], "data": [[0.5, null]]}}.',
    )


def _inputs(request: ScoringBody) -> Sequence[Input]:
    if request.dataframe_split is not None:
        return _split(request.dataframe_split)
    if request.dataframe_records is not None:
        return columns_of_records(request.dataframe_records)
    if isinstance(request.inputs, dict):
        return [_column(name, values) for name, values in request.inputs.items()]
    return _instances(request.inputs if request.instances is None else request.instances)


def _split(frame: SplitFrame) -> Sequence[Input]:
    names = frame.columns
    if names is None or all(isinstance(name, int) for name in names):  # a DataFrame that nobody gave column names
        return [Block(frame.data)]
    for place, row in enumerate(frame.data):
        if len(row) != len(names):
            raise InvalidInput(
                f"Row {place} has {len(row)} values, and there are {len(names)} columns.", where="dataframe_split"
            )
    return [Column(str(name), [row[place] for row in frame.data]) for place, name in enumerate(names)]


def _instances(instances: Sequence[Any] | None) -> Sequence[Input]:
    rows = list(instances or ())
    kinds = {dict if isinstance(row, dict) else list if isinstance(row, list) else Cell for row in rows}
    if kinds == {dict}:
        return _columns_of(rows)
    if kinds == {list}:
        return [Block(rows)]
    if len(kinds) > 1:
        raise InvalidInput("The rows are of different kinds.", fix="Give all of them as lists, or all as objects.")
    return [Block([[value] for value in rows])]


def _tensors(body: TensorBody) -> Sequence[Input]:
    """The tensors of a body: by name, or rows that are tensors or objects of them; a lone one without a name."""
    if isinstance(body.inputs, dict):
        return [Nested(name, values) for name, values in body.inputs.items()]
    rows: list[Any] = body.inputs if body.instances is None else body.instances  # type: ignore[assignment]
    return _columns_of(rows) if rows and all(isinstance(row, dict) for row in rows) else [Nested("features", rows)]


def _columns_of(rows: Sequence[dict[str, Any]]) -> Sequence[Input]:
    """The columns or tensors of rows that are objects."""
    return [_column(column.name, column.values) for column in columns_of_records(rows)]


def _is_one(cell: Any) -> bool:
    """Whether a list holds one value."""
    return isinstance(cell, list) and len(cell) == 1 and not isinstance(cell[0], list | dict)


def _column(name: str, values: Any) -> Input:
    """A column, or a tensor where a row gives more than one value; [rows, 1] holds each in a list of its own."""
    cells = values if isinstance(values, list) else [values]
    if any(isinstance(cell, list | dict) and not _is_one(cell) for cell in cells):
        return Nested(name, cells)
    return Column(name, [cell[0] if isinstance(cell, list) else cell for cell in cells])
