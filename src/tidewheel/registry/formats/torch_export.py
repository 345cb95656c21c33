"""`torch.export` programs (.pt2). Loading one runs code, so it needs trust.

Said plainly because its name suggests otherwise: as of PyTorch 2.13, `torch.export.load` unpickles what the archive
marks as pickled (constants, some weights) without restriction and hands its symbolic shapes to SymPy's `sympify`, which
evaluates Python. A program that was exported with a dynamic number of rows answers any number of them; one that was not
is refused at saving.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tidewheel.base.errors import Corrupt, InvalidInput
from tidewheel.registry.formats import model_file
from tidewheel.registry.formats.torch_module import TorchPredictor, dtype_of, torch

_FILE = "model.pt2"


class TorchExport:
    """Keeps `torch.export.ExportedProgram`."""

    name = "torch_export"
    executes_code = True

    def takes(self, model: Any) -> bool:
        return type(model).__module__.startswith("torch.export") and type(model).__name__ == "ExportedProgram"

    def save(self, model: Any, folder: Path) -> None:
        shape = _input_shape(model)
        if len(shape) != 2 or isinstance(shape[0], int):
            raise InvalidInput(
                f"The program takes a tensor of shape {list(shape)}, and a server needs any number of rows.",
                fix="Export it with dynamic_shapes=({0: torch.export.Dim('rows', min=1)},) and one 2-D tensor.",
            )
        torch().export.save(model, folder / _FILE)

    def load(self, folder: Path) -> TorchPredictor:
        library, path = torch(), model_file(folder, (_FILE,))
        try:
            program = library.export.load(path)
            width = _input_shape(program)[1]
            dtype = dtype_of(program.state_dict.values())
            module = program.module()
        except Exception as error:  # PyTorch's errors share no base but Exception
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise Corrupt(f"PyTorch cannot read the program: {said}", where=str(path)) from error
        return TorchPredictor(module, width=width if isinstance(width, int) else None, dtype=dtype)


def _input_shape(program: Any) -> tuple[Any, ...]:
    names = set(program.graph_signature.user_inputs)
    shapes = [tuple(node.meta["val"].shape) for node in program.graph.nodes if node.name in names]
    if len(shapes) != 1:
        raise InvalidInput(f"The program takes {len(shapes)} tensors.", fix="Export a module that takes one.")
    return shapes[0]
