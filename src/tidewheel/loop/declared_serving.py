"""How the serving that a loop declares (`tw.Serving`) reaches its endpoint. Called whenever a loop is declared.

A declaration is applied when it is new or has changed, so what was set by hand since (`endpoints configure`) stands
until then; what it does not name is left to hands; and what it named and names no more has its default again. Applied
before the loop is written down: who is killed between the two applies it once more.
"""

from __future__ import annotations

from typing import Any

from tidewheel.loop.definition import Loop
from tidewheel.loop.records import LoopRecord
from tidewheel.serving import EndpointOptions, Serving


def apply_serving(serving: Serving, loop: Loop, known: LoopRecord | None) -> None:
    """Configure a loop's endpoint as the loop declares it, given the loop as it was `known` until now."""
    before: dict[str, Any] = known.spec.get("serving", {}) if known and known.endpoint == loop.endpoint else {}
    declared = loop.serving.given()
    if declared != before:
        defaults = EndpointOptions()
        dropped = {name: getattr(defaults, name) for name in before if name not in declared}
        serving.configure_endpoint(loop.endpoint, **dropped, **declared)
