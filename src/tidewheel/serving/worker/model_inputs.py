"""From a request's inputs to the rows that a version takes: given whole, given by name, looked up, or mixed.

A request gives one tensor `features` in the order of the signature, or a tensor per feature name, or entity keys and
request values from which the version's feature plan computes the features; a feature given by name goes before a
computed one. A version of tensors is given each by its name. The same request may meet versions with different
features, so an input that only another version of the endpoint knows is left alone; one that none knows is refused.
Called by `predict` and `shadows`, in a thread too: it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence, Sized
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.serving.signature import check_whole
from tidewheel.serving.worker.calls import Input
from tidewheel.serving.worker.feature_plans import Plan
from tidewheel.serving.worker.inference_codec import MAX_ROWS
from tidewheel.serving.worker.runtime import LoadedVersion
from tidewheel.serving.worker.tensor_inputs import tensor_rows

Rows = NDArray[np.float64]
Instants = int | NDArray[np.int64]


Inputs = Mapping[str, Input]


def check_known(inputs: Inputs, known: Collection[str], told: Callable[[], Collection[str]]) -> None:
    """Refuse an input that no version of the endpoint knows; `known` is empty where there is no version. The refusal
    names those of `told`: callers need not know of a candidate's."""
    for name in inputs if known else ():  # without a version nothing is known, and that is what the caller should hear
        if name not in known:
            raise InvalidInput(
                f"The endpoint knows no input {name[:200]!r}.", fix=f"It knows: {', '.join(sorted(told()))}."
            )


def rows_of(version: LoadedVersion, inputs: Inputs, store: Any, at_us: Instants) -> tuple[Rows, dict[str, list[str]]]:
    """The rows for a version (C-contiguous), and the entity keys that the request named.

    Raises:
        InvalidInput: if the inputs do not give every feature or tensor, or their numbers of rows differ.
    """
    if version.tensors:
        return tensor_rows(version, inputs), {}
    plan = version.plan
    entities = {name: inputs[name].texts() for name in plan.entities if name in inputs} if plan is not None else {}
    whole = inputs.get("features")
    if whole is not None and "features" not in version.columns:
        rows = whole.numbers()
        if rows.ndim == 1 and version.width == 1:
            rows = rows.reshape(-1, 1)
        if rows.ndim != 2 or (rows.shape[1] != version.width and not version.unsigned):
            raise InvalidInput(
                f"The input 'features' has shape {list(rows.shape)}, and the model takes {version.width} features.",
                fix=f"Give [rows, {version.width}] with, in this order: {', '.join(version.names)}.",
            )
    else:
        rows = _assembled(version, inputs, entities, store, at_us)
    for name, keys in entities.items():
        if len(keys) != len(rows):
            raise InvalidInput(f"The input {name!r} has {len(keys)} rows where others have {len(rows)}.")
    if version.whole:
        check_whole(version.whole, rows)
    return rows, entities


def _assembled(
    version: LoadedVersion, inputs: Inputs, entities: dict[str, list[str]], store: Any, at_us: Instants
) -> Rows:
    if version.unsigned:
        raise InvalidInput(
            "The version was registered without a signature, so its columns have no names.",
            fix="Send one input 'features' of shape [rows, columns], or register it with a signature.",
        )
    named = {name: _column(inputs[name]) for name in version.columns if name in inputs}
    if named and version.optional and version.plan is None:
        absent = version.optional - named.keys()
        named |= {name: np.full(len(next(iter(named.values()))), np.nan) for name in absent}
    if len(named) == version.width:
        count = _same_length({name: len(column) for name, column in named.items()})
        rows = np.empty((count, version.width))
    else:
        rows = _looked_up(version, inputs, entities, store, at_us, named)
    for name, column in named.items():
        if len(column) != len(rows):
            raise InvalidInput(f"The input {name!r} has {len(column)} rows where others have {len(rows)}.")
        rows[:, version.columns[name]] = column
    return rows


def _looked_up(
    version: LoadedVersion,
    inputs: Inputs,
    entities: dict[str, list[str]],
    store: Any,
    at_us: Instants,
    named: dict[str, Rows],
) -> Rows:
    plan = version.plan
    missing = [name for name in version.names if name not in named]
    if plan is None:
        raise InvalidInput(
            f"Features are missing: {_some(missing)}.", fix=f"Give all of: {', '.join(version.names)} (null = missing)."
        )
    absent = [name for name in (*plan.entities, *plan.request) if name not in inputs]
    if absent:
        raise InvalidInput(
            f"Features are missing ({_some(missing)}), and to look them up, so are: {', '.join(absent)}.",
            fix="Give every feature, or every entity key and request value.",
        )
    request = {name: _request_value(plan, name, inputs[name]) for name in plan.request}
    given: dict[str, Sized] = {**entities, **request}
    _same_length({name: len(values) for name, values in given.items()})
    return np.ascontiguousarray(plan.online(store, entities, request, at_us), dtype=np.float64)


def _request_value(plan: Plan, name: str, given: Input) -> NDArray[Any]:
    if plan.request[name] is str:
        return np.array(given.texts(), dtype=object)
    return _column(given)


def _column(given: Input) -> Rows:
    values = given.numbers()
    if values.ndim > 1 and values.shape[1:] != (1,) * (values.ndim - 1):
        count = prod(values.shape[1:]) or "lists of"
        raise InvalidInput(
            f"The input {given.name!r} has shape {list(values.shape)}: {count} values in one row.",
            fix="Give [rows] or [rows, 1].",
        )
    return values.ravel()


def _same_length(lengths: dict[str, int]) -> int:
    if len(set(lengths.values())) != 1:
        raise InvalidInput(f"The inputs differ in their number of rows: {_some(sorted(lengths.items()))}.")
    count = next(iter(lengths.values()))
    if count > MAX_ROWS:
        raise InvalidInput(f"The request has {count} rows.", fix=f"Send at most {MAX_ROWS} at once.")
    return count


def _some(things: Sequence[Any]) -> str:
    shown = ", ".join(str(thing) for thing in things[:10])
    return shown if len(things) <= 10 else f"{shown} and {len(things) - 10} more"
