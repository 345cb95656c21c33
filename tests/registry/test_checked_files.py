"""Every byte of a model is compared with its registered BLAKE3 before it is used."""

from pathlib import Path

import pyarrow as pa
import pytest

from tidewheel.base.errors import Corrupt, NotAllowed, NotFound
from tidewheel.registry.load import load_predictor


def blob_file(tmp_path: Path, digest: str) -> Path:
    return tmp_path / "blobs" / digest[:2] / digest[2:]


def test_fetch_writes_the_files_that_were_registered(registry, register, tmp_path):
    version = register(text="the tree")
    registry.fetch(version.id, tmp_path / "out")
    assert (tmp_path / "out" / "model.txt").read_text() == "the tree"


def test_a_damaged_blob_is_never_fetched_and_verify_names_it(registry, register, tmp_path):
    version = register(reference=pa.table({"a": [1.0]}))
    assert registry.verify(version.id).whole
    blob_file(tmp_path, version.files["model.txt"]).write_text("another tree")
    with pytest.raises(Corrupt, match="damaged"):
        registry.fetch(version.id, tmp_path / "out")
    assert not (tmp_path / "out" / "model.txt").exists()
    found = registry.verify(version.id)
    assert (found.whole, list(found.damaged), found.checked) == (False, ["model.txt"], ("model.txt", "(reference)"))


def test_a_missing_blob_is_reported_by_verify(registry, register, tmp_path):
    version = register()
    blob_file(tmp_path, version.files["model.txt"]).unlink()
    assert "no blob" in registry.verify(version.id).damaged["model.txt"]


@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_a_file_changed_after_the_fetch_is_not_loaded(registry, register, tmp_path, damage):
    version = register()
    registry.fetch(version.id, tmp_path / "out")
    file = tmp_path / "out" / "model.txt"
    file.write_text("evil") if damage == "changed" else file.unlink()
    with pytest.raises(Corrupt, match=r"model\.txt"):
        load_predictor(version.format, tmp_path / "out", version.files, version.trusted_by)


def test_code_nobody_vouched_for_is_not_loaded(registry, register, tmp_path):
    version = register(format="python", trust=True)
    registry.fetch(version.id, tmp_path / "out")
    with pytest.raises(NotAllowed, match="nobody vouched"):
        load_predictor("python", tmp_path / "out", version.files, None)


def test_a_version_without_a_reference_says_how_to_give_one(registry, register):
    with pytest.raises(NotFound, match="rows="):
        registry.reference(register().id)


def test_a_long_reference_is_sampled_evenly_and_kept_in_order(registry, register):
    version = register(reference=pa.table({"a": pa.array(range(120_000))}))
    kept = registry.reference(version.id).column("a").to_pylist()
    assert len(kept) == 50_000
    assert kept == sorted(kept)
    assert (kept[0], kept[-1]) == (0, 119_999)
