"""Batch scoring: the online path's features and model, on tables and files instead of requests.

`score` answers a table in memory; `score_file` streams files of any size in constant memory on all cores, and goes on
where it was after a crash. A part of a file is read (`sources`), scored and laid down (`scoring`, `part_scoring`, in
the processes of `pool`), remembered (`work`), and at the end all are joined and published at once (`targets`).
"""

from tidewheel.serving.batch.job import score_file
from tidewheel.serving.batch.records import BatchOptions, BatchProgress, BatchResult, VersionOpening
from tidewheel.serving.batch.scoring import score

__all__ = ["BatchOptions", "BatchProgress", "BatchResult", "VersionOpening", "score", "score_file"]
