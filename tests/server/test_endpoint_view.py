"""What the pages say of endpoints: who answers each, what the workers counted of it, and what has been rolled out."""

from __future__ import annotations

from pathlib import Path

from tests.server.install import declare_loop, register

from tidewheel.app import Platform
from tidewheel.rollout import Canary
from tidewheel.server.pages.endpoints import EndpointView, endpoint_view
from tidewheel.server.pages.live import LiveViews
from tidewheel.server.pages.models import version_view
from tidewheel.server.pages.render import document, page
from tidewheel.serving.snapshot import ServingFolder
from tidewheel.serving.worker.metrics import Meters


def look(platform: Platform, name: str) -> EndpointView:
    return endpoint_view(platform, LiveViews(platform).recorder, name)


def test_versions_of_several_models_are_named_with_their_model(platform: Platform, tmp_path: Path) -> None:
    for model in ("gbr", "iris"):
        version = register(platform, tmp_path / model, model)
        platform.serving.create_endpoint(model)
        platform.serving.set_route(model, {version.id: 100.0})
        platform.registry.promote(version.id)
    view = LiveViews(platform).view(None)
    assert {line.name: [arm.label for arm in line.arms] for line in view.endpoints} == {
        "gbr": ["gbr/1"],
        "iris": ["iris/1"],
    }
    titles = {event.title for event in view.timeline}
    assert {"gbr/1 is now champion", "iris/1 is now champion", "iris/1 registered"} <= titles


def test_the_page_without_a_loop_tells_of_the_endpoint_whose_rollout_runs(platform: Platform, tmp_path: Path) -> None:
    old, new = register(platform, tmp_path / "v1"), register(platform, tmp_path / "v2")
    for endpoint in ("alpha", "beta"):
        platform.serving.create_endpoint(endpoint)
        platform.serving.set_route(endpoint, {old.id: 100.0})
    platform.rollout.start("beta", old.id, new.id, Canary(shadow="1h"))
    view = LiveViews(platform).view(None)
    assert [line.rollout.stage if line.rollout else "" for line in view.endpoints] == ["", "shadow"]
    assert view.traffic is not None
    assert view.traffic.endpoint == "beta"
    assert view.contest is not None
    html = page(view)
    assert "2 endpoints, and no loop that watches them." in html
    assert f'href="./endpoints/beta#{view.contest.rollout_id}"' in html


def test_one_endpoint_alone_needs_no_table(platform: Platform, tmp_path: Path) -> None:
    declare_loop(platform, champion=register(platform, tmp_path / "v1").id)
    assert '<section id="endpoints" hidden ' in page(LiveViews(platform).view(None))


def test_figures_are_of_the_endpoint_and_of_each_version_of_it(platform: Platform, tmp_path: Path) -> None:
    old, new = register(platform, tmp_path / "v1"), register(platform, tmp_path / "v2")
    for endpoint in ("surge", "other"):
        platform.serving.create_endpoint(endpoint)
    platform.serving.set_route("surge", {old.id: 100.0}, shadows=[new.id])
    meters = Meters(ServingFolder(platform.home).counters, 0)
    for status in (200, 200, 200, 400, 429, 500, 504):
        meters.series("surge", old.id, "live").observe(status, 0.002, 1)
    meters.series("surge", new.id, "shadow").observe(200, 0.02, 1)
    meters.series("other", old.id, "live").observe(503, 0.3, 1)
    view = look(platform, "surge")
    assert (view.counts.requests, view.counts.failed, view.counts.refused) == (7, 3, 1)
    told = {str(line.arm.address): line.counts for line in view.versions}
    assert (told["surge/1"].requests, told["surge/1"].failed) == (7, 3)
    assert (told["surge/2"].requests, told["surge/2"].failed) == (1, 0)
    assert 1.0 < (told["surge/1"].latency_p50_ms or 0) <= 2.5 < (told["surge/2"].latency_p50_ms or 0)
    live = LiveViews(platform).view(None).traffic
    assert live is not None
    assert (live.endpoint, live.requests, live.errors) == ("surge", 7, 3)


def test_past_rollouts_and_routes_stay_on_the_page_with_their_reasons(platform: Platform, tmp_path: Path) -> None:
    old, new = register(platform, tmp_path / "v1"), register(platform, tmp_path / "v2")
    platform.serving.create_endpoint("surge")
    platform.serving.set_route("surge", {old.id: 100.0})
    platform.rollout.abort(platform.rollout.start("surge", old.id, new.id, Canary()).id, "It smells.")
    view = look(platform, "surge")
    assert [(line.title, line.running, line.reason) for line in view.rollouts] == [
        ("Version 2 against version 1", False, "It smells.")
    ]
    assert view.routes[0].shared == "version 1 100\N{NO-BREAK SPACE}%"
    assert view.routes[-1].shared == "nobody"
    assert "tidewheel deploy surge/NUMBER --endpoint surge" in {line.typed for line in view.commands}
    assert "It smells." in document("endpoint.html", here="live", up="../", view=view)


def test_a_version_tells_the_packages_that_were_logged_beside_it(platform: Platform, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "requirements.txt").write_text("mlflow==3.17.0\nscikit-learn==1.7.2\n")
    register(platform, folder)
    view = version_view(platform, "surge", 1)
    assert view.requirements == "mlflow==3.17.0\nscikit-learn==1.7.2"
    html = document("version.html", here="models", up="../../", view=view)
    assert "scikit-learn==1.7.2" in html
    assert "Not recorded." not in html
