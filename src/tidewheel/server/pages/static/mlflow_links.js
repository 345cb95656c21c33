// MLflow's clients print addresses such as http://host/#/experiments/0/runs/ID; this sends them to the page of that thing.
"use strict";
(() => {
  const go = () => {
    const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
    const [room, id, kind, below] = path.split("/").filter(Boolean).map(decodeURIComponent);
    const to = (...parts) => location.replace("./" + parts.map(encodeURIComponent).join("/"));
    const asked = new URLSearchParams(query);
    if (room === "experiments" && kind === "runs" && below) to("runs", below);
    else if (room === "experiments" && kind === "models" && below) to("logged-models", below);
    else if (room === "experiments" && id) to("experiments", id);
    else if (room === "experiments") to("experiments");
    else if (room === "models" && kind === "versions" && below) to("models", id, below);
    else if (room === "models" && id) to("models", id);
    else if (room === "models") to("models");
    else if (room === "compare-runs" && asked.get("runs"))
      location.replace("./compare?runs=" + JSON.parse(asked.get("runs")).map(encodeURIComponent).join(","));
  };
  addEventListener("hashchange", go);
  go();
})();
