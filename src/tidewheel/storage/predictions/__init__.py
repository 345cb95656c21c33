"""The prediction log: every answered request and every label, in memory-mapped segments, then in Delta tables.

Verbs: `PredictionWriter.append | append_rows | append_labels`, `LogPolicy.apply`, `PredictionLog.read | find |
save_cursor | load_cursor | compact | expire | forget`. A writer belongs to one process and shares nothing; acknowledged
means in the mapped page, so `kill -9` loses nothing that was acknowledged (a power failure may lose what the operating
system had not yet written).
Owns `storage_log_cursors`, `storage_log_segments` and `storage_log_expired`, the folder `<home>/predictions` and the
tables `tidewheel_predictions` and `tidewheel_labels`. Emits `storage.log.crowded | eased | expired | forgotten`; reads
the first two of these, to say each once.

`PredictionLog` is imported when first named: writers need no database library.
"""

from typing import TYPE_CHECKING, Any

from tidewheel.storage.predictions.log_policy import LogPolicy
from tidewheel.storage.predictions.records import Label, LogBatch, Prediction, RowsPrediction
from tidewheel.storage.predictions.writer import PredictionWriter

if TYPE_CHECKING:
    from tidewheel.storage.predictions.budget import LogBudget, LogSize
    from tidewheel.storage.predictions.log import PredictionLog

__all__ = [
    "Label",
    "LogBatch",
    "LogBudget",
    "LogPolicy",
    "LogSize",
    "Prediction",
    "PredictionLog",
    "PredictionWriter",
    "RowsPrediction",
]
_LAZY = {"LogBudget": "budget", "LogSize": "budget", "PredictionLog": "log"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"tidewheel.storage.predictions.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
