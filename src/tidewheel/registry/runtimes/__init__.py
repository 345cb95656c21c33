"""Faster ways to run a registered model: each makes files of its own of a version's, kept in `runtime/<name>/` there.

A runtime answers nearly as the model does, and not to the bit, so none is ever used by itself: `choosing` compares and
times it, and what it found stands in the version, in `runtime/choice.json`. A new runtime is a class that fits
`Runtime` and a row in the table. Imported by workers: nothing heavy here.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.formats import Predictor

NATIVE = "native"
FOLDER = "runtime"
CHOICE = f"{FOLDER}/choice.json"


class Runtime(Protocol):
    """A way to run models of some formats. `lossy` says that it changes the model, so that only a gate may let it in.

    Loading must never run code that the files bring along: a version's trust was given to its format's files.
    """

    name: str
    lossy: bool

    def convert(self, format_name: str, folder: Path, into: Path) -> None:
        """Write this runtime's files, made from a version's files in `folder`, into an empty folder.

        The files must have been checked and must load: converters are less careful than formats.

        Raises:
            CannotConvert: if this model, or its format, cannot be run this way.
            Unavailable: if the converter is not installed here.
        """

    def load(self, folder: Path) -> Predictor:
        """The predictor of files that `convert` wrote.

        Raises:
            Corrupt: if they cannot be read.
            Unavailable: if the runtime's library is not installed here.
        """


class CannotConvert(InvalidInput):
    """A model that a runtime has no way to run."""


RUNTIMES: dict[str, str] = {
    "onnx": "tidewheel.registry.runtimes.onnx_runtime:Onnx",
    "onnx_double": "tidewheel.registry.runtimes.onnx_runtime:OnnxDouble",
    "onnx_int8": "tidewheel.registry.runtimes.onnx_runtime:OnnxInt8",
}


def open_runtime(name: str) -> Runtime:
    """The runtime of a name.

    Raises:
        InvalidInput: if there is none.
    """
    try:
        module, _, attribute = RUNTIMES[name].partition(":")
    except KeyError:
        raise InvalidInput(
            f"There is no runtime {name!r} to choose.", fix=f"Use auto, or one of {', '.join(RUNTIMES)}."
        ) from None
    found: Runtime = getattr(import_module(module), attribute)()
    return found
