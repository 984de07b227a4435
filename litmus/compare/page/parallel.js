// Parallel coordinates in SVG: a line for each run (or arm) over the factors and the measure. Plotly's need WebGL,
// which remote desktops lack. Dragging along an axis writes a term into the table's filter.

const HEIGHT = 300;
const TOP = 34;
const MISSING = 26;
const SIDE = 70;
let drag = null;

// A picture for each data set: its losses and those of another have no axis in common.
function drawParallel() {
  const sets = dataSets.filter((set) => shown.some((run) => runs[run].data === set));
  const several = dataSets.length > 1;
  get("axes").replaceChildren(
    ...(sets.length ? sets : dataSets.slice(0, 1)).flatMap((set) => [
      ...(several ? [element("h3", { textContent: set })] : []),
      parallelOf(set),
    ]),
  );
}

function parallelOf(set) {
  const own = everyRun.filter((run) => runs[run].data === set);
  const kept = shown.filter((run) => runs[run].data === set);
  const names = [
    ...factors
      .filter((factor) => new Set(kept.map((run) => factor.values[run])).size > 1 || brushed(factor.name))
      .map(({ name }) => name),
    state.measure,
  ];
  const axes = names.filter((name) => byName[name]).map((name) => axisOf(byName[name], own));
  const width = Math.max(get("axes").clientWidth, 120 * axes.length);
  axes.forEach((axis, place) => {
    axis.x = SIDE + (axes.length > 1 ? (place * (width - 2 * SIDE)) / (axes.length - 1) : 0);
  });
  const picture = svg("svg", {
    width,
    height: HEIGHT + TOP + MISSING + 10,
    role: "img",
    "aria-label": `Parallel coordinates of ${names.join(", ")} for ${kept.length} runs`,
  });
  const lines = svg("g", { class: "lines" });
  for (const line of state.lines === "arms" ? armLines(set) : runLines(kept)) {
    const path = axes
      .map((axis, place) => `${place ? "L" : "M"}${axis.x.toFixed(1)} ${axis.y(line.cell(axis.column)).toFixed(1)}`)
      .join("");
    lines.append(
      svg(
        "path",
        { d: path, stroke: `var(${arms[line.arm].colour})`, class: line.drawn ? "drawn" : "" },
        svg("title", {}, line.name),
      ),
    );
  }
  picture.append(lines, ...axes.map(drawAxis));
  return picture;
}

function runLines(kept) {
  return kept.map((run) => ({
    name: runs[run].name,
    arm: runs[run].arm,
    drawn: drawn.has(run),
    cell: (column) => column.values[run],
  }));
}

// An arm has the mean of its runs' numbers, and a setting where its runs agree on it.
function armLines(set) {
  const members = (arm) => runsOf(arm).filter((run) => runs[run].data === set);
  return arms
    .map((_, arm) => arm)
    .filter((arm) => members(arm).length)
    .map((arm) => {
      const own = once(members(arm));
      const cell = (column) => {
        const values = own.map((run) => column.values[run]);
        if (new Set(values).size === 1) return values[0];
        const numbers = values
          .filter((value) => value !== null && value !== "")
          .map(Number)
          .filter(isNumber);
        return column.numeric && numbers.length ? mean(numbers) : null;
      };
      return { name: labels[arm], arm, drawn: members(arm).some((run) => drawn.has(run)), cell };
    });
}

// Where a column's values lie on its axis: numbers by their size, texts in their order, empty cells below.
function axisOf(column, own) {
  const values = own.map((run) => column.values[run]).filter((value) => value !== null && value !== "");
  const bottom = TOP + HEIGHT;
  const missing = bottom + MISSING;
  if (!column.numeric) {
    const texts = [...new Set(values)].sort(collator.compare);
    const at = (text) =>
      texts.includes(text) ? bottom - (HEIGHT * (texts.indexOf(text) + 0.5)) / texts.length : missing;
    return { column, own, y: at, ticks: texts.map((text) => [text, at(text)]), texts };
  }
  const numbers = [...new Set(values.map(Number))].sort((a, b) => a - b);
  const low = numbers[0];
  const high = numbers[numbers.length - 1];
  const log = low > 0 && high > 20 * low;
  const scale = log ? Math.log : (value) => value;
  const back = log ? Math.exp : (value) => value;
  const span = scale(high) - scale(low) || 1;
  const y = (value) =>
    value === null || value === "" ? missing : bottom - (HEIGHT * (scale(Number(value)) - scale(low))) / span;
  const value = (height) => back(scale(low) + (span * (bottom - height)) / HEIGHT);
  const even = [0, 0.25, 0.5, 0.75, 1].map((part) => value(bottom - part * HEIGHT));
  const ticks = (numbers.length <= 7 ? numbers : even).map((number) => [shortly(number, 3), y(number)]);
  // Labels that would lie on each other are left out.
  const apart = ticks.reduce((kept, tick) => (kept.at(-1)?.[1] - tick[1] < 12 ? kept : [...kept, tick]), []);
  return { column, own, y, value, ticks: apart };
}

