"""Reads the MLmodel file that stands in the folder of every model MLflow saved: what is in there, and how to load it.

A flavour whose own file holds no code and answers the same numbers when we read it is loaded natively (`lightgbm`,
`xgboost`, `onnx`, `skops`); any other is loaded by MLflow itself (`mlflow`), which runs the code that it brings along.
Called by the registry for sources that clients name, so the file is foreign: bounded in size, and in depth before it is
loaded (by LibYAML, five times as fast as the loader in Python, whose stack deep nesting would overflow).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidewheel.base.errors import InvalidInput, NotFound, TooLarge
from tidewheel.registry.formats import open_format
from tidewheel.registry.mlflow_signature import read_signature
from tidewheel.registry.records import Signature

FILE = "MLmodel"
OURS = "tidewheel"
"""Stands among the metadata of the files that we write."""
_MOST_BYTES = 512 * 1024
_MOST_LEVELS = 64
Read = Callable[[str], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class MLModelFile:
    """What an MLmodel file says of its folder.

    Attributes:
        format: the format of ours that loads it: a native one, or `mlflow`.
        files: the paths to keep: all of the folder, so that MLflow's own clients can load what was registered.
        signature: no columns where the file gives none.
        executes_code: whether loading runs code from the folder, so that someone must vouch for it.
        flavors: MLflow's names for the ways to load it.
        sample_path: the input example, if there is one.
        why: the reason for `mlflow` where a native format exists for the flavour.
    """

    format: str
    files: tuple[str, ...]
    signature: Signature
    executes_code: bool
    flavors: tuple[str, ...]
    sample_path: str | None = None
    model_id: str | None = None
    run_id: str | None = None
    mlflow_version: str | None = None
    why: str = ""


def describe(paths: Collection[str], read: Read) -> MLModelFile:
    """What is in a model folder: `paths` are its files, relative to it, and `read` gives the bytes of one.

    Raises:
        NotFound: if it has no MLmodel file.
        InvalidInput: if that file cannot be understood.
    """
    if FILE not in paths:
        raise NotFound(
            "There is no MLmodel file, so this is not a model that MLflow saved.",
            fix="Name the folder of the model itself, as in runs:/RUN/model or models:/m-….",
        )
    document = parse(read(FILE))
    flavors = _mapping(document, "flavors")
    native, why = _native_format(flavors, paths, read)
    found = native or "mlflow"
    return MLModelFile(
        format=found,
        files=tuple(sorted(paths)),
        signature=read_signature(_optional_mapping(document, "signature")),
        executes_code=open_format(found).executes_code,
        flavors=tuple(str(flavor) for flavor in flavors),
        sample_path=_sample_path(document, paths),
        model_id=_text(document, "model_id"),
        run_id=_text(document, "run_id"),
        mlflow_version=_text(document, "mlflow_version"),
        why="" if native else why,
    )


def parse(data: bytes) -> dict[str, Any]:
    """The document in an MLmodel file.

    Raises:
        TooLarge: if it is longer than any that MLflow writes.
        InvalidInput: if it is not YAML, nested too deeply, or not a mapping.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # PyYAML may have been built without LibYAML

    if len(data) > _MOST_BYTES:
        raise TooLarge(f"The MLmodel file has {len(data)} bytes, more than {_MOST_BYTES}.", where=FILE)
    try:
        _check_depth(yaml.parse(data, loader))
        document = yaml.load(data, loader)  # noqa: S506 - either is safe
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise _bad(f"it is not YAML ({str(error)[:200]})") from None
    if not isinstance(document, dict):
        raise _bad("a mapping is wanted")
    return document


def _check_depth(events: Iterable[Any]) -> None:
    """Refuse a document whose lists and mappings stand in each other more than `_MOST_LEVELS` deep."""
    from yaml.events import CollectionEndEvent, CollectionStartEvent

    level = 0
    for event in events:
        level += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if level > _MOST_LEVELS:
            raise _bad(f"it is nested more than {_MOST_LEVELS} deep")


def flavor_section(folder: Path, flavor: str) -> Mapping[str, Any]:
    """What the MLmodel file of a folder says of one flavour; nothing where there is none."""
    if not (folder / FILE).is_file():
        return {}
    section = _mapping(parse((folder / FILE).read_bytes()), "flavors").get(flavor)
    return section if isinstance(section, dict) else {}


