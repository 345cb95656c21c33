"""Has webhooks delivered while the control plane serves, so that a server alone tells what happened too.

`app.build` starts and stops it with the application. The controller does the same; a claim in the database lets only
one of them serve a webhook at a time. It must never make a request wait.
"""

from __future__ import annotations

import sys
import threading

from tidewheel.registry import Webhooks

_PAUSE_S = 0.25
_PAUSE_AFTER_TROUBLE_S = 5.0


class WebhookRounds:
    """One thread that looks for news."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhook-rounds", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the round under way."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        pause_s = _PAUSE_S
        while not self._stopping.wait(pause_s):
            try:
                self._webhooks.deliver()
                pause_s = _PAUSE_S
            except Exception as error:  # a database that is away comes back
                print(f"webhooks: no round: {error}", file=sys.stderr, flush=True)
                pause_s = _PAUSE_AFTER_TROUBLE_S
