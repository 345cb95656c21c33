"""A part of an object that is made when it is first asked for: `@late` on the method that makes it.

`app.Platform` has its rooms so, since importing one may cost a tenth of a second and most processes use a few.
`functools.cached_property` would do, but that since Python 3.12 two threads that ask at once make two.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

from tidewheel.base.draws import undisturbed_draws

Part = TypeVar("Part")


class late(Generic[Part]):  # noqa: N801 - it is written as `property` is
    """Calls the method once, whichever thread asks first; the part then is a plain attribute."""

    def __init__(self, make: Callable[[Any], Part]) -> None:
        self._make = make
        self._lock = threading.RLock()
        self.__doc__ = make.__doc__

    def makes(self, kind: type) -> bool:
        """Whether the part is of this class: by its name, as the method says it, since it may not be imported yet."""
        same_package = kind.__module__.partition(".")[0] == self._make.__module__.partition(".")[0]
        return same_package and kind.__name__ == self._make.__annotations__["return"]

    @overload
    def __get__(self, whole: None, owner: type) -> Self: ...
    @overload
    def __get__(self, whole: object, owner: type) -> Part: ...
    def __get__(self, whole: object | None, owner: type) -> Self | Part:
        if whole is None:
            return self
        made = vars(whole)
        name = self._make.__name__
        with self._lock:
            if name not in made:
                with undisturbed_draws():
                    made[name] = self._make(whole)
        part: Part = made[name]
        return part
