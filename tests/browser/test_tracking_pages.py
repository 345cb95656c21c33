"""Experiments, runs, charts, comparison, artifacts and models as a person uses them."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from tests.browser.lab import MODEL, Lab, add_long_series
from tests.browser.pages import pages

from tidewheel.tracking import MetricPoint

pytestmark = pytest.mark.browser
Look = Callable[..., Page]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_and_nothing_is_too_wide(look: Look, lab: Lab, width: int, dark: bool) -> None:
    for name, path in pages(lab).items():
        page = look(path, width=width, dark=dark)
        if name == "run":
            page.wait_for_selector("[data-key] canvas")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        page.close()


def test_every_page_keeps_its_budgets_and_asks_only_its_origin(look: Look, lab: Lab) -> None:
    for name, path in pages(lab).items():
        page = look("/docs")
        page.goto("about:blank")  # what the page before still asked for is not counted
        asked = []
        page.on("request", lambda request, asked=asked: asked.append(request))
        page.goto(lab.address + path, wait_until="networkidle")
        assert all(request.url.startswith(lab.address) for request in asked), name
        assert len(asked) <= 20, name
        assert sum(sum(request.sizes().values()) for request in asked) < 150_000, name
        assert page.evaluate("document.querySelectorAll('*').length") < 2000, name
        page.close()


def test_all_pages_can_be_read_without_javascript(look: Look, lab: Lab) -> None:
    words = {
        "experiments": "surge",
        "runs": "tuned-1",
        "run": "0.61",
        "compare": "depth",
        "artifacts": "7.25",
        "logged model": "MLmodel",
        "models": "@champion",
        "model": "Version 1",
        "version": "requests_15m",
        "endpoint": "canary 25 %",
        "endpoint without a version": "No version answers it yet",
        "live": "canary 25 %",
    }
    for name, path in pages(lab).items():
        page = look(path, javascript=False)
        expect(page.locator("main").get_by_text(words[name]).first).to_be_visible()
        page.close()


def test_runs_are_sorted_by_a_click_on_a_head(look: Look, lab: Lab) -> None:
    page = look(f"/experiments/{lab.experiment_id}")
    page.get_by_role("link", name="val/loss").click()
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("val/loss")
    expect(page.locator("tbody th.first").first).to_contain_text("tuned-0")
    page.get_by_role("link", name="val/loss").click()
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("val/loss")
    expect(page.locator("tbody th.first").first).to_contain_text("tuned-1")


def test_runs_are_filtered_and_a_wrong_filter_is_explained_in_its_place(look: Look, lab: Lab) -> None:
    page = look(f"/experiments/{lab.experiment_id}")
    page.get_by_label("Filter", exact=True).fill("params.depth = '8'")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Filter", exact=True).fill("depth is best")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("cannot be searched for")
    expect(page.get_by_label("Filter", exact=True)).to_have_value("depth is best")
    page.get_by_text("How to filter").click()
    page.get_by_role("link", name="attributes.status = 'RUNNING'").click()
    expect(page.locator("tbody tr")).to_have_count(1)


def test_deleted_runs_are_shown_on_demand(look: Look, lab: Lab) -> None:
    lab.platform.tracking.delete_run(lab.runs[1])
    page = look(f"/experiments/{lab.experiment_id}")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_label("Show").select_option("all")
    expect(page.locator("tbody tr.gone")).to_contain_text("deleted")


def test_columns_are_chosen_and_kept_in_a_saved_view(look: Look, lab: Lab) -> None:
    page = look(f"/experiments/{lab.experiment_id}")
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("val/auc").uncheck()
    page.get_by_label("team").check()
    page.get_by_role("button", name="Show these").click()
    expect(page.locator("thead")).to_contain_text("team")
    expect(page.locator("thead")).not_to_contain_text("val/auc")
    page.get_by_text("Save view", exact=True).click()
    page.get_by_label("Keep this filter").fill("by team")
    page.get_by_role("button", name="Save", exact=True).click()
    page.goto(f"{lab.address}/experiments/{lab.experiment_id}")
    page.get_by_role("link", name="by team").click()
    expect(page.locator("thead")).to_contain_text("team")
    page.get_by_role("button", name="Delete the view").click()
    expect(page.get_by_role("link", name="by team")).to_have_count(0)


def test_another_sites_form_changes_nothing(lab: Lab) -> None:
    address = f"{lab.address}/experiments/{lab.experiment_id}/views"
    for headers in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert httpx.post(address, data={"name": "theirs"}, headers=headers).status_code == 403
    assert lab.platform.views.views(lab.experiment_id) == []


def test_chosen_runs_are_compared(look: Look, lab: Lab) -> None:
    page = look(f"/experiments/{lab.experiment_id}")
    expect(page.get_by_role("button", name="Compare chosen runs")).to_be_disabled()
    page.get_by_label("Choose tuned-0").check()
    page.get_by_label("Choose tuned-2").check()
    page.get_by_role("button", name="Compare chosen runs").click()
    expect(page.get_by_role("heading", name="2 runs compared")).to_be_visible()
    expect(page.locator("table.compared").first).to_contain_text("depth")
    expect(page.locator("table.compared").first).not_to_contain_text("seed")
    expect(page.locator("svg.parallel polyline")).to_have_count(2)
    page.get_by_role("link", name="show all").click()
    expect(page.locator("table.compared").first).to_contain_text("seed")
    page.locator("[data-key='val/loss']").scroll_into_view_if_needed()
    page.wait_for_selector("[data-key='val/loss'] canvas")


def test_the_charts_of_a_running_run_follow_it(look: Look, lab: Lab) -> None:
    page = look(f"/runs/{lab.runs[2]}")
    expect(page.locator("[data-key='val/loss'][data-points='40']")).to_have_count(1)
    lab.platform.tracking.log_metrics(lab.runs[2], [MetricPoint("val/loss", 0.123, 40)])
    expect(page.locator("[data-key='val/loss'][data-points='41']")).to_have_count(1)
    expect(page.locator("[data-metric='val/loss']")).to_contain_text("0.123")


def test_charts_are_not_sent_again_while_nothing_was_logged(lab: Lab) -> None:
    address = f"{lab.address}/charts?run={lab.runs[2]}&key=val/loss"
    first = httpx.get(address)
    headers = {"If-None-Match": first.headers["ETag"]}
    assert httpx.get(address, headers=headers).status_code == 304
    lab.platform.tracking.log_metrics(lab.runs[2], [MetricPoint("val/loss", 0.2, 99)])
    assert httpx.get(address, headers=headers).status_code == 200


def test_a_stretch_of_a_chart_is_asked_for_anew_and_given_back(look: Look, lab: Lab) -> None:
    page = look(f"/runs/{lab.runs[0]}")
    page.wait_for_selector("[data-key='val/loss'] canvas")
    box = page.locator("[data-key='val/loss'] .u-over").bounding_box()
    assert box is not None
    with page.expect_request(re.compile("low=")):
        page.mouse.move(box["x"] + 40, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 120, box["y"] + 60, steps=4)
        page.mouse.up()
    expect(page.locator("[data-key='val/loss'].zoomed")).to_have_count(1)
    page.get_by_role("button", name="Reset zoom").click()
    expect(page.locator(".zoomed")).to_have_count(0)


@pytest.mark.slow
def test_a_million_points_are_drawn_with_their_peak(look: Look, lab: Lab) -> None:
    add_long_series(lab.platform, lab.runs[0], 1_000_000)
    page = look(f"/runs/{lab.runs[0]}")
    card = page.locator("[data-key='long']")
    card.scroll_into_view_if_needed()
    expect(card.locator(".aside")).to_contain_text("1,000,000 points")
    expect(page.locator("[data-metric='long']")).to_contain_text("99")
    assert int(card.get_attribute("data-points") or 0) < 5000


@pytest.mark.slow
def test_a_table_of_ten_thousand_runs_is_paged_by_the_server(look: Look, lab: Lab) -> None:
    for i in range(10_000 - len(lab.runs)):
        run = lab.platform.tracking.start_run("surge", f"many-{i}")
        lab.platform.tracking.log_batch(run.id, params={"depth": i % 9}, metrics=[MetricPoint("val/loss", i / 1e4)])
    address = f"{lab.address}/experiments/{lab.experiment_id}?order=metrics.`val/loss` ASC"
    assert "tuned" not in httpx.get(address).text.split("<tbody>")[1][:400]
    page = look(f"/experiments/{lab.experiment_id}")
    page.get_by_role("link", name="Next").click()
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("link", name="Previous").click()
    expect(page.get_by_role("link", name="Previous")).to_have_count(0)


def test_a_run_tells_its_datasets_and_leads_to_the_models_it_logged(look: Look, lab: Lab) -> None:
    page = look(f"/runs/{lab.runs[0]}")
    expect(page.get_by_role("row", name="rides")).to_contain_text("training")
    expect(page.get_by_role("row", name="rides")).to_contain_text("https://data.example/rides.parquet")
    logged = page.locator("section", has=page.get_by_role("heading", name="Logged models"))
    expect(logged).to_contain_text("made at step 3")
    expect(logged.get_by_role("link", name="acceptance version 1")).to_be_visible()
    logged.get_by_role("link", name="acceptance", exact=True).click()
    expect(page.get_by_role("row", name="val/auc")).to_contain_text("0.86")
    expect(page.get_by_role("row", name="val/auc")).to_contain_text("rides")
    with page.expect_download() as download:
        page.get_by_role("link", name="MLmodel").click()
    assert download.value.suggested_filename == "MLmodel"
    page.get_by_role("link", name="acceptance version 1").click()
    expect(page.get_by_role("heading", name="Version 1")).to_be_visible()
    page.goto(f"{lab.address}/runs/{lab.runs[2]}")
    expect(page.locator("section", has=page.get_by_role("heading", name="Logged models"))).to_contain_text("used")


def test_the_table_tells_how_many_runs_match_and_how_many_go_on(look: Look, lab: Lab) -> None:
    page = look(f"/experiments/{lab.experiment_id}?filter=metrics.`val/loss` < 0.6")
    expect(page.locator(".matching")).to_have_text("2 match")
    expect(page.locator("#standing")).to_contain_text("1 running")
    lab.platform.tracking.end_run(lab.runs[2])
    expect(page.locator("#standing")).not_to_contain_text("running")
    expect(page.locator("tbody .running")).to_have_count(1)  # the rows stay as they were read


def test_the_standing_of_an_experiment_is_not_sent_again_while_nothing_moved(lab: Lab) -> None:
    address = f"{lab.address}/experiments/{lab.experiment_id}/standing"
    headers = {"If-None-Match": httpx.get(address).headers["ETag"]}
    assert httpx.get(address, headers=headers).status_code == 304
    lab.platform.tracking.end_run(lab.runs[2])
    assert httpx.get(address, headers=headers).status_code == 200


def test_artifacts_are_browsed_by_level_and_looked_into_without_running_them(look: Look, lab: Lab) -> None:
    page = look(f"/runs/{lab.runs[0]}/artifacts")
    page.get_by_role("link", name="notes/").click()
    page.get_by_role("link", name="readme.md").click()
    expect(page.locator("pre")).to_contain_text("# Surge")
    page.get_by_role("link", name="artifacts", exact=True).click()
    page.get_by_role("link", name="report.html").click()
    expect(page.locator("pre")).to_contain_text("<script>")
    assert "taken" not in page.title()
    page.goto(f"{lab.address}/runs/{lab.runs[0]}/artifacts?path=plot.svg")
    assert page.locator(".picture img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 40
    answer = httpx.get(f"{lab.address}/runs/{lab.runs[0]}/file", params={"path": "report.html"})
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")


def test_a_model_leads_to_its_versions_and_their_story(look: Look, lab: Lab) -> None:
    page = look("/models")
    page.get_by_role("link", name="surge").click()
    page.get_by_role("link", name="Version 1").click()
    expect(page.get_by_role("heading", name="Version 1")).to_be_visible()
    expect(page.locator("main")).to_contain_text("registry.version.promoted")


@pytest.mark.parametrize(
    "link",
    [
        "experiments/{experiment}/runs/{run}",
        "experiments/{experiment}",
        "experiments/{experiment}/models/{model}",
        "models/surge/versions/1",
    ],
)
def test_links_that_mlflow_prints_lead_to_our_pages(look: Look, lab: Lab, link: str) -> None:
    told = link.format(experiment=lab.experiment_id, run=lab.runs[0], model=MODEL)
    page = look(f"/#/{told}", quiet=False)
    page.wait_for_url(
        re.compile(
            rf"{lab.address}/(runs/{lab.runs[0]}|experiments/{lab.experiment_id}|logged-models/{MODEL}|models/surge/1)$"
        )
    )


def test_what_is_not_there_is_said_on_a_page(look: Look, lab: Lab) -> None:
    page = look("/runs/nobody", quiet=False)
    expect(page.get_by_role("heading", name="There is no such thing here")).to_be_visible()
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
