"""Reads the rows of one Delta version: files out of reach of the bounds are not opened, the others are filtered.

Called by `delta_table`. The same version is always read in the same order: that in which its files were written.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs

from tidewheel.base.errors import InvalidInput

Bound = tuple[str, datetime]


def scan(
    live: pa.Table,
    schema: pa.Schema,
    files: pafs.FileSystem,
    columns: Sequence[str] | None,
    since: Bound | None,
    until: Bound | None,
) -> pa.Table:
    """The rows in `live` files (Delta's add actions, flattened), as `schema` has them.

    Raises:
        InvalidInput: if a column is not there, or a bound's column is not an instant.
    """
    import pyarrow.dataset as pads  # brings pandas with it, 0.3 s that not every process needs

    names = list(schema.names if columns is None else columns)
    for name in names:
        _require(schema, name)
    condition = _condition(schema, since, until)
    within = _within_reach(live, since, until).sort_by([("modification_time", "ascending"), ("path", "ascending")])
    kind = pads.ParquetFileFormat()
    fragments = [kind.make_fragment(path, files) for path in within["path"].to_pylist()]
    return pads.FileSystemDataset(fragments, schema, kind, files).to_table(columns=names, filter=condition)


def _require(schema: pa.Schema, name: str) -> pa.Field:
    if name not in schema.names:
        raise InvalidInput(f"There is no column {name!r}.", fix=f"The columns are: {', '.join(schema.names)}.")
    return schema.field(name)


def _condition(schema: pa.Schema, since: Bound | None, until: Bound | None) -> pc.Expression | None:
    condition: pc.Expression | None = None
    for bound, keep in ((since, pc.greater_equal), (until, pc.less)):
        if bound is None:
            continue
        kind = _require(schema, bound[0]).type
        if not pa.types.is_timestamp(kind):
            raise InvalidInput(f"The column {bound[0]!r} is {kind}, not an instant.", fix="Bound a timestamp column.")
        part = keep(pc.field(bound[0]), pa.scalar(bound[1], kind))
        condition = part if condition is None else condition & part
    return condition


def _within_reach(live: pa.Table, since: Bound | None, until: Bound | None) -> pa.Table:
    """The files whose statistics do not rule them out; delta-rs may have cut a bound to milliseconds."""
    for bound, statistic, keeps in ((since, "max", pc.greater_equal), (until, "min", pc.less_equal)):
        if bound is not None and f"{statistic}.{bound[0]}" in live.column_names:
            known = live[f"{statistic}.{bound[0]}"].cast(pa.timestamp("ms", tz="UTC"), safe=False)
            limit = pa.scalar(bound[1]).cast(known.type, safe=False)
            live = live.filter(pc.fill_null(keeps(known, limit), True))
    return live
