"""What may be written down, and how long it may be: MLflow's limits, so that what fits here fits there. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tidewheel.base.errors import InvalidInput, TooLarge
from tidewheel.tracking.records import DatasetInput

MAX_KEY = 250
MAX_PARAM = 6000
MAX_TAG = 8000
MAX_EXPERIMENT_NAME = 500
MAX_EXPERIMENT_TAG = 5000
MAX_LOCATION = 2048
MAX_RESULTS = 50_000
MAX_INSTANT_US = 253_402_300_799_999_999  # the end of the year 9999
MAX_TEXTS = 10_000
MAX_POINTS = 100_000
MAX_INPUTS = 1000
_KEY = re.compile(r"[\w.\- :/]+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_RUN_ID = re.compile(r"[A-Za-z0-9][\w-]{0,255}", re.ASCII)


def check_key(key: str, noun: str) -> str:
    """The key itself, if a param, metric or tag may be called so."""
    if not _KEY.fullmatch(key) or len(key) > MAX_KEY or key.startswith("/") or ".." in key.split("/"):
        raise InvalidInput(
            f"{key[:80]!r} cannot name a {noun}.",
            fix=f"Use up to {MAX_KEY} letters, digits, spaces and _ - . : /, not beginning with a slash.",
        )
    return key


def check_experiment_name(name: str) -> str:
    """The name itself, if an experiment may be called so."""
    if not name.strip() or len(name) > MAX_EXPERIMENT_NAME or _UNPRINTABLE.search(name):
        raise InvalidInput(
            f"Invalid experiment name: {name[:80]!r}.", fix=f"Use 1 to {MAX_EXPERIMENT_NAME} printable characters."
        )
    return name


def check_location(location: str) -> str:
    """The address itself, if artifacts may be kept below it."""
    if len(location) > MAX_LOCATION or _UNPRINTABLE.search(location) or "#" in location or "?" in location:
        raise InvalidInput(
            f"Invalid artifact location: {location[:80]!r}.",
            fix=f"Use an address of at most {MAX_LOCATION} characters, without query and fragment.",
        )
    return location


def check_run_id(run_id: str) -> str:
    """The id itself, if a run may have it."""
    if not _RUN_ID.fullmatch(run_id):
        raise InvalidInput(f"{run_id[:80]!r} cannot be a run's id.", fix="Use up to 256 letters, digits, _ and -.")
    return run_id


def check_run_name(name: str) -> str:
    """The name itself, if people may call a run so."""
    if len(name) > MAX_KEY or _UNPRINTABLE.search(name):
        raise InvalidInput(f"{name[:80]!r} cannot name a run.", fix=f"Use up to {MAX_KEY} printable characters.")
    return name


def check_inputs(nodes: Sequence[str]) -> tuple[str, ...]:
    """The lineage nodes themselves, if a run may build on so many and they may be written so."""
    if len(nodes) > MAX_INPUTS or any(len(node) > MAX_PARAM for node in nodes):
        raise TooLarge(f"{len(nodes)} inputs came.", fix=f"Name at most {MAX_INPUTS} nodes, as in commit:rides@4.")
    return tuple(nodes)


def check_points(points: Sequence[tuple[str, int, int, float]]) -> None:
    """Refuse metric points whose key or numbers no metric can have."""
    if len(points) > MAX_POINTS:
        raise TooLarge(f"{len(points)} points came at once.", fix=f"Send at most {MAX_POINTS}.")
    for key in {point[0] for point in points}:
        check_key(key, "metric")
    instants = [point[2] for point in points]
    if instants and not 0 <= min(instants) <= max(instants) <= MAX_INSTANT_US:
        raise InvalidInput("A metric's instant is not between 1970 and 9999.", fix="Count from 1970 in UTC.")


def check_datasets(datasets: Sequence[DatasetInput]) -> None:
    """Refuse descriptions of datasets that are too long, or without a name or digest."""
    if len(datasets) > MAX_INPUTS:
        raise TooLarge(f"{len(datasets)} datasets came.", fix=f"Name at most {MAX_INPUTS}.")
    for dataset in datasets:
        if not 1 <= len(dataset.name) <= 500:
            raise InvalidInput(f"{dataset.name[:80]!r} cannot name a dataset.", fix="Use 1 to 500 characters.")
        if not 1 <= len(dataset.digest) <= 36:
            raise InvalidInput(f"{dataset.digest[:80]!r} cannot be a digest.", fix="Use 1 to 36 characters.")
        for text, longest in (
            (dataset.source, 65_535),
            (dataset.schema or "", 1_048_575),
            (dataset.profile or "", 16_777_215),
        ):
            if len(text) > longest:
                raise TooLarge(
                    f"The dataset {dataset.name!r} is described in {len(text)} characters.",
                    fix=f"{longest} is the limit.",
                )
        check_texts(dataset.tags, "tag", 500)


def check_texts(values: Mapping[str, object], noun: str, longest: int) -> dict[str, str]:
    """Params or tags as text, within the limits."""
    if len(values) > MAX_TEXTS:
        raise TooLarge(f"{len(values)} {noun}s came at once.", fix=f"Send at most {MAX_TEXTS}.")
    texts = {check_key(key, noun): str(value) for key, value in values.items()}
    for key, text in texts.items():
        if len(text) > longest:
            raise TooLarge(
                f"The {noun} {key!r} is {len(text)} characters long.", fix=f"{longest} is the limit; log an artifact."
            )
    return texts


def check_limit(limit: int, highest: int = MAX_RESULTS) -> int:
    """The number itself, if a page may have so many results."""
    if not 1 <= limit <= highest:
        raise InvalidInput(
            f"Invalid value {limit} for parameter 'max_results' supplied. It must be between 1 and {highest}.",
            fix="Ask page by page.",
            where="limit",
        )
    return limit