function drawAxis(axis) {
  const group = svg("g", { class: "axis", transform: `translate(${axis.x} 0)` });
  group.append(
    svg("text", { class: "title", y: TOP - 16 }, cut(axis.column.name, 18), svg("title", {}, axis.column.name)),
  );
  group.append(svg("line", { y1: TOP, y2: TOP + HEIGHT }));
  for (const [label, height] of axis.ticks) group.append(svg("text", { x: 6, y: height + 4 }, cut(String(label), 18)));
  if (axis.own.some((run) => [null, ""].includes(axis.column.values[run])))
    group.append(svg("text", { x: 6, y: TOP + HEIGHT + MISSING + 4 }, "none"));
  const range = brushed(axis.column.name);
  const marks = heightsOf(axis, range);
  const brush = svg("rect", {
    class: "brush",
    x: -7,
    width: 14,
    y: marks[0],
    height: Math.max(0, marks[1] - marks[0]),
  });
  const handle = svg("rect", {
    class: "handle",
    "data-axis": axis.column.name,
    x: -16,
    width: 32,
    y: TOP - 6,
    height: HEIGHT + 12,
  });
  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    drag = { start: event.offsetY };
  });
  handle.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [low, high] = [drag.start, event.offsetY].sort((a, b) => a - b);
    brush.setAttribute("y", low);
    brush.setAttribute("height", high - low);
  });
  handle.addEventListener("pointercancel", () => (drag = null));
  handle.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const ends = [drag.start, event.offsetY].sort((a, b) => b - a);
    drag = null;
    state.filter = withTerms(state.filter, axis.column.name, ...(ends[0] - ends[1] < 4 ? [] : termsOf(axis, ends)));
    changed("filter");
  });
  group.append(brush, handle);
  return group;
}

// The terms of the filter for a stretch of an axis, from its lower end (a large y) to its upper.
function termsOf(axis, [bottom, top]) {
  const name = axis.column.name;
  if (axis.value) {
    const [low, high] = [bottom, top].map((height) => +axis.value(height).toPrecision(4));
    // An end of the axis is no bound: rounded, it could lose the run that lies there.
    return [...(bottom < TOP + HEIGHT ? [`${name}>=${low}`] : []), ...(top > TOP ? [`${name}<=${high}`] : [])];
  }
  const inside = axis.texts.filter((text) => axis.y(text) <= bottom && axis.y(text) >= top);
  return inside.length ? [quoted(`${name}=${inside.join("|")}`)] : [];
}

function brushed(name) {
  const own = parseFilter(state.filter).terms.filter((term) => term.column === name);
  return own.length ? own : null;
}

function heightsOf(axis, terms) {
  if (!terms) return [0, 0];
  const end = (signs, otherwise) => {
    const term = terms.find(({ operator }) => signs.includes(operator));
    return term ? Math.min(TOP + HEIGHT, Math.max(TOP, axis.y(term.wanted))) : otherwise;
  };
  const ordered = terms.some(({ operator }) => "<>".includes(operator[0]));
  if (axis.value && ordered) return [end(["<=", "<"], TOP), end([">=", ">"], TOP + HEIGHT)];
  const kept = axis.own.filter((run) => terms.every((term) => term.keeps(run)));
  const heights = kept.map((run) => axis.y(axis.column.values[run]));
  return heights.length ? [Math.min(...heights) - 8, Math.max(...heights) + 8] : [0, 0];
}
