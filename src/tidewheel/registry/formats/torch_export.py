"""`torch.export` programs (.pt2). Loading one runs code, so it needs trust.

Said plainly because its name suggests otherwise: as of PyTorch 2.13, `torch.export.load` unpickles what the archive
marks as pickled (constants, some weights) without restriction and hands its symbolic shapes to SymPy's `sympify`, which
evaluates Python. A program that was exported with a dynamic number of rows answers any number of them; one that was not
is refused at saving.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidewheel.base.errors import Corrupt, InvalidInput
from tidewheel.registry.formats import Predictor, model_file
from tidewheel.registry.formats.torch_module import TorchPredictor, dtype_of, torch, torch_predictor
from tidewheel.registry.tensors import TensorLayout, TensorSpec, read_layout

_FILE = "model.pt2"


class TorchExport:
    """Keeps `torch.export.ExportedProgram`."""

    name = "torch_export"
    executes_code = True

    def takes(self, model: Any) -> bool:
        return type(model).__module__.startswith("torch.export") and type(model).__name__ == "ExportedProgram"

    def save(self, model: Any, folder: Path) -> None:
        for name, tensor in _inputs_of(model).items():
            if not len(tensor.shape) or isinstance(tensor.shape[0], int):
                raise InvalidInput(
                    f"The program takes a tensor {name!r} of shape {list(tensor.shape)}, and a server needs any "
                    "number of rows.",
                    fix="Export it with dynamic_shapes=({0: torch.export.Dim('rows', min=1)},), one for each tensor.",
                )
        torch().export.save(model, folder / _FILE)

    def load(self, folder: Path) -> Predictor:
        library, path = torch(), model_file(folder, (_FILE,))
        try:
            program = library.export.load(path)
            inputs = _inputs_of(program)
            dtype = dtype_of(program.state_dict.values())
            module = program.module()
        except InvalidInput:
            raise
        except Exception as error:  # PyTorch's errors share no base but Exception
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise Corrupt(f"PyTorch cannot read the program: {said}", where=str(path)) from error
        declared = read_layout(folder)
        if declared is None and _is_table(inputs):
            width = next(iter(inputs.values())).shape[1]
            return TorchPredictor(module, width=width if isinstance(width, int) else None, dtype=dtype)
        return torch_predictor(module, _layout(inputs, declared), width=None, dtype=dtype)


def _is_table(inputs: Mapping[str, Any]) -> bool:
    return [len(tensor.shape) for tensor in inputs.values()] == [2] and next(
        iter(inputs.values())
    ).dtype.is_floating_point


def _layout(inputs: Mapping[str, Any], declared: TensorLayout | None) -> TensorLayout:
    """The program's tensors, in the order of its arguments; what is declared names them and fixes what it leaves free.

    Raises:
        InvalidInput: if other tensors are declared than it takes, or another dimension than the rows is free.
    """
    if declared is not None and len(declared.inputs) != len(inputs):
        raise InvalidInput(
            f"The program takes {len(inputs)} tensors ({', '.join(inputs)}), and {len(declared.inputs)} are given.",
            fix="Name each of them, in the order of its arguments.",
        )
    given = declared.inputs if declared else (None,) * len(inputs)
    specs = tuple(_spec(name, *each) for (name, *each) in zip(inputs, inputs.values(), given, strict=True))
    return TensorLayout(specs, declared.outputs if declared else ())


def _spec(name: str, tensor: Any, given: TensorSpec | None) -> TensorSpec:
    said = tuple(size if isinstance(size, int) else -1 for size in tensor.shape[1:])
    fits = given is None or (
        len(given.row_shape) == len(said)
        and all(one in (-1, other) for one, other in zip(said, given.row_shape, strict=True))
    )
    if not fits or (given is None and -1 in said):
        raise InvalidInput(
            f"The program's tensor {name!r} has shape {[-1, *said]}"
            + (f", and it is given as {list(given.shape)}." if given else ", which leaves more free than the rows."),
            fix=f"Say how large it is, as in log_model(…, inputs=[tw.TensorSpec({name!r}, (-1, 3, 32, 32))]).",
        )
    dtype = str(tensor.dtype).removeprefix("torch.")
    return TensorSpec(given.name, given.shape, dtype) if given else TensorSpec(name, (-1, *said), dtype)


def _inputs_of(program: Any) -> dict[str, Any]:
    """What the program says of each tensor that it takes, by its argument's name."""
    names = list(program.graph_signature.user_inputs)
    known = {node.name: node.meta["val"] for node in program.graph.nodes if node.name in names}
    if not names or not all(hasattr(known.get(name), "shape") for name in names):
        raise InvalidInput(f"The program takes {names}.", fix="Export a module whose arguments are tensors.")
    return {name: known[name] for name in names}
