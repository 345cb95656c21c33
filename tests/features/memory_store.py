"""A key-value store in memory, for tests that replay thousands of pushes and reads."""

from collections.abc import Iterator, Mapping, Sequence

from tidewheel.storage.contracts import Change


class MemoryKeyValue:
    """Implements `storage.contracts.KeyValue` within one thread."""

    def __init__(self) -> None:
        self._items: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self._items.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self._items.get(key) for key in keys]

    def put_many(self, items: Mapping[bytes, bytes]) -> None:
        self._items.update(items)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter(sorted(item for item in self._items.items() if item[0].startswith(prefix)))

    def update_many(self, keys: Sequence[bytes], change: Change) -> None:
        changed = dict(self._items)
        for key in keys:
            value = change(key, changed.get(key))
            if value is None:
                changed.pop(key, None)
            else:
                changed[key] = value
        self._items = changed

    def delete_prefix(self, prefix: bytes) -> None:
        self._items = {key: value for key, value in self._items.items() if not key.startswith(prefix)}
