// What depends on the reader and not on the server: their zone, their colours, how they write numbers. For all pages.
"use strict";
globalThis.tidewheel = (() => {
  const root = document.documentElement;
  root.classList.add("js");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const dayHour = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "numeric" });
  const minute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
  const years = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });

  // A list of events says each day once; everywhere else an instant has its day, and its year if that is not this one.
  const localise = (within) => {
    let shown = "";
    for (const time of all("time[datetime]", within)) {
      const at = new Date(time.dateTime);
      const date = (at.getFullYear() === new Date().getFullYear() ? day : years).format(at);
      const listed = time.parentElement.matches(".event");
      const hour = (listed || time.closest(".link") ? clock : minute).format(at);
      time.textContent = listed && date === shown ? hour : `${date}, ${hour}`;
      if (listed) shown = date;
    }
  };

  // Instants on an axis: as much of them as tells them apart.
  const instants = (from, to, ticks) => {
    const form = to - from > 2 * 86400 ? dayHour : to - from > 300 ? minute : clock;
    return ticks.map((at) => form.format(at * 1000));
  };

  const ink = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const dashes = [[], [6, 3], [2, 3], [8, 3, 2, 3], [12, 4], [1, 4]];
  const shade = (i) => ink(`--curve-${(i % 6) + 1}`);
  const dash = (i) => dashes[i % dashes.length];
  const axis = () => ({ stroke: ink("--muted"), grid: { stroke: ink("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" });

  localise(document);
  const zone = document.getElementById("zone");
  if (zone) zone.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return { all, clock, localise, instants, ink, shade, dash, axis };
})();
