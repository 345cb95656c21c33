"""The room's second face: webhooks on events of the registry, as MLflow has them.

`app.py` constructs it; controller and server call `deliver` every moment. A change of the registry never waits for a
webhook and never fails for one: what happened stands in the journal, and the courier reads it there.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.base.ids import new_id
from tidewheel.base.page_tokens import page_offset, page_token as next_token
from tidewheel.base.settings import Settings
from tidewheel.registry import webhook_store
from tidewheel.registry.names import check_description
from tidewheel.registry.webhook_address import check_url, veiled
from tidewheel.registry.webhook_courier import Courier
from tidewheel.registry.webhook_events import example_of
from tidewheel.registry.webhook_records import EVENTS, Webhook, WebhookPage, WebhookTest
from tidewheel.registry.webhook_sender import send
from tidewheel.registry.webhook_store import Subscription
from tidewheel.storage import Metadata
from tidewheel.storage.journal import current_role

MAX_WEBHOOKS = 1000
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_STATUSES = ("ACTIVE", "DISABLED")
_MAX_SECRET = 1000


class Webhooks:
    """Keeps webhooks and tells them what happened."""

    def __init__(self, metadata: Metadata, clock: Clock, settings: Settings) -> None:
        self._metadata = metadata
        self._clock = clock
        self._private = settings.get("registry.webhook_private_hosts", bool)
        tries = settings.get("registry.webhook_tries", int)
        self._courier = Courier(metadata, tries=tries, private=self._private)

    @door("POST", "/registry/webhooks")
    def create(
        self,
        name: str,
        url: str,
        events: list[str],
        description: str = "",
        secret: str | None = None,
        status: str = "ACTIVE",
    ) -> Webhook:
        """Have an address told of events from now on.

        Args:
            name: what to call it.
            url: http or https. Private and loopback hosts only where `registry.webhook_private_hosts` allows them.
            events: as in ``["model_version.created", "model_version_alias.created"]``.
            description: what it is for.
            secret: signs each delivery (`X-MLflow-Signature`); it is never shown again.
            status: ACTIVE or DISABLED.
        """
        now = self._clock.now()
        webhook = Webhook(
            id=new_id("hook"),
            name=_checked_name(name),
            url=self._checked_url(url),
            events=_checked_events(events),
            status=_checked_status(status),
            created_at=now,
            updated_at=now,
            description=check_description(description),
            has_secret=bool(secret),
        )
        with self._metadata.change() as change:
            if webhook_store.count(change.connection) >= MAX_WEBHOOKS:
                raise InvalidInput(f"There are {MAX_WEBHOOKS} webhooks already.", fix="Delete those no longer used.")
            webhook_store.add(change.connection, webhook, _checked_secret(secret))
            change.emit("registry.webhook.created", f"webhook:{webhook.id}", _facts(webhook))
        return webhook

    @door("GET", "/registry/webhooks")
    def webhooks(self, limit: int = 100, page_token: str | None = None) -> WebhookPage:
        """All webhooks, newest first."""
        if not 1 <= limit <= 1000:
            raise InvalidInput("max_results must be between 1 and 1000.", where="limit")
        offset = page_offset(page_token)
        with self._metadata.read() as connection:
            found = webhook_store.list_page(connection, limit + 1, offset)
        more = next_token(offset + limit) if len(found) > limit else None
        return WebhookPage(tuple(_shown(webhook) for webhook in found[:limit]), more)

    @door("GET", "/registry/webhooks/{webhook_id}")
    def webhook(self, webhook_id: str) -> Webhook:
        """The webhook of an id."""
        with self._metadata.read() as connection:
            return _shown(_require(connection, webhook_id).webhook)

    @door("POST", "/registry/webhooks/{webhook_id}")
    def update(
        self,
        webhook_id: str,
        name: str | None = None,
        url: str | None = None,
        events: list[str] | None = None,
        description: str | None = None,
        secret: str | None = None,
        status: str | None = None,
    ) -> Webhook:
        """Change what is given and leave the rest.

        One that is active again, or has more events, is told of what happens from then on.
        """
        with self._metadata.change() as change:
            former = _require(change.connection, webhook_id).webhook
            webhook = replace(
                former,
                name=former.name if name is None else _checked_name(name),
                url=former.url if url is None else self._checked_url(url),
                events=former.events if events is None else _checked_events(events),
                description=former.description if description is None else check_description(description),
                status=former.status if status is None else _checked_status(status),
                updated_at=self._clock.now(),
                has_secret=former.has_secret or bool(secret),
            )
            columns: dict[str, Any] = {**_columns(webhook), "updated_at_us": self._clock.now_us()}
            if secret:
                columns["secret"] = _checked_secret(secret)
            if webhook.status != former.status or set(webhook.events) - set(former.events):
                # Without its claim, a delivery under way can no longer write the old place in the journal back.
                columns |= {"told_seq": webhook_store.head(change.connection), "told_parts": 0, "tries": 0}
                columns |= {"claimed_by": None, "claimed_until_us": 0}
            if webhook.events != former.events:
                columns["told_parts"] = 0
            webhook_store.change(change.connection, webhook_id, **columns, next_try_at_us=0)
            change.emit("registry.webhook.updated", f"webhook:{webhook_id}", _facts(webhook))
        return webhook

    @door("DELETE", "/registry/webhooks/{webhook_id}")
    def delete(self, webhook_id: str) -> None:
        """Forget a webhook; what it was not told of yet, it is not told."""
        with self._metadata.change() as change:
            webhook = _require(change.connection, webhook_id).webhook
            webhook_store.remove(change.connection, webhook_id)
            change.emit("registry.webhook.deleted", f"webhook:{webhook_id}", {"name": webhook.name})

    @door("POST", "/registry/webhooks/{webhook_id}/test")
    def test(self, webhook_id: str, event: str | None = None) -> WebhookTest:
        """Send an example, once and now, and say how the receiver answered; default is its first event."""
        with self._metadata.read() as connection:
            found = _require(connection, webhook_id)
        notice = example_of(_checked_events([event])[0] if event else found.webhook.events[0])
        delivery_id = new_id("test")
        reply = send(found.webhook.url, found.secret, notice, delivery_id, self._clock.now(), private=self._private)
        if reply.status is None:
            return WebhookTest(False, error_message=f"Failed to test webhook: {reply.error}")
        return WebhookTest(reply.status < 400, reply.status, reply.body)

    def deliver(self) -> int:
        """Start telling every webhook what it was not told of yet, in the background; how many were started."""
        return self._courier.round()

    def close(self) -> None:
        """Begin no more deliveries; what was not told is told when a courier runs again."""
        self._courier.stop()

    def _checked_url(self, url: str) -> str:
        check_url(url, private=self._private)
        return url


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"Webhook name {name[:100]!r} is invalid. It must start and end with a letter or digit, be less than 63 "
            "characters long, and contain only letters, digits, dots (.), underscores (_), and hyphens (-).",
            where="name",
        )
    return name


def _checked_events(events: list[str]) -> tuple[str, ...]:
    unknown = [event for event in events if event not in EVENTS]
    if unknown or not events:
        raise InvalidInput(
            f"{unknown[0]!r} is not an event of the registry." if unknown else "A webhook needs at least one event.",
            fix=f"Those that there are: {', '.join(EVENTS)}.",
            where="events",
        )
    return tuple(dict.fromkeys(events))


def _checked_status(status: str) -> str:
    if status not in _STATUSES:
        raise InvalidInput(f"{status!r} is not a status of a webhook.", fix="ACTIVE or DISABLED.", where="status")
    return status


def _checked_secret(secret: str | None) -> str | None:
    if secret and len(secret) > _MAX_SECRET:
        raise InvalidInput(f"A secret has at most {_MAX_SECRET} characters.", where="secret")
    return secret or None


def _columns(webhook: Webhook) -> dict[str, Any]:
    return {name: getattr(webhook, name) for name in ("name", "url", "events", "description", "status")}


def _facts(webhook: Webhook) -> dict[str, Any]:
    return _columns(webhook) | {"url": veiled(webhook.url)}


def _shown(webhook: Webhook) -> Webhook:
    return replace(webhook, url=veiled(webhook.url)) if current_role() == "viewer" else webhook


def _require(connection: Connection, webhook_id: str) -> Subscription:
    found = webhook_store.find(connection, webhook_id)
    if found is None:
        raise NotFound(f"Webhook with ID {webhook_id} not found.", fix="`tidewheel webhooks ls` lists what there is.")
    return found
