"""Removes from `<home>/serving` the versions and feature plans that nobody serves any more.

A version goes when the snapshot does not name it and `serving.keep_models_s` have passed since one did, or since it was
last prepared: the time of its `version.json` says when that was. Nothing goes while a live worker runs another
generation than the snapshot's, since it may yet read what that no longer names. What a process has mapped stays its own
after it is removed, and a version that is wanted again is fetched again. Called by `publish`, alone between processes.

A folder is renamed before it is removed, so that one which has its name is whole, also after `kill -9`; what that
leaves goes the next time.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tidewheel.base.errors import Corrupt
from tidewheel.serving.snapshot import ServingFolder, SnapshotVersion, read_snapshot
from tidewheel.serving.watching import live_generations

_GOING = ".going"  # how the name of a folder ends that is being removed
_MAKING_S = 3600.0  # that a folder may be in the making without a change: a trial may take its time


def mark_wanted(folder: ServingFolder, version_id: str) -> bool:
    """Note that a version is wanted now; whether it is there."""
    try:
        os.utime(folder.description(version_id))
    except FileNotFoundError:
        return False
    return True


def prune(folder: ServingFolder, keep_s: float) -> list[str]:
    """Remove what has not been wanted for `keep_s`; the versions that went. No other process may publish meanwhile."""
    try:
        snapshot = read_snapshot(folder.snapshot)
    except Corrupt:
        return []
    if snapshot is None or any(each < snapshot.generation for each in live_generations(folder)):
        return []
    before = time.time() - keep_s
    _remove_remnants(folder.models, min(before, time.time() - _MAKING_S))
    named = {version.id for version in snapshot.versions}
    there = [place for place in _within(folder.models) if not place.name.startswith(".")]
    going = [place for place in there if place.name not in named and _wanted_at(folder, place) < before]
    for place in going:
        _remove(place)
    _remove_plans(folder, {version.plan_digest for version in snapshot.versions}, before)
    return sorted(place.name for place in going)


def _remove(place: Path) -> None:
    gone = place.with_name(f".{place.name}{_GOING}")
    place.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _remove_remnants(models: Path, before: float) -> None:
    """Remove what a killed process left: folders that it was removing, or making since long before."""
    for place in _within(models):
        if place.name.startswith(".") and (place.name.endswith(_GOING) or _changed_at(place) < before):
            shutil.rmtree(place, ignore_errors=True)


def _remove_plans(folder: ServingFolder, named: set[str | None], before: float) -> None:
    """Remove the plans of no version that is there."""
    named |= {_plan_of(place) for place in _within(folder.models)}
    for plan in _within(folder.plans):
        if plan.stem not in named and _time_of(plan) < before:
            plan.unlink(missing_ok=True)


def _plan_of(place: Path) -> str | None:
    try:
        return msgspec.json.decode((place / "version.json").read_bytes(), type=SnapshotVersion).plan_digest
    except (OSError, msgspec.DecodeError):
        return None


def _wanted_at(folder: ServingFolder, place: Path) -> float:
    """When a version was last wanted; one without its description, when its folder was last changed."""
    described = folder.description(place.name)
    return _time_of(described if described.exists() else place)


def _changed_at(place: Path) -> float:
    """When anything in a folder was last changed."""
    return max(map(_time_of, [place, *place.rglob("*")]))


def _time_of(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # it has just been renamed
        return 0.0


def _within(folder: Path) -> Iterator[Path]:
    return iter(sorted(folder.iterdir())) if folder.is_dir() else iter(())
