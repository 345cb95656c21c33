"""The registry, put together from its parts; each is a file that can be read alone.

`app.py` constructs it; training code reaches it through `log_model`, MLflow's clients through the wire, the loop
through its promote and rollback, workers through files that serving fetched.
"""

from __future__ import annotations

from tidewheel.registry.aliases import Aliases
from tidewheel.registry.annotations import Annotations
from tidewheel.registry.deletion import Deletion
from tidewheel.registry.finding import Finding
from tidewheel.registry.optimization import Optimization
from tidewheel.registry.stages import Stages


class Registry(Optimization, Finding, Aliases, Stages, Annotations, Deletion):
    """Keeps model versions and says which one an alias means."""
