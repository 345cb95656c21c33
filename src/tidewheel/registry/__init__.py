"""The model registry: immutable model versions, checked on every read, and the aliases that point at them.

Verbs: `Registry.register | register_source | find | promote | rollback | search_models | search_versions | verify |
trust | optimize`, by their files: registration, finding, aliases, stages, annotations, contents, optimization,
deletion; `Webhooks`, which tells
other programs what happened; and `log_model` for code that trains. Owns `registry_models`, `registry_versions`,
`registry_alias_holders`, `registry_model_tags`, `registry_version_tags`, `registry_webhooks`. Emits
`registry.model.created`, `registry.model.renamed`, `registry.model.described`, `registry.model.tagged`,
`registry.model.untagged`, `registry.model.deleted`, `registry.version.registered`, `registry.version.promoted`,
`registry.version.rolled_back`, `registry.version.evaluated`, `registry.version.staged`, `registry.version.described`,
`registry.version.tagged`, `registry.version.untagged`, `registry.version.trusted`, `registry.version.deleted`,
`registry.alias.removed`, `registry.webhook.created`, `registry.webhook.updated`, `registry.webhook.deleted`,
`registry.webhook.gave_up`. Reads its own events, for webhooks.

`Registry`, `Webhooks`, `log_model`, `Graph` and `nodes` are imported when first named: inference workers load models
from here and need no database library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tidewheel.registry.gate import Gate, GateCase, Verdict
from tidewheel.registry.records import Model, ModelPage, ModelVersion, Signature, Verification, VersionPage
from tidewheel.registry.runtimes.records import Quantize, RuntimeChoice, Tolerance
from tidewheel.registry.tensors import TensorSpec
from tidewheel.registry.webhook_records import Webhook, WebhookPage, WebhookTest

if TYPE_CHECKING:
    from tidewheel.registry.graphs import Graph, nodes
    from tidewheel.registry.logged_model import log_model
    from tidewheel.registry.service import Registry
    from tidewheel.registry.webhooks import Webhooks

__all__ = [
    "Gate",
    "GateCase",
    "Graph",
    "Model",
    "ModelPage",
    "ModelVersion",
    "Quantize",
    "Registry",
    "RuntimeChoice",
    "Signature",
    "TensorSpec",
    "Tolerance",
    "Verdict",
    "Verification",
    "VersionPage",
    "Webhook",
    "WebhookPage",
    "WebhookTest",
    "Webhooks",
    "log_model",
    "nodes",
]
_LATER = {
    "Graph": "tidewheel.registry.graphs",
    "Registry": "tidewheel.registry.service",
    "Webhooks": "tidewheel.registry.webhooks",
    "log_model": "tidewheel.registry.logged_model",
    "nodes": "tidewheel.registry.graphs",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
