"""What runs in the process of an isolated model: loads it, and answers rows over a socket until that closes.

Started by `keeper`, through `__main__`. It knows nothing of the install but the model's files: no database, no tokens.
It uses one thread and bounded memory; a model that has met that bound ends, since what leaked comes back only with a
new process.
"""

from __future__ import annotations

import os
import socket
import sys
import traceback
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt, TidewheelError
from tidewheel.base.parent import exit_with_parent
from tidewheel.registry.formats import Predictor
from tidewheel.registry.isolated_process import Reply, bound_process
from tidewheel.registry.load import load_predictor, use_one_thread
from tidewheel.serving.worker.isolation.frames import BadFrame, Frame, Kind, receive, send


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What to load: `files` by path with their BLAKE3, in `folder`. `memory_mb` bounds the process."""

    format: str
    folder: str
    files: dict[str, str]
    trusted_by: str | None
    memory_mb: int


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An exception that a model has raised; `of_values` if it was a ValueError or TypeError."""

    type: str
    message: str
    of_values: bool = False


def main(descriptor: int) -> None:
    """Serve the socket of a descriptor, and end at once when that is over."""
    exit_with_parent()
    connection = socket.socket(fileno=descriptor)
    code = 1
    try:
        predictor = _load(connection)
        if predictor is not None:
            _serve(connection, predictor)
        code = 0
    except (BadFrame, OSError):  # the worker has closed it, or is gone
        code = 0
    except MemoryError:
        print("The model has used up its memory; its process ends.", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _load(connection: socket.socket) -> Predictor | None:
    """The model that the worker asks for, or None when it has been told why there is none."""
    task = msgspec.json.decode(receive(connection).text, type=Task)
    try:
        bound_process(task.memory_mb)
        predictor = load_predictor(task.format, Path(task.folder), task.files, task.trusted_by)
        use_one_thread()
    except BaseException as error:  # a model may raise anything, SystemExit too
        send(connection, _told(error))
        return None
    send(connection, Frame(Kind.READY))
    return predictor


def _serve(connection: socket.socket, predictor: Predictor) -> None:
    while True:
        rows = receive(connection).numbers
        if rows is None:
            raise BadFrame("A frame of rows was due.")
        try:
            answer = Frame(Kind.OUTPUTS, numbers=_outputs(predictor, rows))
        except BaseException as error:
            send(connection, _told(error))
            if isinstance(error, MemoryError):
                raise
            continue
        send(connection, answer)


def _outputs(predictor: Predictor, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    outputs = np.asarray(predictor.predict(rows), dtype=np.float64)
    if outputs.ndim != 2 or len(outputs) != len(rows):
        raise Corrupt(
            f"The model answered {len(rows)} rows with an array of shape {outputs.shape}.",
            fix="Its predict(X) must return one row for each row of X.",
        )
    return outputs


def _told(error: BaseException) -> Frame:
    """An exception as a frame; what is not ours is written to the log whole, as it would be in the worker."""
    if isinstance(error, TidewheelError):
        return Frame(Kind.REFUSED, text=msgspec.json.encode(Reply(**error.to_dict())))
    traceback.print_exception(error, file=sys.stderr)
    of_values = isinstance(error, ValueError | TypeError)
    failure = Failure(type=type(error).__name__, message=str(error)[:10_000], of_values=of_values)
    return Frame(Kind.FAILED, text=msgspec.json.encode(failure))
