"""PyTorch networks without code: weights in safetensors, and the layers named in JSON.

A state of weights alone cannot predict, and every way that PyTorch has of keeping the architecture too runs code or is
a program. So the layers are written down as data: `torch.nn.Sequential`, nested as deep as one likes, of the layers in
the table, each with the arguments that it was made with. That is most networks on tables of numbers, and plain ones on
images and sequences; any other goes to ONNX (`torch.onnx.export`), which holds no code either, or to `torch_export`
with trust. Equal networks give equal bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tidewheel.base.errors import Corrupt, Unavailable
from tidewheel.registry.formats import DoesNotFit, Predictor, library_of, model_file
from tidewheel.registry.formats.torch_module import dtype_of, torch, torch_predictor
from tidewheel.registry.tensors import read_layout

_WEIGHTS, _LAYERS = "model.safetensors", "layers.json"
_DEEPEST = 32
_CONVOLUTION = (
    "in_channels",
    "out_channels",
    "kernel_size",
    "stride",
    "padding",
    "dilation",
    "groups",
    "padding_mode",
)
_BATCH_NORM = ("num_features", "eps", "momentum", "affine", "track_running_stats")
_MAXIMUM = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
_AVERAGE = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "Linear": ("in_features", "out_features"),
    "Conv1d": _CONVOLUTION,
    "Conv2d": _CONVOLUTION,
    "MaxPool1d": _MAXIMUM,
    "MaxPool2d": _MAXIMUM,
    "AvgPool1d": _AVERAGE,
    "AvgPool2d": _AVERAGE,
    "AdaptiveAvgPool1d": ("output_size",),
    "AdaptiveAvgPool2d": ("output_size",),
    "Embedding": ("num_embeddings", "embedding_dim", "padding_idx"),
    "BatchNorm1d": _BATCH_NORM,
    "BatchNorm2d": _BATCH_NORM,
    "LayerNorm": ("normalized_shape", "eps", "elementwise_affine"),
    "Dropout": ("p",),
    "Dropout2d": ("p",),
    "AlphaDropout": ("p",),
    "Flatten": ("start_dim", "end_dim"),
    "Identity": (),
    "ReLU": (),
    "ReLU6": (),
    "LeakyReLU": ("negative_slope",),
    "PReLU": ("num_parameters",),
    "ELU": ("alpha",),
    "CELU": ("alpha",),
    "SELU": (),
    "GELU": ("approximate",),
    "SiLU": (),
    "Mish": (),
    "Hardswish": (),
    "Hardsigmoid": (),
    "Sigmoid": (),
    "LogSigmoid": (),
    "Tanh": (),
    "Softplus": ("beta", "threshold"),
    "Softsign": (),
    "Softmax": ("dim",),
    "LogSoftmax": ("dim",),
}
_WITH_BIAS = frozenset({"Linear", "LayerNorm", "Conv1d", "Conv2d"})


class SafetensorsLayers:
    """Keeps `torch.nn.Sequential` of PyTorch's own layers."""

    name = "safetensors"
    executes_code = False

    def takes(self, model: Any) -> bool:
        return library_of(model, "torch") and type(model).__name__ == "Sequential"

    def save(self, model: Any, folder: Path) -> None:
        layers = _describe(model)
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
        _safetensors().save_file(weights, folder / _WEIGHTS)
        (folder / _LAYERS).write_text(json.dumps(layers, indent=1))

    def load(self, folder: Path) -> Predictor:
        module, width = self.module(folder)
        dtype = dtype_of(module.state_dict().values())
        return torch_predictor(module, read_layout(folder), width=width, dtype=dtype)

    def module(self, folder: Path) -> tuple[Any, int | None]:
        """The network itself, and the number of features that it takes if its layers say it."""
        path = model_file(folder, (_WEIGHTS,))
        try:
            layers = json.loads(model_file(folder, (_LAYERS,)).read_bytes())
            module = _build(layers, 0)
            weights = _safetensors().load_file(path)
            module.to(dtype_of(weights.values())).load_state_dict(weights)
        except (Corrupt, Unavailable):
            raise
        except Exception as error:  # JSON's, safetensors' and PyTorch's errors share no base
            raise Corrupt(f"The network cannot be read: {type(error).__name__}: {error}", where=str(path)) from error
        return module.eval(), _width(layers)


def _describe(module: Any) -> dict[str, Any]:
    kind = type(module).__name__
    if kind == "Sequential" and library_of(module, "torch"):
        return {"layer": kind, "layers": [_describe(each) for each in module]}
    nn = torch().nn
    if kind not in _ARGUMENTS or type(module) is not getattr(nn, kind):
        raise DoesNotFit(
            f"The network holds {type(module).__module__}.{type(module).__qualname__}, which is not among the layers "
            "that can be written down without code.",
            fix="Export it to ONNX (torch.onnx.export) and log its bytes, or log torch.export.export(…) with "
            "trust=True, which runs code when loaded.",
        )
    arguments = {name: _plain(getattr(module, name)) for name in _ARGUMENTS[kind]}
    if kind in _WITH_BIAS:
        arguments["bias"] = module.bias is not None
    return {"layer": kind, "arguments": arguments}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _build(described: dict[str, Any], depth: int) -> Any:
    """The layers of a description; nothing that is not in the table is ever looked up."""
    kind = described["layer"]
    if kind == "Sequential" and depth < _DEEPEST:
        return torch().nn.Sequential(*(_build(each, depth + 1) for each in described["layers"]))
    if kind not in _ARGUMENTS or not set(described["arguments"]) <= {*_ARGUMENTS[kind], "bias"}:
        raise Corrupt(f"{kind!r} is not a layer that is known here.", fix="Register the network again.")
    return getattr(torch().nn, kind)(**described["arguments"])


def _width(described: dict[str, Any]) -> int | None:
    """The number of features that the first layer says it takes."""
    if described["layer"] == "Sequential":
        return next((width for width in map(_width, described["layers"]) if width is not None), None)
    arguments = described["arguments"]
    width = arguments.get("in_features", arguments.get("num_features"))
    return int(width) if width is not None else None


def _safetensors() -> Any:
    torch()
    try:
        import safetensors.torch
    except ImportError:
        raise Unavailable("safetensors is not installed here.", fix='pip install "tidewheel[torch]".') from None
    return safetensors.torch
