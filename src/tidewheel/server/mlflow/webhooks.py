"""MLflow's addresses of webhooks. A secret goes in and never comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tidewheel.base.units import to_us
from tidewheel.registry import Webhook
from tidewheel.server.mlflow.errors import MLflowError, invalid
from tidewheel.server.mlflow.protocol import call

if TYPE_CHECKING:
    from tidewheel.app import Platform

_ENTITIES = {1: "REGISTERED_MODEL", 2: "MODEL_VERSION", 3: "MODEL_VERSION_TAG", 4: "MODEL_VERSION_ALIAS"}
_ACTIONS = {1: "CREATED", 2: "UPDATED", 3: "DELETED", 4: "SET"}
_STATUSES = {1: "ACTIVE", 2: "DISABLED"}


class Event(msgspec.Struct):
    entity: str | int = ""
    action: str | int = ""


class NewWebhook(msgspec.Struct):
    name: str = ""
    url: str = ""
    events: list[Event] = []
    description: str = ""
    secret: str = ""
    status: str | int = "ACTIVE"


class WebhookChange(msgspec.Struct):
    webhook_id: str = ""
    name: str = ""
    url: str = ""
    events: list[Event] = []
    description: str = ""
    secret: str = ""
    status: str | int = ""


class WebhookList(msgspec.Struct):
    max_results: int = 100
    page_token: str | None = None


class WebhookId(msgspec.Struct):
    webhook_id: str = ""


class WebhookTry(msgspec.Struct):
    webhook_id: str = ""
    event: Event | None = None


@call("POST", "/webhooks", required=("name", "url", "events"))
def create(platform: Platform, sent: NewWebhook) -> dict[str, Any]:
    webhook = platform.webhooks.create(
        sent.name,
        sent.url,
        [_event(event) for event in sent.events],
        sent.description,
        sent.secret or None,
        _status(sent.status) or "ACTIVE",
    )
    return {"webhook": webhook_json(webhook)}


@call("GET", "/webhooks")
def list_webhooks(platform: Platform, sent: WebhookList) -> dict[str, Any]:
    page = platform.webhooks.webhooks(sent.max_results or 100, sent.page_token)
    found: dict[str, Any] = {"webhooks": [webhook_json(webhook) for webhook in page.webhooks]} if page.webhooks else {}
    return found | ({"next_page_token": page.next_page_token} if page.next_page_token else {})


@call("GET", "/webhooks/{webhook_id}", required=("webhook_id",))
def get(platform: Platform, sent: WebhookId) -> dict[str, Any]:
    return {"webhook": webhook_json(platform.webhooks.webhook(sent.webhook_id))}


@call("PATCH", "/webhooks/{webhook_id}", required=("webhook_id",))
def update(platform: Platform, sent: WebhookChange) -> dict[str, Any]:
    webhook = platform.webhooks.update(
        sent.webhook_id,
        sent.name or None,
        sent.url or None,
        [_event(event) for event in sent.events] or None,
        sent.description or None,
        sent.secret or None,
        _status(sent.status),
    )
    return {"webhook": webhook_json(webhook)}


@call("DELETE", "/webhooks/{webhook_id}", required=("webhook_id",))
def delete(platform: Platform, sent: WebhookId) -> None:
    platform.webhooks.delete(sent.webhook_id)


@call("POST", "/webhooks/{webhook_id}/test", required=("webhook_id",))
def test(platform: Platform, sent: WebhookTry) -> dict[str, Any]:
    found = platform.webhooks.test(sent.webhook_id, _event(sent.event) if sent.event else None)
    told = {
        "success": found.success,
        "response_status": found.response_status,
        "response_body": found.response_body,
        "error_message": found.error_message,
    }
    return {"result": {name: value for name, value in told.items() if value is not None}}


def webhook_json(webhook: Webhook) -> dict[str, Any]:
    """A webhook as MLflow writes it."""
    return {
        "webhook_id": webhook.id,
        "name": webhook.name,
        "description": webhook.description,
        "url": webhook.url,
        "events": [_event_json(event) for event in webhook.events],
        "status": webhook.status,
        "creation_timestamp": to_us(webhook.created_at) // 1000,
        "last_updated_timestamp": to_us(webhook.updated_at) // 1000,
    }


def _event_json(event: str) -> dict[str, str]:
    entity, _, action = event.partition(".")
    return {"entity": entity.upper(), "action": action.upper()}


def _event(sent: Event) -> str:
    entity = _ENTITIES.get(sent.entity, "") if isinstance(sent.entity, int) else sent.entity
    action = _ACTIONS.get(sent.action, "") if isinstance(sent.action, int) else sent.action
    if entity.upper().startswith(("PROMPT", "BUDGET")):
        raise MLflowError("NOT_IMPLEMENTED", f"Tidewheel has no events of {entity}: only of the model registry.")
    return f"{entity}.{action}".lower()


def _status(sent: str | int) -> str | None:
    if sent == "":
        return None
    status = _STATUSES.get(sent) if isinstance(sent, int) else sent
    if status not in _STATUSES.values():
        raise invalid(f"Unknown proto status: {sent}")
    return status
