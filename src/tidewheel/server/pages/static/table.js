// The table of runs beyond links and forms: choosing runs over several pages of it, finding a column by its name, and
// telling how many runs go on. The rows stay as they are: a table that moves cannot be read.
"use strict";
(() => {
  const { all } = tidewheel;
  const form = document.getElementById("compare");
  const boxes = all("input[name=run]", form);
  const everything = document.getElementById("pick-all");
  const told = document.getElementById("chosen");
  const button = document.getElementById("compare-button");
  const none = document.getElementById("unchoose");
  const shelf = `tidewheel.chosen.${form.dataset.experiment}`;
  const chosen = new Set(JSON.parse(sessionStorage.getItem(shelf) ?? "[]"));

  const show = () => {
    sessionStorage.setItem(shelf, JSON.stringify([...chosen]));
    if (!button) return;
    const here = boxes.filter((box) => box.checked).length;
    everything.checked = here > 0 && here === boxes.length;
    everything.indeterminate = here > 0 && here < boxes.length;
    button.disabled = chosen.size < 2;
    none.hidden = chosen.size === 0;
    const elsewhere = chosen.size - here;
    told.textContent = chosen.size ? `${chosen.size} chosen${elsewhere ? `, ${elsewhere} of them on other pages` : ""}` : "";
  };
  const choose = (box, on) => {
    box.checked = on;
    on ? chosen.add(box.value) : chosen.delete(box.value);
  };

  let last;
  for (const box of boxes) {
    box.checked = chosen.has(box.value);
    box.addEventListener("click", (event) => {
      if (event.shiftKey && last) {
        const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
        for (const each of boxes.slice(from, to + 1)) choose(each, box.checked);
      }
      choose(box, box.checked);
      last = box;
      show();
    });
  }
  everything?.addEventListener("change", () => {
    for (const box of boxes) choose(box, everything.checked);
    show();
  });
  none?.addEventListener("click", () => {
    chosen.clear();
    for (const box of boxes) box.checked = false;
    show();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    location.assign(`${form.getAttribute("action")}?runs=${[...chosen].map(encodeURIComponent).join(",")}`);
  });
  show();

  document.getElementById("stage").addEventListener("change", (event) => event.target.form.requestSubmit());
  document.getElementById("find-column").addEventListener("input", ({ target }) => {
    const words = target.value.toLowerCase();
    for (const label of all("#columns fieldset label")) label.hidden = !label.textContent.toLowerCase().includes(words);
  });
  document.getElementById("find-column").addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") for (const open of all("details.drop[open]")) open.open = false;
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      document.getElementById("filter").focus();
    }
  });
  document.addEventListener("click", (event) => {
    for (const open of all("details.drop[open]")) if (!open.contains(event.target)) open.open = false;
  });

  const EVERY_MS = 5000;
  const standing = document.getElementById("standing");
  let etag = "";
  const follow = async () => {
    if (!document.hidden) {
      const headers = etag ? { "If-None-Match": etag } : {};
      const answer = await fetch(standing.dataset.standing, { headers, cache: "no-store" }).catch(() => null);
      if (answer?.status === 200) {
        etag = answer.headers.get("ETag");
        standing.innerHTML = await answer.text();
      }
    }
    if (standing.querySelector("[data-running]")) setTimeout(follow, EVERY_MS);
  };
  if (standing.querySelector("[data-running]")) setTimeout(follow, EVERY_MS);
})();
