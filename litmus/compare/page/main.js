// What the reader does, and what is drawn anew for it.

const waiting = new Set();
let asked = false;
let typed = -Infinity; // when a key was last pressed in the filter
let drawing = Promise.resolve(); // settled once the page shows what was chosen

const AFTER = {
  ticks: ["ticks", "arms", "curves", "parallel"],
  table: ["table"],
  filter: ["controls", "table", "arms", "curves", "parallel"],
  curves: ["curves"],
  measure: ["arms", "parallel"],
  lines: ["parallel"],
  difference: ["difference"],
  all: ["controls", "table", "arms", "curves", "parallel", "difference"],
};
const DRAW = {
  controls: drawControls,
  table: drawTable,
  ticks: drawTicks,
  arms: drawArms,
  parallel: drawParallel,
  difference: drawDifference,
  curves: drawCurves,
};

// Several changes before the next frame, or while somebody types, are drawn once.
function changed(what) {
  for (const part of AFTER[what]) waiting.add(part);
  if (asked) return;
  asked = true;
  // What went wrong in one drawing is on the console; the next is not kept from it.
  drawing = drawing
    .catch(() => undefined)
    .then(settle)
    .then(draw);
}

async function settle() {
  await new Promise(requestAnimationFrame);
  while (performance.now() - typed < 120) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function draw() {
  asked = false;
  const parts = Object.keys(DRAW).filter((part) => waiting.has(part));
  waiting.clear();
  for (const part of parts) await DRAW[part]();
  remember();
}

function drawControls() {
  for (const id of ["filter", "by", "show", "smooth", "measure", "lines", "a", "b"]) get(id).value = state[id];
  for (const id of ["logx", "logy"]) get(id).checked = state[id];
  get("every-column").checked = state.columns;
  get("tuning").checked = state.tuning;
  get("every-setting").checked = state.settings;
  get("smooth-value").textContent = state.smooth.toFixed(2);
  const chosen = state.metrics.split(" ");
  for (const box of document.querySelectorAll("#metrics input")) box.checked = chosen.includes(box.value);
}

function listen(id, key, what, event = "change") {
  get(id).addEventListener(event, () => {
    const input = get(id);
    state[key] = input.type === "checkbox" ? input.checked : input.type === "range" ? Number(input.value) : input.value;
    if (id === "smooth") get("smooth-value").textContent = state.smooth.toFixed(2);
    changed(what);
  });
}

function buildControls() {
  for (const name of CLOCKS) get("by").append(element("option", { value: name, textContent: name }));
  for (const name of METRICS) {
    const box = element("input", { type: "checkbox", value: name });
    box.addEventListener("change", () => {
      state.metrics = [...document.querySelectorAll("#metrics input:checked")].map((input) => input.value).join(" ");
      changed("curves");
    });
    get("metrics").append(element("label", {}, box, ` ${name}`));
  }
  for (const key of ["by", "show", "logx", "logy"]) listen(key, key, "curves");
  listen("smooth", "smooth", "curves", "input");
  get("filter").addEventListener("input", () => (typed = performance.now()));
  listen("filter", "filter", "filter", "input");
  listen("every-column", "columns", "table");
  get("tuning").closest("label").hidden = !everyRun.some(tunes);
  listen("tuning", "tuning", "filter");
  listen("measure", "measure", "measure");
  listen("lines", "lines", "lines");
  for (const key of ["a", "b"]) listen(key, key, "difference");
  listen("every-setting", "settings", "difference");
  get("swap").addEventListener("click", () => {
    [state.a, state.b] = [state.b, state.a];
    changed("all");
  });
  get("unbrush").addEventListener("click", () => {
    state.filter = "";
    changed("filter");
  });
  get("reset").addEventListener("click", () => {
    history.replaceState(null, "", "#");
    recall();
    changed("all");
  });
  addEventListener("hashchange", () => {
    recall();
    changed("all");
  });
  addEventListener("resize", () => changed("lines"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => changed("curves"));
}

recall();
buildControls();
buildArms();
buildTable();
buildDifference();
changed("all");
