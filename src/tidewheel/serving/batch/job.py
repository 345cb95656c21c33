"""One job of batch scoring, from the source to the target: look, go on from what is there, score, join, publish.

Nothing is visible at the target before everything is; until then the work folder beside it holds what is finished. A
run that was killed is gone on with by running it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from tidewheel.base.errors import InvalidInput, Taken, TidewheelError
from tidewheel.base.hashing import hash_json
from tidewheel.serving.batch.part_scoring import REASON, ROW, PartCount, PartScorer, PartTask, read_arrow
from tidewheel.serving.batch.places import Place, place_of, refuse_overlap
from tidewheel.serving.batch.pool import cores, score_in_pool
from tidewheel.serving.batch.records import BatchOptions, BatchProgress, BatchResult, VersionOpening
from tidewheel.serving.batch.scoring import check_columns, too_many_rejects
from tidewheel.serving.batch.sources import CSV_ENDINGS, JSON_LINES_ENDINGS, Part, Source, open_source, parts_of
from tidewheel.serving.batch.targets import Format, exists, format_of, write_tables
from tidewheel.serving.batch.work import Manifest, Work

if TYPE_CHECKING:
    import pyarrow as pa

_PART_VALUES = 2**24  # numbers of a part, where a row is a tensor

Report = Callable[[BatchProgress], None]


@dataclass(frozen=True, slots=True)
class _Job:
    opening: VersionOpening
    options: BatchOptions
    source: Source
    source_address: str
    target: Place
    rejects: Place
    work: Work
    fingerprint: str
    workers: int


def score_file(
    opening: VersionOpening,
    source: str,
    target: str,
    options: BatchOptions | None = None,
    *,
    at_us: int = 0,
    report: Report | None = None,
) -> BatchResult:
    """Score a file, a folder of files or a Delta table into another, in constant memory and on all cores.

    Args:
        opening: the version (`Serving.opening`).
        source: Parquet (a file, a folder or a pattern), CSV, JSON Lines or a Delta table; a path or `s3://BUCKET/KEY`.
        target: what to write, by its ending: `.parquet`, `.csv`, `.jsonl`, `.gz` of these; without one, a Delta table.
        options: see `BatchOptions`.
        at_us: as of when features are looked up where no column says so; an interrupted job keeps its own.
        report: told after every part how far the job is.

    Raises:
        NotFound: if there is no such source.
        InvalidInput: if it cannot be read, lacks a column, has too many bad rows, or is the target itself.
        Taken: if the target exists and may not be replaced.
        Conflict: if another run writes the same target.
        Unavailable: if a process that scores ended, or a store does not answer.
    """
    began = perf_counter()
    job = _looked_at(opening, source, target, _fitting(opening, options or BatchOptions()))
    left = job.work.left(job.fingerprint)
    _check_free(job, left)
    manifest = left or Manifest(job.fingerprint, at_us)
    scorer = PartScorer(_task(job, manifest))
    check_columns(scorer.scorer, job.source.schema)
    _check_target(job, scorer)
    with job.work.alone(), _leaving(job.work):
        job.work.begin(manifest, anew=left is None)
        counts, resumed_rows = _score_parts(job, scorer, manifest, report or _untold)
        rows, rejected = _publish(job, manifest, counts)
    seconds = perf_counter() - began
    rate = (rows + rejected - resumed_rows) / seconds / job.workers
    where = job.rejects.address if rejected else None
    return BatchResult(
        opening.version.id, source, target, rows, rejected, where, resumed_rows, job.workers, seconds, rate
    )


def _looked_at(opening: VersionOpening, source: str, target: str, options: BatchOptions) -> _Job:
    _check_options(options)
    to = place_of(target)
    format_of(to)
    rejects = place_of(options.rejects) if options.rejects else to.beside(f"{_stem(to.name)}.rejected.parquet")
    if format_of(rejects) is Format.DELTA:
        raise InvalidInput(f"Bad rows cannot go to {rejects.address}.", fix="End it in .parquet, .csv or .jsonl.")
    origin = place_of(source)
    for place in (to, rejects):
        refuse_overlap(origin, place)
    opened = open_source(origin, frozenset(opening.version.inputs), options.max_rejects)
    absent = [name for name in (*(options.columns or ()), options.time) if name and name not in opened.schema.names]
    if absent:
        there = ", ".join(opened.schema.names)
        raise InvalidInput(f"{source} has no column {absent[0]!r}.", where="columns", fix=f"There are: {there}.")
    asked = [opened.identity, opening.version.id, options.columns, options.time, options.rows_per_part]
    workers = options.workers or cores()
    return _Job(opening, options, opened, source, to, rejects, Work(to), hash_json(asked), workers)


@contextmanager
def _leaving(work: Work) -> Iterator[None]:
    """Leave a folder behind a job that fails only where there is something to go on with, and say so.

    A job that is refused for its rows fails again when it is run again, so that a single part of it is of no use.
    """
    try:
        yield
    except BaseException as error:
        finished = len(work.finished())
        if finished < (2 if isinstance(error, InvalidInput) else 1):
            work.remove()
        elif isinstance(error, TidewheelError):
            told = f"{finished} finished parts lie in {work.folder.address}; a run of the same job goes on from them."
            error.fix = f"{error.fix} {told}".lstrip()
        raise


def _fitting(opening: VersionOpening, options: BatchOptions) -> BatchOptions:
    """The options with parts of fewer rows where a row is a tensor of many values, so that memory stays constant."""
    if not opening.version.input_shapes:
        return options
    return replace(options, rows_per_part=min(options.rows_per_part, max(1, _PART_VALUES // opening.version.width)))


def _check_target(job: _Job, scorer: PartScorer) -> None:
    """Refuse a target that cannot hold the answers, before any is computed."""
    many = [spec.name for spec in scorer.scorer.version.output_tensors if spec.width > 1]
    if many and format_of(job.target) is Format.CSV:
        raise InvalidInput(
            f"{job.target.address} cannot hold the output {many[0]!r}, which has several values a row.",
            fix="Write .parquet, .jsonl or a Delta table.",
        )


def _check_options(options: BatchOptions) -> None:
    for name, value, least in (
        ("rows_per_part", options.rows_per_part, 1),
        ("max_rejects", options.max_rejects, 0),
        ("workers", options.workers, 0),
    ):
        if value < least:
            raise InvalidInput(f"{name} is {value}.", where=name, fix=f"Give {least} or more.")


def _check_free(job: _Job, left: Manifest | None) -> None:
    if job.options.overwrite or (left is not None and left.publishing):
        return
    for place in (job.target, job.rejects):
        if exists(place):
            raise Taken(f"{place.address} exists.", fix="Give another name, or --overwrite to replace it.")


def _task(job: _Job, manifest: Manifest) -> PartTask:
    options, is_text = job.options, job.source_address.lower().endswith(CSV_ENDINGS + JSON_LINES_ENDINGS)
    return PartTask(
        opening=job.opening,
        work=job.work.folder.address,
        columns=options.columns,
        time=options.time,
        at_us=manifest.at_us,
        max_rejects=options.max_rejects,
        is_text=is_text,
    )


def _score_parts(job: _Job, scorer: PartScorer, manifest: Manifest, report: Report) -> tuple[list[PartCount], int]:
    """Score what is not finished; every part with its counts, and the rows that were finished before."""
    finished = job.work.finished()
    found: list[PartCount] = []

    def unfinished() -> Iterator[Part]:
        for part in parts_of(job.source, job.options.rows_per_part, finished.keys()):
            if part.table is None:
                found.append(PartCount(part.index, part.rows, finished[part.index]))
            else:
                yield part

    waiting = unfinished()
    first = list(islice(waiting, 2))
    parts = chain(first, waiting)
    scored: Iterator[PartCount]
    if job.workers == 1 or len(first) < 2:  # a process more would cost more than it saves
        scored = (scorer.score(part.index, part.first_row, part.table) for part in parts)
    else:
        scored = score_in_pool(_task(job, manifest), parts, job.workers)
    scored_now: list[PartCount] = []
    _tell(job, found, report)
    for count in scored:
        scored_now.append(count)
        _tell(job, found + scored_now, report)
    _tell(job, found + scored_now, report)
    return sorted(found + scored_now, key=lambda count: count.index), sum(count.rows for count in found)


def _tell(job: _Job, counts: list[PartCount], report: Report) -> None:
    """Say how far the job is, and end it if too many rows are bad."""
    malformed = job.source.malformed
    rejected = sum(count.rejected for count in counts) + len(malformed)
    report(BatchProgress(sum(count.rows for count in counts), rejected, job.source.total_rows))
    if rejected > job.options.max_rejects:
        raise too_many_rejects(rejected, job.options.max_rejects, _first_reason(job, counts))


def _first_reason(job: _Job, counts: list[PartCount]) -> str:
    for count in counts:
        if count.rejected:
            return str(read_arrow(job.work.rejects(count.index))[REASON][0])
    return job.source.malformed[0].reason


def _publish(job: _Job, manifest: Manifest, counts: list[PartCount]) -> tuple[int, int]:
    """Join the parts at the target, bad rows first, and return the rows of both."""
    rejected = sum(count.rejected for count in counts) + len(job.source.malformed)
    if rejected and rejected >= sum(count.rows for count in counts) + len(job.source.malformed):
        raise InvalidInput(f"Not one row can be scored; one says: {_first_reason(job, counts)}")
    job.work.begin(Manifest(manifest.fingerprint, manifest.at_us, publishing=True), anew=False)
    if rejected:
        write_tables(job.rejects, iter([_all_rejects(job, counts)]))
    else:
        job.rejects.delete()
    rows = write_tables(job.target, (read_arrow(job.work.part(count.index)) for count in counts))
    job.work.remove()
    return rows, rejected


def _all_rejects(job: _Job, counts: list[PartCount]) -> pa.Table:
    """The bad rows in the order of the source; a malformed record has no values, so its text is in its reason."""
    import pyarrow as pa

    schema = job.source.schema.insert(0, pa.field(ROW, pa.int64())).insert(1, pa.field(REASON, pa.string()))
    bad = [read_arrow(job.work.rejects(count.index)) for count in counts if count.rejected]
    table = pa.concat_tables([schema.empty_table(), *bad])
    if not job.source.malformed:
        return table
    malformed = job.source.malformed
    # Parts count the rows that are rows; each malformed record before one moves it a place on.
    before = np.array([each.row for each in malformed]) - np.arange(len(malformed))
    rows = table[ROW].to_numpy()
    table = table.set_column(0, ROW, pa.array(rows + np.searchsorted(before, rows, side="right")))
    texts = [{ROW: each.row, REASON: f"{each.reason} It is: {each.text}"} for each in malformed]
    return pa.concat_tables([table, pa.Table.from_pylist(texts, schema)]).sort_by(ROW)


def _stem(name: str) -> str:
    for ending in (*CSV_ENDINGS, *JSON_LINES_ENDINGS, ".parquet", ".pq", ".delta"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def _untold(progress: BatchProgress) -> None:
    """Nobody listens."""
