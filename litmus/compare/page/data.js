"use strict";
// What the page is about. A run is known by its place in `runs`, an arm by its place in `arms`.

const data = JSON.parse(document.getElementById("data").textContent);
const { arms, runs, curves, series, settings } = data;
const everyRun = runs.map((_, run) => run);
// Whose curves may share an axis.
const dataSets = [...new Set(runs.map((run) => run.data))];
const tunes = (run) => arms[runs[run].arm].part === "tuning";
const labels = arms.map((arm) => (arm.part === "tuning" ? `${arm.name} (tuning)` : arm.name));
const CLOCKS = ["epoch", "updates", "samples", "seconds"].filter((name) => curves[name]?.some((at) => at !== null));
const METRICS = Object.keys(curves).filter((name) => !["epoch", "updates", "samples", "seconds"].includes(name));

const named = Object.fromEntries(runs.map((run, place) => [run.name, place]));
// For each run the one that had its seed before; empty where no run has.
const again = runs.some((run) => run.repeats) ? runs.map((run) => run.repeats) : [];

// The table's columns; `values` has a cell for each run, null where it is empty.
const columns = [
  { name: "run", kind: "name", values: runs.map((run) => run.name), shown: true },
  { name: "arm", kind: "name", values: runs.map((run) => labels[run.arm]), shown: true },
  { name: "seed", kind: "name", values: runs.map((run) => run.seed), numeric: true, shown: true },
  { name: "status", kind: "name", values: runs.map((run) => run.status), shown: runs.some((run) => run.why) },
  ...(again.length ? [{ name: "repeats", kind: "name", values: again, shown: true }] : []),
  ...data.columns,
];
const factors = columns.filter((column) => column.kind === "factor");
const measures = columns.filter((column) => column.kind === "metric" || column.kind === "counter");
const byName = Object.fromEntries(columns.map((column) => [column.name, column]));

const get = (id) => document.getElementById(id);
const completed = (run) => runs[run].status === "completed";
// The same seed twice is one run repeated: of these runs, the first of each seed of an arm.
function once(which) {
  const own = (run) => runs[run].repeats || runs[run].name;
  const first = new Map(which.toSorted((a, b) => b - a).map((run) => [own(run), run]));
  return which.filter((run) => first.get(own(run)) === run);
}
const curveOf = (name, run) => series[curves[name]?.[run]];

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in made && key !== "list") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
