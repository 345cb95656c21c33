"""What `log_dict`, `log_table`, `log_figure` and `log_input` make of their argument: bytes for an artifact, or the
description of a dataset. The format is what the path ends with. Libraries are used only if the argument is theirs.
"""

from __future__ import annotations

import io
from typing import Any

import msgspec

from tidewheel.base.errors import InvalidInput
from tidewheel.base.hashing import hash_bytes
from tidewheel.base.wire import to_json
from tidewheel.tracking.dataset_store import CONTEXT_TAG
from tidewheel.tracking.records import DatasetInput

_MLFLOW_TYPES = {
    "bool": "boolean", "int8": "integer", "int16": "integer", "int32": "integer", "uint8": "integer",
    "uint16": "integer", "int64": "long", "uint32": "long", "uint64": "long", "float": "float", "double": "double",
    "binary": "binary", "timestamp[s]": "datetime", "timestamp[ms]": "datetime", "timestamp[us]": "datetime",
    "timestamp[ns]": "datetime",
}  # fmt: skip
_IMAGES = ("png", "jpg", "jpeg", "gif", "webp", "bmp", "tiff")


def of_dict(value: object, path: str) -> bytes:
    """JSON, or YAML for a path that ends so."""
    if _ending(path) in ("yaml", "yml"):
        import yaml

        text: str = yaml.safe_dump(msgspec.to_builtins(value), sort_keys=False, allow_unicode=True)
        return text.encode()
    return msgspec.json.format(to_json(value), indent=2)


def of_figure(figure: Any, path: str) -> bytes:
    """A figure in the format that the path ends with."""
    ending = _ending(path)
    if hasattr(figure, "savefig"):
        into = io.BytesIO()
        figure.savefig(into, format=ending or "png", bbox_inches="tight")
        return into.getvalue()
    if hasattr(figure, "to_plotly_json"):
        if ending == "html":
            html: str = figure.to_html(include_plotlyjs="cdn")
            return html.encode()
        if ending == "json":
            told: str = figure.to_json()
            return told.encode()
        image: bytes = figure.to_image(format=ending)
        return image
    if hasattr(figure, "save") and ending in _IMAGES:
        into = io.BytesIO()
        figure.save(into, format="jpeg" if ending == "jpg" else ending)
        return into.getvalue()
    raise InvalidInput(
        f"A {type(figure).__name__} is no figure that can be kept as {path!r}.",
        fix="Give a figure of Matplotlib or Plotly, or an image of Pillow.",
    )


def of_table(rows: Any, path: str) -> bytes:
    """A table as JSON (MLflow's split form), CSV or Parquet."""
    table, ending, into = _arrow(rows), _ending(path), io.BytesIO()
    if ending == "parquet":
        import pyarrow.parquet

        pyarrow.parquet.write_table(table, into)
    elif ending == "csv":
        import pyarrow.csv

        pyarrow.csv.write_csv(table, into)
    elif ending == "json":
        columns = [column.to_pylist() for column in table.columns]
        return to_json({"columns": table.column_names, "data": [list(row) for row in zip(*columns, strict=True)]})
    else:
        raise InvalidInput(f"{path!r} names no format of tables.", fix="End it with .json, .csv or .parquet.")
    return into.getvalue()


def of_dataset(dataset: Any, name: str | None, context: str | None) -> DatasetInput:
    """A dataset as MLflow describes one: name, digest, source, schema, profile, and what it was used for."""
    tags = {CONTEXT_TAG: context} if context else {}
    if isinstance(dataset, str):
        digest = hash_bytes(dataset.encode())[:8]
        return DatasetInput(name or dataset.rsplit("/", 1)[-1] or dataset, digest, "uri", _json(uri=dataset), tags=tags)
    if hasattr(dataset, "commit"):
        node = str(dataset.commit().node)  # commit:rides@4
        held, _, number = node.partition(":")[2].rpartition("@")
        return DatasetInput(name or held, f"@{number}", "tidewheel", _json(uri=node), tags=tags)
    table = _arrow(dataset)
    columns = [
        {"type": _MLFLOW_TYPES.get(str(f.type), "string"), "name": f.name, "required": True} for f in table.schema
    ]
    profile = _json(num_rows=table.num_rows, num_elements=table.num_rows * table.num_columns)
    schema = _json(mlflow_colspec=columns)
    return DatasetInput(name or "dataset", _digest(table), "code", _json(tags={}), schema, profile, tags)


def _json(**values: object) -> str:
    return to_json(values).decode()


def _arrow(rows: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    if isinstance(rows, pa.Table):
        return rows
    if hasattr(rows, "__arrow_c_stream__"):
        return pa.table(rows)
    if hasattr(rows, "iloc"):
        return pa.Table.from_pandas(rows, preserve_index=False)
    if isinstance(rows, dict):
        return pa.table({str(key): list(value) for key, value in rows.items()})
    if isinstance(rows, np.ndarray):
        flat = rows.reshape(len(rows), -1)
        return pa.table({f"column_{place}": flat[:, place] for place in range(flat.shape[1])})
    if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
        return pa.Table.from_pylist(rows)
    raise InvalidInput(
        f"A {type(rows).__name__} is no table.", fix="Give a data frame, an Arrow table, columns or a list of dicts."
    )


def _digest(table: Any) -> str:
    """Of the content, whatever chunks it lies in."""
    import pyarrow as pa

    into = io.BytesIO()
    with pa.ipc.new_stream(into, table.schema.remove_metadata()) as writer:
        writer.write_table(table.combine_chunks().replace_schema_metadata(None))
    return hash_bytes(into.getbuffer())[:8]


def _ending(path: str) -> str:
    return path.rsplit(".", 1)[-1].lower() if "." in path.rsplit("/", 1)[-1] else ""
