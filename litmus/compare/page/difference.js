// The configurations of two runs beside each other, and what came of them.

function buildDifference() {
  get("names").append(...runs.map((run) => element("option", { value: run.name, label: labels[run.arm] })));
}

function settingsOf(run) {
  if (!runs[run].known) return {};
  const own = Object.entries(settings.own)
    .map(([key, values]) => [key, values[run]])
    .filter(([, value]) => value !== null);
  return { ...settings.common, ...Object.fromEntries(own) };
}

function drawDifference() {
  const problems = [];
  const pair = [state.a, state.b].map((name) => named[name]);
  for (const [place, name] of [state.a, state.b].entries()) {
    if (pair[place] === undefined) problems.push(`There is no run ${name || "without a name"}.`);
    else if (!runs[pair[place]].known) problems.push(`${name} left no configuration.`);
  }
  const told = pair.map((run) => (run === undefined ? {} : settingsOf(run)));
  const keys = [...new Set(told.flatMap(Object.keys))].sort(collator.compare);
  const differing = keys.filter((key) => told[0][key] !== told[1][key]);
  if (!problems.length) problems.push(`${differing.length} of ${keys.length} settings differ.`);
  get("difference-note").textContent = problems.join(" ");
  fill(
    "settings",
    ["setting", "A", "B"],
    (state.settings ? keys : differing).map((key) => ({
      cells: [key, told[0][key] ?? "—", told[1][key] ?? "—"],
      differs: state.settings && told[0][key] !== told[1][key],
    })),
  );
  const cells = (column) => pair.map((run) => (run === undefined ? null : column.values[run]));
  fill(
    "outcomes",
    ["metric", "A", "B", "B − A"],
    measures
      .filter((column) => cells(column).some(isNumber))
      .map((column) => {
        const [a, b] = cells(column);
        return {
          cells: [column.name, shortly(a), shortly(b), isNumber(a) && isNumber(b) ? signed(b - a) : "—"],
          numeric: true,
        };
      }),
  );
}

const signed = (value) => (value > 0 ? `+${shortly(value)}` : shortly(value));

function fill(id, heads, lines) {
  const number = (line, place) => (line.numeric && place ? "number" : "");
  document
    .querySelector(`#${id} thead`)
    .replaceChildren(
      element(
        "tr",
        {},
        ...heads.map((head, place) =>
          element("th", { scope: "col", textContent: head, className: number({ numeric: id === "outcomes" }, place) }),
        ),
      ),
    );
  document
    .querySelector(`#${id} tbody`)
    .replaceChildren(
      ...lines.map((line) =>
        element(
          "tr",
          { className: line.differs ? "differs" : "" },
          ...line.cells.map((cell, place) => element("td", { textContent: cell, className: number(line, place) })),
        ),
      ),
    );
}
