"""Moving in: brings over what other trackers hold, by their own clients; today MLflow's stores of every kind.

Verbs: `import_mlflow(platform, address, options) -> Report`. Owns no tables and emits no events of its own: it is an
ordinary user of tracking, artifacts, logged models and the registry, whose verbs it calls. What came from where is kept
in tags (`tidewheel.imported_*`), so an import that was cut off goes on where it stood, and one run again brings only
what is new.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tidewheel.migrate.records import Counts, Options, Problem, Report

if TYPE_CHECKING:
    from tidewheel.migrate.importing import import_mlflow

__all__ = ["Counts", "Options", "Problem", "Report", "import_mlflow"]


def __getattr__(name: str) -> Any:
    if name == "import_mlflow":
        return import_module("tidewheel.migrate.importing").import_mlflow
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
