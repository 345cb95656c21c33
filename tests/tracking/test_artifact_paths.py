"""Artifacts lie in one namespace of paths that nothing leaves, and folders are what lies below them."""

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from tidewheel.base.clock import SystemClock
from tidewheel.base.errors import Conflict, InvalidInput, NotFound
from tidewheel.storage import journal
from tidewheel.storage.backends.local_blobs import LocalBlobs
from tidewheel.tracking import Artifacts, LoggedModels, Tracking
from tidewheel.tracking.artifact_paths import check_path, decoded

NAMES = st.text(st.sampled_from("ab.-0!~é"), min_size=1, max_size=3).filter(lambda name: name.strip("."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@pytest.fixture
def artifacts(metadata, tmp_path):
    blobs = LocalBlobs(tmp_path / "blobs")
    files = {"model.onnx": blobs.put(b"onnx"), "deep/a.txt": blobs.put(b"a")}
    versions = {"ver_1": files}

    def files_of_version(version_id):
        if version_id not in versions:
            raise NotFound(f"There is no version {version_id}.")
        return versions[version_id]

    return Artifacts(metadata, blobs, SystemClock(), files_of_version)


@settings(max_examples=300)
@given(path=st.text(st.sampled_from("a./\\%25eEfFcC:\x00"), max_size=14))
@example(path="%252e%252e/up")
@example(path="a/%2e%2e%2f%2e%2e/up")
@example(path="C:%5cWindows")
def test_a_path_that_is_let_in_stays_inside_however_often_it_is_decoded(path):
    try:
        check_path(path)
    except InvalidInput:
        return
    for form in (path, decoded(path)):
        assert not form.startswith("/")
        assert not {"", ".", ".."} & set(form.split("/"))
        assert not {"\\", "\x00"} & set(form)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(paths=st.sets(PATHS, max_size=12))
def test_a_listing_is_that_of_a_folder_on_disk(artifacts, paths):
    root = f"r{len(artifacts.list(''))}"
    kept = set()
    for path in sorted(paths):
        if not any(other.startswith(f"{path}/") or path.startswith(f"{other}/") for other in kept):
            artifacts.put(f"{root}/{path}", b"x")
            kept.add(path)
    folders = {""} | {path[:at] for path in kept for at, sign in enumerate(path) if sign == "/"}
    for folder in folders:
        prefix = f"{folder}/" if folder else ""
        names = {path[len(prefix) :].partition("/")[0::2] for path in kept if path.startswith(prefix)}
        expected = {(f"{root}/{prefix}{name}", bool(rest)) for name, rest in names}
        listed = artifacts.list(f"{root}/{folder}".rstrip("/"))
        assert {(file.path, file.is_dir) for file in listed} == expected
        assert [file.path for file in listed] == sorted(file.path for file in listed)
    if kept:
        artifacts.delete(root)
    assert artifacts.list(root) == []


def test_a_file_is_no_folder_and_a_folder_no_file(artifacts):
    artifacts.put("a/b", b"x")
    with pytest.raises(Conflict, match="is a file"):
        artifacts.put("a/b/c", b"x")
    with pytest.raises(Conflict, match="is a folder"):
        artifacts.put("a", b"x")


def test_a_listing_steps_over_what_lies_deeper(artifacts, tmp_path):
    folder = tmp_path / "many"
    (folder / "deep").mkdir(parents=True)
    for number in range(1100):
        (folder / "deep" / f"{number}").write_bytes(b"")
    (folder / "after").write_bytes(b"x")
    artifacts.put("many", folder)
    assert [(file.path, file.size_bytes) for file in artifacts.list("many")] == [("many/after", 1), ("many/deep", None)]
    assert len(artifacts.list("many/deep")) == 1100


def test_a_link_that_leads_out_of_a_folder_is_refused_and_one_within_is_followed(artifacts, tmp_path):
    folder, secret = tmp_path / "folder", tmp_path / "secret"
    folder.mkdir()
    secret.write_text("secret")
    (folder / "a").write_text("a")
    (folder / "within").symlink_to("a")
    assert {kept.path for kept in artifacts.put("x", folder)} == {"x/a", "x/within"}
    for target in (secret, tmp_path, folder / "nowhere"):
        (folder / "out").symlink_to(target)
        with pytest.raises(InvalidInput, match="link"):
            artifacts.put("y", folder)
        (folder / "out").unlink()
    assert artifacts.list("y") == []


def test_a_registered_version_can_be_read_below_versions_and_not_written(artifacts, tmp_path):
    assert [(file.path, file.is_dir, file.size_bytes) for file in artifacts.list("versions/ver_1")] == [
        ("versions/ver_1/deep", True, None),
        ("versions/ver_1/model.onnx", False, 4),
    ]
    assert b"".join(artifacts.open("versions/ver_1/deep/a.txt").pieces()) == b"a"
    assert set(artifacts.files_of("mlflow-artifacts:/versions/ver_1")) == {"model.onnx", "deep/a.txt"}
    for change in (lambda: artifacts.put("versions/ver_1/x", b""), lambda: artifacts.delete("versions/ver_1")):
        with pytest.raises(InvalidInput, match="only for reading"):
            change()
    for missing in ("versions/ver_2/x", "versions/ver_1/x", "versions/ver_1"):
        with pytest.raises(NotFound):
            artifacts.open(missing)


def test_an_address_names_the_files_below_it(artifacts, metadata, tmp_path):
    tracking, models = (
        Tracking(metadata, LocalBlobs(tmp_path / "blobs"), SystemClock()),
        LoggedModels(metadata, SystemClock()),
    )
    run = tracking.start_run()
    tracking.log_artifact(run.id, b"1", "plots/a.txt")
    model = models.create(run.experiment_id, "net", run.id)
    root = model.artifact_location.removeprefix("mlflow-artifacts:/")
    digest = artifacts.put(f"{root}/MLmodel", b"flavors: {}")[0].digest
    assert list(artifacts.files_of(f"runs:/{run.id}/plots")) == ["a.txt"]
    assert list(artifacts.files_of(f"runs:/{run.id}/plots/a.txt")) == ["a.txt"]
    for uri in (f"models:/{model.id}", f"runs:/{run.id}/net", model.artifact_location):
        assert artifacts.files_of(uri) == {"MLmodel": digest}
    for uri in ("s3://bucket/x", "file:///etc/passwd", "mlflow-artifacts:/../x", "models:/name/1"):
        with pytest.raises(InvalidInput):
            artifacts.files_of(uri)
    with pytest.raises(NotFound):
        artifacts.files_of(f"runs:/{run.id}/none")


def test_the_journal_says_whose_artifact_it_is(artifacts, metadata, tmp_path):
    tracking, models = (
        Tracking(metadata, LocalBlobs(tmp_path / "blobs"), SystemClock()),
        LoggedModels(metadata, SystemClock()),
    )
    run = tracking.start_run()
    model = models.create(run.experiment_id, "net", run.id)
    paths = [
        f"{run.experiment_id}/{run.id}/artifacts/a",
        f"{model.artifact_location.removeprefix('mlflow-artifacts:/')}/MLmodel",
        "elsewhere/b",
    ]
    for path in paths:
        artifacts.put(path, b"x")
    with metadata.read() as connection:
        rows = connection.execute(journal.entries.select().where(journal.entries.c.kind == "tracking.artifact.logged"))
        told = [(row.subject, list(row.data["artifacts"])) for row in rows]
    assert told == [(run.node, ["a"]), (model.node, ["MLmodel"]), ("artifact:elsewhere/b", ["b"])]
