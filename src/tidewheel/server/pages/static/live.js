// What the live page does beyond asking for its sections (htmx does that): times in the reader's zone, charts, keeping
// what the reader has opened, saying aloud when the loop moves, and telling when the server is away.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Times ---------------------------------------------------------------------------------------------------------
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const dayHour = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "numeric" });
  const minute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
  const localise = (within) => {
    let shown = "";
    for (const time of all("time[datetime]", within)) {
      const at = new Date(time.dateTime);
      const date = day.format(at);
      const listed = time.parentElement.matches(".event");
      const hour = (listed || time.closest(".link") ? clock : minute).format(at);
      time.textContent = listed && date === shown ? hour : `${date}, ${hour}`;
      if (listed) shown = date;
    }
  };
  document.getElementById("zone").textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;

  // Charts --------------------------------------------------------------------------------------------------------
  const plots = new Map();
  const ink = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const shades = ["--curve-1", "--curve-2", "--curve-3", "--curve-4", "--curve-5", "--curve-6"];
  const dashes = [[], [6, 3], [2, 3], [8, 3, 2, 3], [12, 4], [1, 4]];
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
      const stroke = ink(shades[i % shades.length]);
      series.push({ label: curve.label, stroke, width: 2, dash: dashes[i % dashes.length], value, points: { show: false } });
      if (curve.low) {
        const edge = { stroke: "transparent", value, points: { show: false } };
        series.push({ ...edge, label: "at least" }, { ...edge, label: "at most" });
        bands.push({ series: [series.length - 1, series.length - 2], fill: stroke + "33" });
      }
    });
    if (points.rule != null)
      series.push({ label: "line", stroke: ink("--muted"), width: 1, dash: [4, 4], class: "unlisted", points: { show: false } });
    const axis = { stroke: ink("--muted"), grid: { stroke: ink("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    return {
      width, height: 200, series, bands, padding: [null, 40, null, null],
      scales: { x: { time: points.time }, y: { range: (_, min, max) => uPlot.rangeNum(Math.min(min, 0), Math.max(max, 0), 0.1, true) } },
      axes: [points.time ? { ...axis, space: 84, values: timeTicks } : axis, { ...axis, size: 56, values: (_, ticks) => ticks.map(write(points.unit)) }],
      legend: { live: true }, cursor: { drag: { x: false, y: false } },
    };
  };

  // The legend tells the last values while no one points at the chart.
  const tellLast = (plot) => setTimeout(() => plot.cursor.idx == null && plot.setLegend({ idx: plot.data[0].length - 1 }));
  const timeTicks = (plot, ticks) => {
    const days = plot.scales.x.max - plot.scales.x.min > 2 * 86400;
    return ticks.map((at) => (days ? dayHour : plot.scales.x.max - plot.scales.x.min > 300 ? minute : clock).format(at * 1000));
  };
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

  localise(document);
  draw(document);
  said = sentence();
})();
