"""Versioned datasets: appended to, read as of any commit, tagged, compared, held to a contract.

Verbs: `Data.append | overwrite | import_file | read | resolve | tag | diff | infer_contract | set_contract | validate`,
and `dataset` for project files. Owns `data_commits`, `data_tags`, `data_contracts` and the tables of its datasets.
Emits `data.commit.made`, `data.tag.set`, `data.contract.set`. Reads no events.
"""

from tidewheel.data.dataset import Dataset, dataset
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
