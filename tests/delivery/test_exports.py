"""What is exported can be used as it is: it parses, names what exists, and keeps to its promises."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import tidewheel.server.metrics as control_plane
import tidewheel.serving.worker.metrics as workers
from tidewheel.base.clock import SystemClock
from tidewheel.base.errors import Conflict, InvalidInput
from tidewheel.base.settings import SETTINGS
from tidewheel.delivery import Delivery
from tidewheel.storage import Metadata, sqlite_url


@pytest.fixture
def delivery(tmp_path: Path) -> Iterator[Delivery]:
    metadata = Metadata(sqlite_url(tmp_path / "metadata.db"), SystemClock())
    yield Delivery(metadata)
    metadata.close()


def exported(delivery: Delivery, kind: str, folder: Path) -> dict[str, str]:
    found = delivery.export(kind, folder)  # type: ignore[arg-type]
    return {name: (folder / name).read_text() for name in found.files}


def test_the_image_runs_as_nobody_special_and_says_whether_it_lives(delivery: Delivery, tmp_path: Path) -> None:
    dockerfile = exported(delivery, "docker", tmp_path)["Dockerfile"]
    assert dockerfile.index("USER tidewheel") < dockerfile.index("ENTRYPOINT")
    assert "HEALTHCHECK" in dockerfile
    assert "@VERSION@" not in dockerfile
    known = {setting.variable for setting in SETTINGS} | {"TIDEWHEEL_HOME"}
    assert set(re.findall(r"TIDEWHEEL_\w+", dockerfile)) <= known


def test_the_containers_are_reached_from_this_machine_only(delivery: Delivery, tmp_path: Path) -> None:
    files = exported(delivery, "docker", tmp_path)
    (service,) = yaml.safe_load(files["compose.yaml"])["services"].values()
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["volumes"] == ["state:/state"]
    assert ".tidewheel" in files[".dockerignore"].splitlines()


def test_the_dashboard_asks_only_for_metrics_that_exist(delivery: Delivery, tmp_path: Path) -> None:
    files = exported(delivery, "grafana", tmp_path)
    dashboard = json.loads(files["tidewheel-dashboard.json"])
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = {name for each in expressions for name in re.findall(r"tidewheel_\w+", each)}
    asked = {re.sub("_(bucket|sum|count)$", "", name) for name in named}
    sources = Path(workers.__file__).read_text() + Path(control_plane.__file__).read_text()
    assert asked <= set(re.findall(r"tidewheel_\w+", sources))
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_no_two_panels_lie_over_each_other(delivery: Delivery, tmp_path: Path) -> None:
    files = exported(delivery, "grafana", tmp_path)
    cells: set[tuple[int, int]] = set()
    for panel in json.loads(files["tidewheel-dashboard.json"])["panels"]:
        place = panel["gridPos"]
        mine = {(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])}
        assert not mine & cells
        assert max(x for x, _ in mine) < 24
        cells |= mine


def test_prometheus_reads_both_parts(delivery: Delivery, tmp_path: Path) -> None:
    config = yaml.safe_load(exported(delivery, "grafana", tmp_path)["prometheus.yml"])
    assert [job["static_configs"][0]["targets"] for job in config["scrape_configs"]] == [
        ["127.0.0.1:7601"],
        ["127.0.0.1:7600"],
    ]


def test_the_workflow_may_only_read_the_repository(delivery: Delivery, tmp_path: Path) -> None:
    workflow = yaml.safe_load(exported(delivery, "github-actions", tmp_path)[".github/workflows/tidewheel.yml"])
    assert workflow["permissions"] == {"contents": "read"}
    commands = [step.get("run", "") for step in workflow["jobs"]["train"]["steps"]]
    assert 'tidewheel run "$PIPELINE"' in commands


def test_an_export_may_be_repeated_but_overwrites_nothing_of_yours(delivery: Delivery, tmp_path: Path) -> None:
    delivery.export("docker", tmp_path)
    delivery.export("docker", tmp_path)
    (tmp_path / "compose.yaml").write_text("mine")
    (tmp_path / "Dockerfile").unlink()
    with pytest.raises(Conflict, match=r"compose\.yaml"):
        delivery.export("docker", tmp_path)
    assert not (tmp_path / "Dockerfile").exists()


def test_an_unknown_export_is_refused(delivery: Delivery, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="docker"):
        delivery.export("floppy", tmp_path)  # type: ignore[arg-type]
