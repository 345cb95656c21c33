"""How long a model may take, and how much memory, in the process of its own in which it is tried and asked.

`app.py` reads them from the settings; the registry's parts hand them to `isolated`.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidewheel.base.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a model may use up in its own process."""

    trial_s: float = 60.0
    scoring_s: float = 600.0
    memory_mb: int = 8192

    @classmethod
    def of(cls, settings: Settings) -> Bounds:
        """The bounds that an install has set."""
        return cls(
            trial_s=settings.get("registry.trial_timeout_s", float),
            scoring_s=settings.get("registry.scoring_timeout_s", float),
            memory_mb=settings.get("registry.isolated_memory_mb", int),
        )
