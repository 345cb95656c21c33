"""How values travel between steps and what they hash to.

Arguments and results are pickled into blobs. An argument's hash, with those of the code, decides whether an earlier
result may be taken: by `fingerprint` where a value has one (training rows: their provenance), Arrow tables by content,
anything else by its pickle.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import cloudpickle

from tidewheel.base.errors import InvalidInput
from tidewheel.base.hashing import hash_bytes, hash_json

_PLAIN = (str, int, float, bool, bytes, type(None), datetime, date, timedelta)


@dataclass(frozen=True, slots=True)
class ResultOf:
    """Stands in an argument for the result of another step: the blob it lies in, and its hash."""

    digest: str
    hash: str


def map_leaves(value: Any, change: Callable[[Any], Any]) -> Any:
    """The value with every leaf of its lists, tuples and dicts changed."""
    if type(value) is list:
        return [map_leaves(item, change) for item in value]
    if type(value) is tuple:
        return tuple(map_leaves(item, change) for item in value)
    if type(value) is dict:
        return {key: map_leaves(item, change) for key, item in value.items()}
    return change(value)


def leaves(value: Any) -> list[Any]:
    """Every leaf of a value's lists, tuples and dicts."""
    found: list[Any] = []
    map_leaves(value, found.append)
    return found


def value_hash(value: Any) -> str:
    """What a value hashes to; equal values of one kind hash equally."""
    if isinstance(value, ResultOf):
        return value.hash
    fingerprint = getattr(value, "fingerprint", None)
    if isinstance(fingerprint, str):
        return hash_json(["fingerprint", fingerprint])
    if type(value) in _PLAIN:
        return hash_json([type(value).__name__, repr(value)])
    if type(value) in (list, tuple):
        return hash_json([type(value).__name__, [value_hash(item) for item in value]])
    if type(value) is dict:
        return hash_json(["dict", sorted([value_hash(key), value_hash(item)] for key, item in value.items())])
    return _object_hash(value)


def dump(value: Any, what: str) -> bytes:
    """A value's pickle.

    Raises:
        InvalidInput: if it has none; `what` says whose value it is.
    """
    try:
        data: bytes = cloudpickle.dumps(value, protocol=5)
    except Exception as error:  # pickling calls code of the value, which may raise anything
        raise InvalidInput(
            f"{what} is a {type(value).__name__}, which cannot travel between processes: {error}.",
            fix="Return data or picklable objects; open files and connections within the step.",
        ) from error
    return data


def undump(data: bytes) -> Any:
    """The value of a pickle that `dump` made (the blob store has checked its digest)."""
    return pickle.loads(data)  # noqa: S301


def _object_hash(value: Any) -> str:
    if type(value).__module__.split(".")[0] == "pyarrow" and hasattr(value, "combine_chunks"):
        import pyarrow as pa

        if isinstance(value, pa.Table):
            return hash_json(["table", _table_hash(value)])
    return hash_json([type(value).__qualname__, hash_bytes(dump(value, "An argument"))])


def _table_hash(table: Any) -> str:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    bare = table.combine_chunks().replace_schema_metadata(None)
    with pa.ipc.new_stream(sink, bare.schema) as writer:
        writer.write_table(bare)
    return hash_bytes(sink.getvalue())
