"""The model registry: immutable model versions, checked on every read, and the aliases that point at them.

Verbs: `Registry.register | find | promote | rollback | verify | fetch | set_evaluation`, and `log_model` for code that
trains. Owns `registry_models`, `registry_versions`, `registry_alias_holders`. Emits `registry.model.created`,
`registry.version.registered`, `registry.version.promoted`, `registry.version.rolled_back`,
`registry.version.evaluated`, `registry.alias.removed`. Reads no events.

`Registry` and `log_model` are imported when first named: inference workers load models from here and need no
database library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tidewheel.registry.gate import Gate, GateCase, Verdict
from tidewheel.registry.records import Model, ModelVersion, Signature, Verification

if TYPE_CHECKING:
    from tidewheel.registry.logged_model import log_model
    from tidewheel.registry.service import Registry

__all__ = ["Gate", "GateCase", "Model", "ModelVersion", "Registry", "Signature", "Verdict", "Verification", "log_model"]
_LATER = {"Registry": "tidewheel.registry.service", "log_model": "tidewheel.registry.logged_model"}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
