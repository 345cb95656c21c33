"""`tw.dataset("rides")`: a dataset as a project file names it.

It holds nothing but the name; each use asks the open platform's `Data`, so it can be declared before there is one and
travels into any process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tidewheel.base import ambient
from tidewheel.base.errors import NotFound, Unavailable
from tidewheel.data.records import Commit
from tidewheel.data.refs import Ref, split_ref

if TYPE_CHECKING:
    import pyarrow as pa

    from tidewheel.data.incoming import Rows
    from tidewheel.data.service import Data


@dataclass(frozen=True, slots=True)
class Dataset:
    """A versioned table, by name; ``rides@4`` names one version of it. `initial` is the file that it begins with."""

    name: str
    initial: str = ""

    def append(self, rows: Rows, message: str = "") -> Commit:
        """Add rows as a new commit. See `Data.append`."""
        return _data().append(self.name, rows, message)

    def overwrite(self, rows: Rows, message: str = "") -> Commit:
        """Replace all rows, as a new commit. See `Data.overwrite`."""
        return _data().overwrite(self.name, rows, message)

    def read(
        self,
        ref: Ref = None,
        columns: Sequence[str] | None = None,
        since: tuple[str, datetime] | None = None,
        until: tuple[str, datetime] | None = None,
    ) -> pa.Table:
        """The rows of a version. See `Data.read`."""
        return _data().read(self.name, ref, columns, since, until)

    def commit(self, ref: Ref = None) -> Commit:
        """The commit that a ref names, or that the current work is about."""
        return _data().resolve(self.name, ref)

    @property
    def fingerprint(self) -> str:
        """What stands for it when a step that names it is hashed: the version that the step would read."""
        try:
            return self.commit().node
        except (Unavailable, NotFound):
            return f"dataset:{self.name}"


def dataset(name: str, *, initial: str = "") -> Dataset:
    """A versioned table: append, overwrite, read, time travel.

    Args:
        name: what it is called.
        initial: a Parquet or CSV file beside the project that becomes its first commit when there is none yet.

    >>> dataset("rides").name
    'rides'
    """
    split_ref(name)
    return Dataset(name, initial)


def _data() -> Data:
    from tidewheel.data.service import Data  # late, so that a worker can name a dataset without a database's library

    return ambient.current(Data)
