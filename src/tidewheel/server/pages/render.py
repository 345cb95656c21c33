"""Turns a `LiveView` into HTML: the whole page, or one section with its ETag. Pure but for reading the templates."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tidewheel.base.hashing import hash_bytes
from tidewheel.server.pages import drawings, figures
from tidewheel.server.pages.assets import asset
from tidewheel.server.pages.view import Chart, LiveView

_CUT = 3.0  # beyond this many thresholds it does not matter how many
FOLDER = Path(__file__).parent
SECTIONS: dict[str, str] = {
    "state": "1s",
    "endpoints": "2s",
    "traffic": "1s",
    "contest": "2s",
    "drift": "2s",
    "timeline": "1s",
}


def page(view: LiveView) -> str:
    """The page as one document."""
    sections = [section(view, name)[0] for name in SECTIONS]
    return document("live.html", here="live", view=view, sections=sections)


def section(view: LiveView, name: str) -> tuple[Markup, str]:
    """One section, which asks for itself again, and its ETag: the hash of what it shows."""
    environment = _environment()
    largest = max((abs(shift.effect) for shift in view.shifts), default=0.0)
    body = environment.get_template(f"{name}.html").render(
        view=view,
        drift_chart=_drift_chart(view),
        bar=lambda effect: drawings.effect_bar(abs(effect), largest),
    )
    etag = hash_bytes(body.encode())[:16]
    query = f"?loop={quote(view.loop.name)}" if view.loop else ""
    whole = environment.get_template("section.html").render(
        name=name,
        body=Markup(body),  # noqa: S704 - made by Jinja, escaped
        etag=etag,
        every=SECTIONS[name],
        query=query,
    )
    return Markup(whole), etag  # noqa: S704 - made by Jinja, escaped


def document(template: str, *, here: str = "", up: str = "./", **given: object) -> str:
    """A whole page: `here` is its entry of the navigation, `up` the way from its address to the root."""
    return _environment().get_template(template).render(here=here, up=up, **given)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    written = [
        "figure",
        "count",
        "percent",
        "change",
        "milliseconds",
        "opening",
        "plain",
        "iso",
        "utc",
        "moment",
        "timed",
    ]
    written += ["measured", "size"]
    environment.filters.update({name: getattr(figures, name) for name in written})
    drawn = {kind.__name__: kind for kind in (drawings.interval, drawings.evidence, drawings.lanes, drawings.plot)}
    environment.globals.update(drawn, asset=asset, lane_names=drawings.LANES)
    return environment


def _drift_chart(view: LiveView) -> Chart | None:
    """All monitors in one chart: evidence in thresholds, over the union of their instants, held in between."""
    charts = [(monitor, monitor.chart) for monitor in view.monitors if monitor.chart and monitor.threshold]
    if not charts:
        return None
    x = tuple(sorted({at for _, chart in charts for at in chart.x}))
    curves = []
    for monitor, chart in charts:
        level = monitor.threshold or 1.0
        known = dict(zip(chart.x, chart.curves[0].values, strict=True))
        values, last = [], None
        for at in x:
            last = known.get(at, last)
            values.append(None if last is None else min(last / level, _CUT))
        curves.append(replace(chart.curves[0], label=monitor.name, values=tuple(values)))
    return Chart(id="drift", x=x, curves=tuple(curves), x_is_time=True, rule=1.0, rule_label="the threshold")
