"""What people call a version: ``version 3`` where all are of one model, else ``iris/3``, as every command takes it.

Shared by the pages that speak of versions. A version's model and number never change, so each is looked up once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidewheel.app import Platform


@dataclass(frozen=True, slots=True)
class VersionAddress:
    """The model that a version is of, and its number; ``str`` gives ``iris/3``."""

    model: str
    number: int

    def __str__(self) -> str:
        return f"{self.model}/{self.number}"


class VersionNames:
    """Names of the versions of one platform."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._known: dict[str, VersionAddress] = {}

    def __call__(self, version_id: str) -> str:
        """The name of a version, or its id if the registry does not know it."""
        return self.all({version_id}).get(version_id, version_id)

    def all(self, version_ids: set[str]) -> dict[str, str]:
        """The names of versions by their ids; unknown ones are left out."""
        self._look_up(version_ids)
        found = {each: self._known.get(each) for each in version_ids}
        several = len({address.model for address in self._known.values()}) > 1
        return {
            each: str(address) if several else f"version {address.number}" for each, address in found.items() if address
        }

    def address(self, version_id: str) -> VersionAddress | None:
        """Where a version stands in the registry; None if it is not, or no longer, there."""
        self._look_up({version_id})
        return self._known.get(version_id)

    def _look_up(self, version_ids: set[str]) -> None:
        """Read the registry once, if it may know some of these that we do not."""
        if version_ids - self._known.keys():
            for model in self._platform.registry.models():
                for version in self._platform.registry.versions(model.name):
                    self._known[version.id] = VersionAddress(model.name, version.number)