def is_ours(folder: Path) -> bool:
    """Whether Tidewheel wrote the MLmodel file of a folder, when it saved the model itself."""
    metadata = parse((folder / FILE).read_bytes()).get("metadata")
    return isinstance(metadata, dict) and OURS in metadata


def _native_format(flavors: Mapping[str, Any], paths: Collection[str], read: Read) -> tuple[str | None, str]:
    """The native format that answers as MLflow's pyfunc would, or the reason why there is none."""
    loader = flavors.get("python_function")
    module = loader.get("loader_module") if isinstance(loader, dict) else None
    method = loader.get("predict_fn") if isinstance(loader, dict) else None
    for flavor, choose in _CHOICES.items():
        section = flavors.get(flavor)
        if isinstance(section, dict) and flavor != "sklearn" and method not in (None, "predict"):
            return None, f"its pyfunc answers with {method}"
        if isinstance(section, dict) and module in (None, f"mlflow.{flavor}"):
            return choose(section, paths, read)
    return None, f"no native format reads the flavour {module or ', '.join(map(str, flavors)) or '(none)'}"


def _lightgbm(section: Mapping[str, Any], paths: Collection[str], read: Read) -> tuple[str | None, str]:
    if section.get("data") in {"model.skops"} and section["data"] in paths:
        return "skops", ""
    if section.get("model_class", "lightgbm.basic.Booster") != "lightgbm.basic.Booster":
        return None, "the estimator was pickled"
    if section.get("data") not in {"model.lgb", "model.txt"} or section["data"] not in paths:
        return None, f"the booster lies at {section.get('data')!r}"
    categories = read(str(section["data"])).rpartition(b"pandas_categorical:")[2].strip()
    if categories not in {b"null", b"[]"}:
        return None, "the booster was trained on pandas categories"
    return "lightgbm", ""


def _xgboost(section: Mapping[str, Any], paths: Collection[str], read: Read) -> tuple[str | None, str]:
    from tidewheel.registry.formats.xgboost_booster import FILES, METHODS

    model_class = str(section.get("model_class", "xgboost.core.Booster"))
    if model_class not in METHODS:
        return None, f"its class is {model_class}"
    if section.get("data") not in FILES or section["data"] not in paths:
        return None, f"the booster lies at {section.get('data')!r}"
    return "xgboost", ""


def _onnx(section: Mapping[str, Any], paths: Collection[str], read: Read) -> tuple[str | None, str]:
    if section.get("data") != "model.onnx" or "model.onnx" not in paths:
        return None, f"the graph lies at {section.get('data')!r}"
    return "onnx", ""


def _sklearn(section: Mapping[str, Any], paths: Collection[str], read: Read) -> tuple[str | None, str]:
    if section.get("serialization_format") != "skops":
        return None, "the estimator was pickled (mlflow.sklearn writes skops with serialization_format='skops')"
    if section.get("pickled_model") != "model.skops" or "model.skops" not in paths:
        return None, f"the estimator lies at {section.get('pickled_model')!r}"
    return "skops", ""


_CHOICES: dict[str, Callable[[Mapping[str, Any], Collection[str], Read], tuple[str | None, str]]] = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "onnx": _onnx,
    "sklearn": _sklearn,
}


def _sample_path(document: Mapping[str, Any], paths: Collection[str]) -> str | None:
    section = _optional_mapping(document, "saved_input_example_info") or {}
    path = section.get("artifact_path")
    return path if isinstance(path, str) and path in paths else None


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = _optional_mapping(document, key)
    if found is None:
        raise _bad(f"it has no {key!r}")
    return found


def _optional_mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    found = document.get(key)
    if found is not None and not isinstance(found, dict):
        raise _bad(f"its {key!r} is not a mapping")
    return found


def _text(document: Mapping[str, Any], key: str) -> str | None:
    found = document.get(key)
    return found if isinstance(found, str) else None


def _bad(why: str) -> InvalidInput:
    return InvalidInput(f"The MLmodel file cannot be read: {why}.", where=FILE, fix="Log the model again.")
