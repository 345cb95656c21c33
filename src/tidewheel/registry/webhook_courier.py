"""Brings the journal's news to webhooks: at least once, in order for each, with patience, and in nobody's way.

Any process may run a courier (controller and server both do); a claim in the database lets one of them serve a webhook
at a time. What a receiver has taken is noted after it answered, so a courier that is killed repeats at most the event
under way, under the same delivery id. A receiver that is away is tried again after 1, 2, 4, ... 60 seconds and a bit of
chance; after `tries` attempts the event is given up, which the journal says, and the next one has its turn.
"""

from __future__ import annotations

import random
import sys
import threading
import time
import uuid

from tidewheel.base.ids import new_id
from tidewheel.registry import webhook_store
from tidewheel.registry.webhook_events import Notice, kinds_of, notices_of
from tidewheel.registry.webhook_sender import TIMEOUT_S, Reply, send
from tidewheel.registry.webhook_store import Subscription
from tidewheel.storage import Entry, Metadata
from tidewheel.storage.journal import read_entries

_CLAIM_S = 4 * TIMEOUT_S
_MOST_AT_ONCE = 8
_MOST_WAIT_S = 60.0
_DELIVERIES = uuid.UUID("6f1d3a52-8f0e-4f4b-9a43-5d2f6f6c1b7e")


class Courier:
    """Delivers in threads of its own."""

    def __init__(self, metadata: Metadata, *, tries: int, private: bool) -> None:
        self._metadata = metadata
        self._tries = tries
        self._private = private
        self._under_way: dict[str, threading.Thread] = {}
        self._seen: dict[tuple[str, tuple[str, ...]], int] = {}  # up to where nothing is for a webhook of such events
        self._stopping = threading.Event()

    def round(self) -> int:
        """Start on every webhook that has news; how many. It never waits for a receiver."""
        self._under_way = {name: thread for name, thread in self._under_way.items() if thread.is_alive()}
        started = 0
        for webhook_id in self._with_news():
            if len(self._under_way) >= _MOST_AT_ONCE or self._stopping.is_set():
                break
            if webhook_id not in self._under_way:
                thread = threading.Thread(target=self._guarded, args=(webhook_id,), name="webhooks", daemon=True)
                self._under_way[webhook_id] = thread
                thread.start()
                started += 1
        return started

    def serve(self, webhook_id: str) -> int:
        """Deliver all that a webhook has not been told of, until it refuses; how many events it took."""
        claimant, taken = new_id("claim"), 0
        with self._metadata.record() as connection:
            held = webhook_store.claim(connection, webhook_id, claimant, _CLAIM_S)
        while held is not None and not self._stopping.is_set():
            found = self._next(held)
            if found is None:
                break
            entry, notice, last = found
            reply = self._send(held, entry, notice)
            if not self._note(held, claimant, entry, notice, last, reply):
                break
            taken += reply.taken
            held = self._again(webhook_id, claimant)
        with self._metadata.record() as connection:
            webhook_store.settle(connection, webhook_id, claimant, claimed_by=None)
        return taken

    def stop(self) -> None:
        """Begin nothing new, and give what is under way a moment to end."""
        self._stopping.set()
        for thread in self._under_way.values():
            thread.join(timeout=1.0)

    def _guarded(self, webhook_id: str) -> None:
        try:
            self.serve(webhook_id)
        except Exception as error:  # the next round tries again
            if not self._stopping.is_set():
                print(f"webhooks: {webhook_id} could not be served: {error}", file=sys.stderr, flush=True)

    def _with_news(self) -> list[str]:
        with self._metadata.read() as connection:
            waiting = webhook_store.free(connection)
            if not waiting:
                return []
            head = webhook_store.head(connection)
            found, seen = [], {}
            for each in waiting:
                name = (each.webhook.id, each.webhook.events)
                after = max(each.told_seq, self._seen.get(name, 0))
                kinds = kinds_of(each.webhook.events)
                if after < head and read_entries(connection, after=after, kinds=kinds, limit=1):
                    found.append(each.webhook.id)
                else:
                    seen[name] = head
            self._seen = seen
        return found

    def _next(self, held: Subscription) -> tuple[Entry, Notice, bool] | None:
        """The next event that the webhook wants: its entry, and whether it is the last of it."""
        skip, after, kinds = held.told_parts, held.told_seq, kinds_of(held.webhook.events)
        with self._metadata.read() as connection:
            while batch := read_entries(connection, after=after, kinds=kinds, limit=100):
                for entry in batch:
                    wanted = [notice for notice in notices_of(entry) if notice.event in held.webhook.events]
                    if len(wanted) > skip:
                        return entry, wanted[skip], len(wanted) == skip + 1
                    skip = 0
                after = batch[-1].seq
        return None

    def _send(self, held: Subscription, entry: Entry, notice: Notice) -> Reply:
        name = f"{held.webhook.id}:{entry.id}:{held.told_parts}"
        delivery_id = str(uuid.uuid5(_DELIVERIES, name))
        return send(held.webhook.url, held.secret, notice, delivery_id, entry.at, private=self._private)

    def _note(self, held: Subscription, claimant: str, entry: Entry, notice: Notice, last: bool, reply: Reply) -> bool:
        """Write down how it went; whether to go on with the next event."""
        done = {"told_seq": entry.seq if last else entry.seq - 1, "told_parts": 0 if last else held.told_parts + 1}
        done |= {"tries": 0, "next_try_at_us": 0, "claimed_until_us": _in_us(_CLAIM_S)}
        tries, why = held.webhook.tries + 1, reply.error or f"HTTP status {reply.status}"
        if reply.taken:
            with self._metadata.record() as connection:
                return webhook_store.settle(connection, held.webhook.id, claimant, **done, last_error="")
        if reply.worth_another and tries < self._tries:
            wait_s = _patience_s(tries, reply)
            waiting = {"tries": tries, "next_try_at_us": _in_us(wait_s), "last_error": why[:500]}
            with self._metadata.record() as connection:
                webhook_store.settle(connection, held.webhook.id, claimant, **waiting)
            return False
        with self._metadata.change(actor="webhooks") as change:
            kept = webhook_store.settle(change.connection, held.webhook.id, claimant, **done, last_error=why[:500])
            facts = {"event": notice.event, "entry": entry.id, "tries": tries, "reason": why[:500]}
            change.emit("registry.webhook.gave_up", f"webhook:{held.webhook.id}", facts, cause=entry.id)
        return kept

    def _again(self, webhook_id: str, claimant: str) -> Subscription | None:
        """The webhook as it is now, if it is still ours and active."""
        with self._metadata.record() as connection:
            if webhook_store.settle(connection, webhook_id, claimant, claimed_until_us=_in_us(_CLAIM_S)):
                found = webhook_store.find(connection, webhook_id)
                return found if found and found.webhook.status == "ACTIVE" else None
        return None


def _patience_s(tries: int, reply: Reply) -> float:
    own = min(2.0 ** (tries - 1), _MOST_WAIT_S) + random.random()
    return max(own, min(reply.again_after_s or 0.0, _MOST_WAIT_S))


def _in_us(seconds: float) -> int:
    return time.time_ns() // 1000 + int(seconds * 1e6)
