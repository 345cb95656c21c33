"""The nouns of webhooks, as MLflow has them. Frozen, JSON-able, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

EVENTS = (
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address that is told of events of the registry.

    Attributes:
        url: where it is; a viewer, and the journal, see no more of it than the host, for the rest may be a key.
        events: those of `EVENTS` that it is told of.
        status: ACTIVE or DISABLED.
        has_secret: whether deliveries are signed; the secret itself is never shown.
        tries: how often the event at hand was sent in vain; 0 when all is well.
        last_error: why it was in vain, or why the last one given up was.
    """

    id: str
    name: str
    url: str
    events: tuple[str, ...]
    status: str
    created_at: datetime
    updated_at: datetime
    description: str = ""
    has_secret: bool = False
    tries: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class WebhookPage:
    """One page of webhooks, newest first; `next_page_token` asks for the next, None says that there is none."""

    webhooks: tuple[Webhook, ...]
    next_page_token: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookTest:
    """How a receiver answered an example: its status and the beginning of its body, or why there is none."""

    success: bool
    response_status: int | None = None
    response_body: str | None = None
    error_message: str | None = None
