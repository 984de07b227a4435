// What the reader has chosen. It is kept in the address (after #), so that a view can be reloaded and passed on.

const firstOf = (names, wanted) => wanted.find((name) => names.includes(name)) ?? names[0] ?? "";
const measured = measures.map((column) => column.name);
const firstDrawn = firstRuns();

const DEFAULTS = {
  metrics: firstOf(METRICS, [data.ranked]),
  by: CLOCKS[0] ?? "epoch",
  show: arms.some((_, arm) => firstDrawn.filter((run) => runs[run].arm === arm).length > 1) ? "interval" : "runs",
  smooth: 0,
  logx: false,
  logy: false,
  filter: "",
  tuning: everyRun.every(tunes),
  sort: "",
  columns: false,
  // Validation's: whoever chooses among runs by their test metric fits them to the test set.
  measure: firstOf(measured, ["val/loss", "val/acc", "test/loss"]),
  lines: "runs",
  a: runs[firstDrawn[0] ?? 0]?.name ?? "",
  b: runs[firstDrawn.find((run) => runs[run].arm !== runs[firstDrawn[0]].arm) ?? firstDrawn[1] ?? 0]?.name ?? "",
  settings: false,
};
const state = { ...DEFAULTS };
let drawn = new Set(firstDrawn); // the runs that are ticked
let shown = everyRun; // the runs that the filter keeps, in the order of the table

// At first what completed is drawn, each seed once, without the trials that only tuned an arm.
function firstRuns() {
  const good = once(everyRun.filter((run) => completed(run) && !tunes(run)));
  return good.length ? good : everyRun.filter((run) => METRICS.some((name) => curveOf(name, run)));
}

// Ticks belong to these very runs: a page made anew from more runs starts with its own.
function digest() {
  let sum = 2166136261;
  for (const letter of runs.map((run) => run.name).join("\n")) sum = Math.imul(sum ^ letter.codePointAt(0), 16777619);
  return (sum >>> 0).toString(36);
}

function ticksAsText() {
  let text = "";
  for (let start = 0; start < runs.length; start += 4) {
    text += [0, 1, 2, 3].reduce((digit, bit) => digit + (drawn.has(start + bit) << bit), 0).toString(16);
  }
  return `${digest()}.${text}`;
}

function readTicks(text) {
  const [mark, digits] = text.split(".");
  if (mark !== digest() || !digits) return;
  drawn = new Set(everyRun.filter((run) => (parseInt(digits[run >> 2], 16) >> (run & 3)) & 1));
}

function remember() {
  const kept = new URLSearchParams();
  for (const [key, value] of Object.entries(state)) if (value !== DEFAULTS[key]) kept.set(key, String(value));
  const untouched = drawn.size === firstDrawn.length && firstDrawn.every((run) => drawn.has(run));
  if (!untouched) kept.set("runs", ticksAsText());
  history.replaceState(null, "", `#${kept}`);
}

function recall() {
  Object.assign(state, DEFAULTS);
  drawn = new Set(firstDrawn);
  for (const [key, text] of new URLSearchParams(location.hash.slice(1))) {
    if (key === "runs") readTicks(text);
    else if (typeof DEFAULTS[key] === "boolean") state[key] = text === "true";
    else if (typeof DEFAULTS[key] === "number") state[key] = Math.min(0.99, Math.max(0, Number(text) || 0));
    else if (key in DEFAULTS) state[key] = text;
  }
  if (!CLOCKS.includes(state.by)) state.by = DEFAULTS.by;
  if (!measured.includes(state.measure)) state.measure = DEFAULTS.measure;
  for (const key of ["show", "lines"])
    if (![...get(key).options].some((option) => option.value === state[key])) state[key] = DEFAULTS[key];
}
