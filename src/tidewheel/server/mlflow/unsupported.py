"""What MLflow's server has and this one leaves out: each address answers 501 and says so, rather than a 404 page."""

from __future__ import annotations

from tidewheel.server.mlflow.errors import MLflowError

_PREFIXES = {
    "traces": "traces",
    "v3/traces": "traces",
    "trace": "traces",
    "assessments": "assessments of traces",
    "datasets": "evaluation datasets",
    "scorers": "scorers",
    "scorer": "scorers",
    "prompts": "the prompt registry",
    "prompt": "the prompt registry",
    "prompt-optimization": "prompt optimization",
    "gateway": "the AI gateway",
    "gateway-proxy": "the AI gateway",
    "issues": "issues of traces",
    "label-schemas": "labelling",
    "review-queues": "labelling",
    "labeling-sessions": "labelling",
    "genai": "GenAI evaluation",
    "jobs": "server-side jobs",
    "demo": "MLflow's demo",
    "promptlab": "the prompt lab",
    "runs/create-promptlab-run": "the prompt lab",
    "runs/link-prompts": "the prompt registry",
    "workspaces": "workspaces",
    "users": "MLflow's users: see `tidewheel tokens`",
    "mcp-servers": "MCP servers",
    "ui-telemetry": "telemetry of MLflow's page",
}


def unsupported(path: str) -> MLflowError | None:
    """The error for an address below ``/mlflow/`` that belongs to a part left out; None for any other."""
    parts = path.strip("/").split("/")
    for length in (2, 1):
        part = _PREFIXES.get("/".join(parts[:length]))
        if part is not None:
            return MLflowError(
                "NOT_IMPLEMENTED",
                f"Tidewheel does not have {part}. It covers MLflow's tracking, artifacts, logged models and model "
                "registry; use an MLflow server for traces and GenAI.",
            )
    return None
