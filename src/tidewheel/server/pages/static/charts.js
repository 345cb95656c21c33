// Charts of metrics: asks /charts for as many points as a chart has columns, draws those in view, asks for a finer
// stretch when the reader drags over one, and again every few seconds while a run goes on (304 if nothing is new).
"use strict";
(() => {
  const { all, shade, dash, axis, ink, instants, clock } = tidewheel;
  const room = document.querySelector("[data-charts]");
  if (!room) return;
  const runs = JSON.parse(room.dataset.runs);
  const names = JSON.parse(room.dataset.names);
  const tools = document.getElementById("chart-tools");
  const HEIGHT = 196;
  const EVERY_MS = 2000;
  const FEW = 24;  // so few points are drawn each
  const WHOLE = [1, 2, 5].flatMap((digit) => Array.from({ length: 15 }, (_, power) => digit * 10 ** power)).sort((a, b) => a - b);
  const charts = new Map(all("[data-key]", room).map((card) => [card.dataset.key, { card, host: card.querySelector(".canvas"), aside: card.querySelector(".aside"), etag: "", seen: false }]));
  const setting = () => Object.fromEntries(new FormData(tools));
  const number = (value) => (value == null ? "–" : String(+value.toPrecision(5)));

  const ask = async (chart) => {
    const { axis: along } = setting();
    const asked = new URLSearchParams({ points: Math.max(400, 4 * Math.round(chart.host.clientWidth)), axis: along === "step" && !(chart.zoom && chart.timed) ? "step" : "time", key: chart.card.dataset.key });
    for (const run of runs) asked.append("run", run);
    if (chart.zoom) {
      asked.set("low", chart.zoom[0]);
      asked.set("high", chart.zoom[1]);
    }
    const query = asked.toString();
    const headers = chart.etag && chart.query === query ? { "If-None-Match": chart.etag } : {};
    const answer = await fetch(`${room.dataset.charts}?${query}`, { headers, cache: "no-store" });
    if (answer.status === 304) return;
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const told = await answer.json();
    Object.assign(chart, { etag: answer.headers.get("ETag"), query, series: told.series });
    room.dataset.running = told.running ? "yes" : "";
    draw(chart);
  };

  // Smoothing is an exponential moving average that makes up for its empty beginning; the points stay behind it, pale.
  const smooth = (values, weight) => {
    let sum = 0, mass = 0;
    return values.map((value) => {
      if (value == null) return null;
      sum = sum * weight + (1 - weight) * value;
      mass = mass * weight + (1 - weight);
      return sum / mass;
    });
  };
  // Metrics that were logged again and again without a step have all their points at one: only time tells them apart.
  const unstepped = (series) => series.some((each) => each.steps.length > 1) && series.every((each) => each.steps.at(-1) === each.steps[0]);
  const places = (series, along, timed) => (timed ? series.at_s : along === "relative" ? series.at_s.map((at) => at - series.at_s[0]) : series.steps);
  // Steps are whole numbers. All points at one place stand in the middle, over the one tick that there is to tell.
  const horizontal = (data, stepped) => {
    const [first, last] = [data[0][0], data[0].at(-1)];
    if (first === last) return { range: () => [first - 1, first + 1], ticks: { splits: () => [first] } };
    return { range: (_, low, high) => [low, high], ticks: stepped ? { incrs: WHOLE } : {} };
  };

  const draw = (chart) => {
    const { axis: along, log, smooth: weight } = setting();
    const series = chart.series;
    const timed = along === "time" || (along === "step" && unstepped(series));
    chart.timed = timed;
    const kept = +weight > 0;
    const tables = [];
    for (const each of series) {
      const x = places(each, along, timed);
      tables.push(kept ? [x, each.values, smooth(each.values, +weight)] : [x, each.values]);
    }
    const data = tables.length > 1 ? uPlot.join(tables.map((table) => table.map((column) => [...column]))) : tables[0] ?? [[]];
    const lines = [{ label: along === "step" && !timed ? "step" : "at", value: (_, at) => (at == null ? "–" : timed ? clock.format(at * 1000) : along === "relative" ? `${number(at)} s` : String(at)) }];
    series.forEach((each) => {
      const i = runs.indexOf(each.run_id);
      const stroke = shade(i);
      const label = names[i];
      const common = { value: (_, value) => number(value), spanGaps: true, points: { show: each.values.length <= FEW, size: 6, fill: stroke } };
      if (kept) lines.push({ ...common, label: `${label}, as logged`, stroke: stroke + "44", width: 1, class: "unlisted" });
      lines.push({ ...common, label, stroke, width: 2, dash: dash(Math.floor(i / 6)) });
    });
    const positive = series.some((each) => each.highest > 0);
    const { range, ticks } = horizontal(data, along === "step" && !timed);
    const options = {
      width: chart.host.clientWidth, height: HEIGHT, series: lines,
      scales: { x: { time: timed, range }, y: { distr: log && positive ? 3 : 1 } },
      axes: [{ ...axis(), size: 30, space: timed ? 84 : 60, ...ticks, ...(timed ? { values: (plot, at) => instants(plot.scales.x.min, plot.scales.x.max, at) } : {}) }, { ...axis(), size: 58, values: (_, ticks) => ticks.map((tick) => (tick == null ? "" : number(tick))) }],
      legend: { show: runs.length > 1 }, padding: [8, 10, null, null],
      cursor: { drag: { x: true, y: false, setScale: false }, sync: { key: "metrics" } },
      hooks: {
        setCursor: [(plot) => runs.length === 1 && point(chart, plot, timed, along)],
        setSelect: [(plot) => {
          if (plot.select.width < 4) return;
          const bounds = [plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x")];
          const offset = along === "relative" ? series[0].at_s[0] : 0;
          zoom(chart, bounds.map((bound) => bound + offset));
        }],
      },
    };
    if (log && positive) for (const column of data.slice(1)) column.forEach((value, i) => value != null && value <= 0 && (column[i] = null));
    chart.plot?.destroy();
    chart.host.replaceChildren();
    chart.plot = new uPlot(options, data, chart.host);
    chart.host.addEventListener("dblclick", () => zoom(chart, null), { once: true });
    const one = series.length === 1 ? series[0] : null;
    const odd = series.flatMap((each) => each.unplotted);
    const told = [];
    if (series.some((each) => each.sampled)) told.push(`${series.reduce((sum, each) => sum + each.total, 0).toLocaleString()} points, drawn by their extremes`);
    if (odd.length) told.push(`${odd.length} not finite (${odd[0][1]} at step ${odd[0][0]}${odd.length > 1 ? ", …" : ""})`);
    if (log && !positive) told.push("nothing positive for a log scale");
    chart.aside.textContent = told.join(" · ");
    chart.card.dataset.points = series.reduce((sum, each) => sum + each.values.length, 0);
    if (one && !chart.zoom) write(one);
  };
  // With one run there is no legend: the head of the card tells the value that is pointed at, and else the last.
  const point = (chart, plot, timed, along) => {
    const label = chart.card.querySelector(".last");
    const { idx } = plot.cursor;
    const value = idx == null ? null : plot.data.at(-1)[idx];
    label.dataset.last ??= label.textContent;
    if (value == null) return (label.textContent = label.dataset.last);
    const x = plot.data[0][idx];
    label.textContent = `${number(value)} at ${timed ? clock.format(x * 1000) : along === "relative" ? `${number(x)} s` : `step ${x}`}`;
  };
  const write = (series) => {
    const row = all("[data-metric]").find((each) => each.dataset.metric === series.key);
    const last = series.values.at(-1);
    if (last == null) return;
    const chart = charts.get(series.key);
    const label = chart.card.querySelector(".last");
    if (label && series.unplotted.length === 0) label.dataset.last = label.textContent = number(last);
    if (!row) return;
    const cells = all("td", row);
    [series.unplotted.length ? null : last, series.lowest, series.highest].forEach((value, i) => value != null && (cells[i].textContent = number(value)));
    cells[3].textContent = series.total.toLocaleString();
  };
  const zoom = (chart, bounds) => {
    chart.zoom = bounds;
    chart.card.classList.toggle("zoomed", bounds != null);
    refresh([chart]);
  };

  const refresh = (which) =>
    Promise.all(which.map((chart) => ask(chart).catch((error) => (chart.aside.textContent = `Not refreshed: ${error.message}`))));
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const chart = charts.get(target.dataset.key);
      const first = isIntersecting && !chart.plot && !chart.asked;
      chart.seen = isIntersecting;
      if (first) {
        chart.asked = true;
        refresh([chart]);
      }
    }
  }, { rootMargin: "80px" });
  for (const { card } of charts.values()) seen.observe(card);
  new ResizeObserver(() => {
    for (const chart of charts.values()) if (chart.plot && chart.host.clientWidth !== chart.plot.width) chart.plot.setSize({ width: chart.host.clientWidth, height: HEIGHT });
  }).observe(room);
  const drawn = () => [...charts.values()].filter((chart) => chart.plot);
  const redraw = () => drawn().forEach(draw);
  tools.addEventListener("input", ({ target }) => {
    if (target.name !== "axis") return redraw();
    for (const chart of drawn()) chart.zoom = null;
    refresh(drawn());
  });
  tools.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const chart of drawn()) zoom(chart, null);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  const follow = async () => {
    if (room.dataset.running && !document.hidden) await refresh(drawn().filter((chart) => chart.seen));
    setTimeout(follow, EVERY_MS);
  };
  setTimeout(follow, EVERY_MS);
})();
