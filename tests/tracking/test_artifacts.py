"""Artifacts are kept by content, under a run, and never outside it."""

import pytest
from sqlalchemy import event

from tidewheel.base.errors import Conflict, Corrupt, InvalidInput, NotFound


def test_files_folders_and_bytes_are_kept(tracking, tmp_path):
    run = tracking.start_run()
    folder = tmp_path / "plots"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "deep" / "b.txt").write_text("b")
    tracking.log_artifact(run.id, folder)
    tracking.log_artifact(run.id, folder / "a.txt", "notes/first.txt")
    tracking.log_artifact(run.id, b"raw", "raw.bin")
    kept = tracking.artifacts(run.id)
    assert [artifact.path for artifact in kept] == ["notes/first.txt", "plots/a.txt", "plots/deep/b.txt", "raw.bin"]
    assert kept[0].digest == kept[1].digest
    assert kept[3].size_bytes == 3
    assert tracking.fetch_artifact(run.id, "plots/deep/b.txt", tmp_path / "out").read_text() == "b"


def test_an_artifact_kept_again_replaces_the_former(tracking, tmp_path):
    run = tracking.start_run()
    tracking.log_artifact(run.id, b"old", "a")
    tracking.log_artifact(run.id, b"new", "a")
    assert tracking.fetch_artifact(run.id, "a", tmp_path / "out").read_bytes() == b"new"


@pytest.mark.parametrize("path", ["../a", "/a", "a/../../b", "a//b", "", "a\\b", ".", "a\x00"])
def test_nothing_is_kept_outside_the_run(tracking, path):
    run = tracking.start_run()
    with pytest.raises(InvalidInput, match="not an artifact path"):
        tracking.log_artifact(run.id, b"x", path)


def test_what_cannot_be_kept_says_why(tracking, tmp_path):
    run = tracking.start_run()
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="no file"):
        tracking.log_artifact(run.id, tmp_path / "none")
    with pytest.raises(InvalidInput, match="empty"):
        tracking.log_artifact(run.id, tmp_path / "empty")
    with pytest.raises(InvalidInput, match="path="):
        tracking.log_artifact(run.id, b"x")
    with pytest.raises(NotFound, match="kept no artifact"):
        tracking.fetch_artifact(run.id, "none", tmp_path / "out")


def test_a_damaged_artifact_is_not_given_out(tracking, tmp_path):
    run = tracking.start_run()
    digest = tracking.log_artifact(run.id, b"x", "a")[0].digest
    (tmp_path / "blobs" / digest[:2] / digest[2:]).write_bytes(b"y")
    with pytest.raises(Corrupt):
        tracking.fetch_artifact(run.id, "a", tmp_path / "out")


def test_a_folder_of_many_files_costs_as_many_statements_as_one_of_few(tracking, metadata, tmp_path):
    def statements(count: int) -> int:
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            (folder / f"{number}.txt").write_text("same")
        run, seen = tracking.start_run(), []
        event.listen(metadata.engine, "before_cursor_execute", lambda *call: seen.append(call[2]))
        tracking.log_artifact(run.id, folder)
        assert len(tracking.artifacts(run.id)) == count
        return len(seen)

    assert statements(300) == statements(3)


def test_of_many_files_the_one_that_cannot_be_kept_is_named(tracking, tmp_path):
    run = tracking.start_run()
    tracking.log_artifact(run.id, b"x", "plots/b/deep")
    tracking.log_artifact(run.id, b"x", "notes")
    for name in "abc":
        (tmp_path / "plots").mkdir(exist_ok=True)
        (tmp_path / "plots" / name).write_text(name)
    with pytest.raises(Conflict, match="plots/b' is a folder"):
        tracking.log_artifact(run.id, tmp_path / "plots")
    with pytest.raises(Conflict, match="notes' is a file"):
        tracking.log_artifact(run.id, tmp_path / "plots", "notes")
    assert [artifact.path for artifact in tracking.artifacts(run.id)] == ["notes", "plots/b/deep"]
