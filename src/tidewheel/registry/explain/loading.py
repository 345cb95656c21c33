"""From a version's checked files to its explainer; `Registry.explainer` and workers come through here.

It loads the model by its format even where a faster runtime answers: runtimes do not show the trees. Trust and digests
are checked as for any load.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.explain.choosing import DEFAULT_EVALUATIONS, explainer_of
from tidewheel.registry.explain.records import Explainer
from tidewheel.registry.formats import open_format
from tidewheel.registry.load import check_files, check_trust

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_ROWS = 1000


def load_explainer(
    format_name: str,
    folder: Path,
    files: Mapping[str, str],
    trusted_by: str | None,
    background: NDArray[np.float64],
    *,
    evaluations: int = DEFAULT_EVALUATIONS,
) -> Explainer:
    """The explainer of a version's files in a folder.

    Raises:
        Corrupt: if a file is missing or is not what was registered.
        NotAllowed: if the format executes code and nobody is on record as trusting this version.
        InvalidInput: if the model must be sampled and there is no background.
    """
    check_trust(format_name, trusted_by)
    check_files(folder, files)
    return explainer_of(open_format(format_name).load(folder), background, evaluations=evaluations)


def background_rows(table: pa.Table, inputs: Sequence[str]) -> NDArray[np.float64]:
    """A version's reference or sample as background: at most 1,000 rows, evenly spaced, (rows, features).

    Raises:
        InvalidInput: if it lacks an input, or one is not a number.
    """
    from tidewheel.registry.reference import sample_rows

    missing = [name for name in inputs if name not in table.column_names]
    if missing:
        raise InvalidInput(f"The version's sample lacks the inputs {missing[:10]}.", fix="Log it with rows=….")
    chosen = sample_rows(table, _MOST_ROWS)
    try:
        columns = [chosen.column(name).to_numpy().astype(np.float64) for name in inputs]
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"The version's sample is not of numbers: {error}.", fix="Log it with rows=….") from None
    return np.ascontiguousarray(np.column_stack(columns))
