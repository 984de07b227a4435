// The table of runs: a tick for each, sorted by a click on a column, cut down by the filter.

const rows = [];
let everyTick;

function buildTable() {
  const head = element("tr");
  everyTick = element("input", {
    type: "checkbox",
    title: "draw all runs of this table, or none",
    "aria-label": "draw all runs of this table",
  });
  everyTick.addEventListener("change", () => tick(shown, everyTick.checked));
  head.append(element("th", { scope: "col", className: "tick" }, everyTick));
  for (const column of columns) {
    const button = element("button", { textContent: column.name });
    button.addEventListener("click", () => sortBy(column.name));
    head.append(element("th", { scope: "col", className: classOf(column) }, button));
  }
  document.querySelector("#table thead").append(head);
  everyRun.forEach((run) => rows.push(rowOf(run)));
  document.querySelector("#table tbody").append(...rows.map(({ row }) => row));
}

const classOf = (column) =>
  [
    column.numeric ? "number" : "",
    column.shown ? "" : "more",
    column.kind === "name" && !column.numeric ? column.name : "",
  ]
    .join(" ")
    .trim();

function rowOf(run) {
  const box = element("input", { type: "checkbox", "aria-label": `draw ${runs[run].name}` });
  box.addEventListener("change", () => tick([run], box.checked));
  const row = element(
    "tr",
    { id: `run-${run}`, className: runs[run].status, title: runs[run].why },
    element("td", { className: "tick" }, box),
  );
  for (const column of columns) {
    const cell = column.values[run];
    const content = contentOf(column, cell);
    const made = element("td", { className: classOf(column) });
    if (column.name === "arm") made.append(swatch(runs[run].arm));
    made.append(content);
    // What is shortened is whole on hovering.
    if (cell !== null && cell !== "" && content !== String(cell)) made.title = cell;
    row.append(made);
  }
  return { row, box };
}

function contentOf(column, cell) {
  if (cell === null || cell === "") return "—";
  if (column.name === "seed") return String(cell);
  if (!column.numeric) return cut(String(cell), column.name === "run" ? 28 : 20);
  return shortly(Number(cell));
}

function sortBy(name) {
  state.sort = state.sort === name ? `-${name}` : state.sort === `-${name}` ? "" : name;
  changed("table");
}

// The runs that the filter keeps, in the order that was asked for; empty cells come last either way. Each data set is
// ordered for itself: a loss on one says nothing of a loss on another.
function chooseRows() {
  const { terms, problems } = parseFilter(state.filter);
  shown = everyRun.filter((run) => (state.tuning || !tunes(run)) && terms.every((term) => term.keeps(run)));
  const down = state.sort.startsWith("-");
  const column = byName[down ? state.sort.slice(1) : state.sort];
  if (column) {
    const empty = (run) => column.values[run] === null || column.values[run] === "";
    const order = column.numeric
      ? (a, b) => Number(column.values[a]) - Number(column.values[b])
      : (a, b) => collator.compare(column.values[a], column.values[b]);
    const set = (run) => dataSets.indexOf(runs[run].data);
    shown.sort((a, b) => set(a) - set(b) || empty(a) - empty(b) || (empty(a) ? 0 : down ? order(b, a) : order(a, b)) || a - b);
  }
  return problems;
}
const collator = new Intl.Collator("en", { numeric: true });

function drawTable() {
  const problems = chooseRows();
  const kept = new Set(shown);
  const body = document.querySelector("#table tbody");
  rows.forEach(({ row }, run) => {
    row.hidden = !kept.has(run);
  });
  body.append(...shown.map((run) => rows[run].row));
  document.querySelectorAll("#table thead th:not(.tick)").forEach((cell, place) => {
    const sorted = state.sort.replace(/^-/, "") === columns[place].name;
    cell.setAttribute("aria-sort", !sorted ? "none" : state.sort.startsWith("-") ? "descending" : "ascending");
  });
  get("table").classList.toggle("brief", !state.columns);
  get("filter").setAttribute("aria-invalid", problems.length > 0);
  get("filter-note").classList.toggle("problem", problems.length > 0);
  drawTicks(problems);
}

function drawTicks(problems = parseFilter(state.filter).problems) {
  rows.forEach(({ box }, run) => {
    box.checked = drawn.has(run);
  });
  const ticked = shown.filter((run) => drawn.has(run)).length;
  everyTick.checked = ticked > 0;
  everyTick.indeterminate = ticked > 0 && ticked < shown.length;
  get("filter-note").textContent = [...problems, `${shown.length} of ${runs.length} runs, ${ticked} drawn.`].join(" ");
}

function showRow(run) {
  const { row } = rows[run];
  document.querySelector("#table tr.found")?.classList.remove("found");
  row.classList.add("found");
  row.scrollIntoView({ block: "center" });
}
