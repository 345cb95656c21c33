// What the live page does beyond asking for its sections (htmx does that): charts, keeping
// what the reader has opened, saying aloud when the loop moves, and telling when the server is away.
"use strict";
(() => {
  const { all, clock, localise, instants, ink, shade, dash, axis } = tidewheel;

  // Charts --------------------------------------------------------------------------------------------------------
  const plots = new Map();
  const write = (unit) => (value) =>
    value == null ? "–" : unit === "part" ? `${(value * 100).toFixed(1)} %` : `${+value.toPrecision(3)}${unit && " " + unit}`;

  const columns = (points) => {
    const data = [points.x];
    for (const curve of points.curves) {
      data.push(curve.y);
      if (curve.low) data.push(curve.low, curve.high);
    }
    if (points.rule != null) data.push(points.x.map(() => points.rule));
    return data;
  };

  const options = (points, width) => {
    const series = [{ value: points.time ? (_, at) => (at == null ? "–" : clock.format(at * 1000)) : undefined }];
    const bands = [];
    const value = (_, number) => write(points.unit)(number);
    points.curves.forEach((curve, i) => {
      const stroke = shade(i);
      series.push({ label: curve.label, stroke, width: 2, dash: dash(i), value, points: { show: false } });
      if (curve.low) {
        const edge = { stroke: "transparent", value, points: { show: false } };
        series.push({ ...edge, label: "at least" }, { ...edge, label: "at most" });
        bands.push({ series: [series.length - 1, series.length - 2], fill: stroke + "33" });
      }
    });
    if (points.rule != null)
      series.push({ label: "line", stroke: ink("--muted"), width: 1, dash: [4, 4], class: "unlisted", points: { show: false } });
    return {
      width, height: 200, series, bands, padding: [null, 40, null, null],
      scales: { x: { time: points.time }, y: { range: (_, min, max) => uPlot.rangeNum(Math.min(min, 0), Math.max(max, 0), 0.1, true) } },
      axes: [points.time ? { ...axis(), space: 84, values: timeTicks } : axis(), { ...axis(), size: 56, values: (_, ticks) => ticks.map(write(points.unit)) }],
      legend: { live: true }, cursor: { drag: { x: false, y: false } },
    };
  };

  // The legend tells the last values while no one points at the chart.
  const tellLast = (plot) => setTimeout(() => plot.cursor.idx == null && plot.setLegend({ idx: plot.data[0].length - 1 }));
  const timeTicks = (plot, ticks) => instants(plot.scales.x.min, plot.scales.x.max, ticks);
  const shapeOf = (points) => points.curves.map((curve) => curve.label + (curve.low ? "~" : "")).join("|") + points.rule;
  const draw = (within) => {
    for (const holder of all("[data-plot]", within)) {
      const host = document.getElementById(holder.dataset.plot);
      const points = JSON.parse(holder.dataset.points);
      const known = plots.get(host.id);
      if (known && known.host === host && known.shape === shapeOf(points)) {
        known.points = points;
        known.plot.setData(columns(points));
        tellLast(known.plot);
        continue;
      }
      if (known) known.plot.destroy();
      const plot = new uPlot(options(points, host.clientWidth), columns(points), host);
      tellLast(plot);
      plots.set(host.id, { plot, points, host, shape: shapeOf(points) });
      widths.observe(host);
    }
  };
  const widths = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const known = plots.get(target.id);
      if (known && target.clientWidth) known.plot.setSize({ width: target.clientWidth, height: 200 });
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const known of plots.values()) known.plot.destroy();
    plots.clear();
    draw(document);
  });

  // What the reader has opened, and what is said aloud ----------------------------------------------------------------
  let open = [];
  const announce = document.getElementById("announce");
  const sentence = () => document.querySelector("[data-announce]")?.textContent ?? "";
  let said;
  document.body.addEventListener("htmx:beforeSwap", () => (open = all("details[open]").map((details) => details.id)));
  document.body.addEventListener("htmx:afterSettle", (event) => {
    const section = document.getElementById(event.detail.elt.id) ?? document;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    localise(section);
    draw(section);
    if (sentence() !== said) announce.textContent = said = sentence();
  });

  // Whether the server answers ------------------------------------------------------------------------------------
  const link = document.getElementById("link");
  const linkText = document.getElementById("link-text");
  const tell = (state, text) => {
    if (link.dataset.state === state) return;
    link.dataset.state = state;
    linkText.textContent = text;
  };
  document.body.addEventListener("htmx:beforeRequest", (event) => document.hidden && event.preventDefault());
  document.body.addEventListener("htmx:afterRequest", (event) => {
    const status = event.detail.xhr.status;
    if ((status >= 200 && status < 300) || status === 304) tell("live", "Live");
    else tell("away", `The server is away; last heard ${clock.format(new Date())}`);
  });

  draw(document);
  said = sentence();
})();
