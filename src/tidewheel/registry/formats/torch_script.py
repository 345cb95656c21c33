"""TorchScript: a module compiled by `torch.jit.script` or `torch.jit.trace`. It is a program, so it needs trust.

PyTorch's reader builds no Python objects, but what it builds is code in PyTorch's own language with operators that read
files, and PyTorch says of it what it says of any program: do not load what you do not trust. PyTorch has deprecated it
for `torch.export`.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from tidewheel.base.errors import Corrupt
from tidewheel.registry.formats import Predictor, model_file
from tidewheel.registry.formats.torch_module import dtype_of, torch, torch_predictor
from tidewheel.registry.tensors import read_layout

_FILE = "model.torchscript"


class TorchScript:
    """Keeps `torch.jit.ScriptModule`."""

    name = "torchscript"
    executes_code = True

    def takes(self, model: Any) -> bool:
        return any(
            cls.__module__ == "torch.jit._script" and "ScriptModule" in cls.__name__ for cls in type(model).__mro__
        )

    def save(self, model: Any, folder: Path) -> None:
        with _deprecated():
            torch().jit.save(model, str(folder / _FILE))

    def load(self, folder: Path) -> Predictor:
        library, path = torch(), model_file(folder, (_FILE,))
        try:
            with _deprecated():
                module = library.jit.load(str(path), map_location="cpu")
        except Exception as error:  # PyTorch's errors share no base but Exception
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise Corrupt(f"PyTorch cannot read the module: {said}", where=str(path)) from error
        return torch_predictor(module.eval(), read_layout(folder), width=None, dtype=dtype_of(module.parameters()))


def _deprecated() -> Any:
    return warnings.catch_warnings(action="ignore", category=DeprecationWarning)
