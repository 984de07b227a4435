// The list of arms: what is drawn of each, its colour and line, and the chosen measure of its completed runs.

const DASHES = { solid: "", dash: "7 4", dashdot: "7 3 2 3", dot: "2 3", longdash: "11 4" };
const armRows = [];

function swatch(arm) {
  return svg(
    "svg",
    { class: "swatch", viewBox: "0 0 28 8", "aria-hidden": "true" },
    svg("line", {
      x1: 0,
      x2: 28,
      y1: 4,
      y2: 4,
      stroke: `var(${arms[arm].colour})`,
      "stroke-width": 3,
      "stroke-dasharray": DASHES[arms[arm].dash],
    }),
  );
}

function buildArms() {
  for (const column of measures)
    get("measure").append(element("option", { value: column.name, textContent: column.name }));
  arms.forEach((_, arm) => {
    const box = element("input", { type: "checkbox" });
    const only = element("button", { textContent: "only", title: `draw ${labels[arm]} alone` });
    const numbers = element("span", { className: "numbers" });
    box.addEventListener("change", () => tick(runsOf(arm), box.checked));
    only.addEventListener("click", () => {
      drawn = new Set(runsOf(arm));
      changed("ticks");
    });
    get("arms").append(
      element(
        "li",
        {},
        element("label", {}, box, swatch(arm), element("span", { className: "name", textContent: labels[arm] })),
        numbers,
        only,
      ),
    );
    armRows.push({ box, numbers });
  });
  get("all").addEventListener("click", () => tick(shown, true));
  get("none").addEventListener("click", () => {
    drawn = new Set();
    changed("ticks");
  });
}

const runsOf = (arm) => shown.filter((run) => runs[run].arm === arm);

function tick(which, on) {
  for (const run of which)
    if (on) drawn.add(run);
    else drawn.delete(run);
  changed("ticks");
}

function drawArms() {
  const values = byName[state.measure]?.values ?? [];
  armRows.forEach(({ box, numbers }, arm) => {
    const own = runsOf(arm);
    box.closest("li").hidden = arms[arm].part === "tuning" && !state.tuning;
    const ticked = own.filter((run) => drawn.has(run)).length;
    box.checked = ticked > 0;
    box.indeterminate = ticked > 0 && ticked < own.length;
    box.disabled = !own.length;
    const measured = once(own.filter(completed))
      .map((run) => values[run])
      .filter(isNumber);
    numbers.textContent = own.length
      ? `${meanAndDeviation(measured)} · ${ticked} of ${own.length}`
      : "not in the filter";
    box.closest("li").classList.toggle("away", !own.length);
  });
}
