"""What changed from one commit of a dataset to another, as far as counts and columns tell. Pure."""

from __future__ import annotations

from tidewheel.data.records import Commit, Difference


def compare_commits(before: Commit, after: Commit, rows_before: int, rows_after: int) -> Difference:
    """The difference of two commits that hold so many rows."""
    shared = [name for name in before.columns if name in after.columns]
    return Difference(
        dataset=before.dataset,
        before=before.number,
        after=after.number,
        rows_before=rows_before,
        rows_after=rows_after,
        added_columns={name: kind for name, kind in after.columns.items() if name not in before.columns},
        removed_columns={name: kind for name, kind in before.columns.items() if name not in after.columns},
        retyped_columns={
            name: (before.columns[name], after.columns[name])
            for name in shared
            if before.columns[name] != after.columns[name]
        },
    )
