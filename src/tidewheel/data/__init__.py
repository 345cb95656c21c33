"""Versioned datasets: appended to, read as of any commit, tagged, compared, held to a contract.

Verbs: `Data.append | overwrite | import_file | read | resolve | tag | diff | infer_contract | set_contract | validate`,
and `dataset` for project files. Owns `data_commits`, `data_tags`, `data_contracts` and the tables of its datasets.
Emits `data.commit.made`, `data.tag.set`, `data.contract.set`. Reads no events.

Names are loaded when used: an inference worker needs a dataset's name and no database.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidewheel.data.handle import Dataset, dataset
    from tidewheel.data.records import (
        ColumnContract,
        Commit,
        Contract,
        DatasetSummary,
        Difference,
        Tag,
        ValidationReport,
        Violation,
    )
    from tidewheel.data.service import Data

_HOMES = {
    "ColumnContract": "records",
    "Commit": "records",
    "Contract": "records",
    "Data": "service",
    "Dataset": "handle",
    "DatasetSummary": "records",
    "Difference": "records",
    "Tag": "records",
    "ValidationReport": "records",
    "Violation": "records",
    "dataset": "handle",
}
__all__ = [
    "ColumnContract",
    "Commit",
    "Contract",
    "Data",
    "Dataset",
    "DatasetSummary",
    "Difference",
    "Tag",
    "ValidationReport",
    "Violation",
    "dataset",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
