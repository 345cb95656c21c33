"""Whether the requests that an endpoint gets can be answered by a candidate too. Pure; asked before a rollout begins.

Callers give columns by name, or keys and request values from which a feature plan looks columns up. What a candidate
requires beyond what the champion can be given is given by nobody: each of its answers would be a refusal.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidewheel.base.errors import InvalidInput
from tidewheel.registry import Signature


@dataclass(frozen=True, slots=True)
class Asked:
    """What a version may be given by name: its signature's inputs, and its feature plan's keys and request values."""

    version_id: str
    signature: Signature
    looked_up_by: tuple[str, ...] | None
    """Entities and request values; None where it has no feature plan."""

    @property
    def known(self) -> frozenset[str]:
        """All names that it takes."""
        return frozenset({*self.signature.input_names, *(self.looked_up_by or ())})

    @property
    def required(self) -> frozenset[str]:
        """The inputs that it cannot be asked without, if they are given by name."""
        return frozenset(self.signature.input_names) - frozenset(self.signature.optional)


def check_fits(endpoint: str, champion: Asked, candidate: Asked) -> None:
    """Refuse a candidate that the champion's requests give too little.

    Of a version without signature, or of tensors, the names say nothing: the shadow shows how it does.

    Raises:
        InvalidInput: if it requires inputs that the champion does not know; it says which.
    """
    if not all(each.signature.inputs and not each.signature.input_tensors for each in (champion, candidate)):
        return
    missing = candidate.required - champion.known
    if missing and candidate.looked_up_by is not None:
        missing = frozenset(candidate.looked_up_by) - champion.known
    if missing:
        raise InvalidInput(
            f"{candidate.version_id} requires inputs that requests to {endpoint!r} do not give, since its champion "
            f"{champion.version_id} does not take them: {_some(sorted(missing))}.",
            fix="Deploy it to an endpoint of its own; or with --now, if all callers change with it.",
        )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"
