// Learning curves: a panel for each metric of each data set. A trace holds all runs of an arm, with gaps between them:
// plotly draws ten traces of fifty runs far faster than five hundred traces.

const MOST_POINTS = 40000; // on all panels together; beyond it only every second, third, … epoch is drawn
const panels = new Map();
// Plotly reads tags in what it writes.
const written = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const hoverNames = runs.map((run) => written(run.name));
let zooming = false;

function look() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  return { colour, ink: colour("--ink"), muted: colour("--muted"), grid: colour("--grid"), paper: colour("--paper") };
}

// What a panel is called: the metric, and where there are several data sets, of which.
const titleOf = (metric, set) => (dataSets.length > 1 ? `${metric} on ${set}` : metric);

// The drawn runs of an arm on a data set that have this curve: [{ run, x, y }].
function membersOf(metric, set, arm) {
  return shown
    .filter((run) => runs[run].arm === arm && runs[run].data === set && drawn.has(run))
    .map((run) => ({ run, x: curveOf(state.by, run), y: curveOf(metric, run) }))
    .filter(({ x, y }) => x && y);
}

function onceOf(members) {
  const kept = new Set(once(members.map(({ run }) => run)));
  return members.filter(({ run }) => kept.has(run));
}

async function drawCurves() {
  const metrics = state.metrics.split(" ").filter((name) => METRICS.includes(name));
  const wanted = metrics.flatMap((metric) =>
    dataSets
      .filter((set) => runs.some((run, at) => run.data === set && curveOf(metric, at)))
      .map((set) => ({ metric, set, title: titleOf(metric, set) })),
  );
  arrangePanels(wanted.map(({ title }) => title));
  const theme = look();
  const groups = wanted.map(({ metric, set }) => arms.map((_, arm) => membersOf(metric, set, arm)));
  const points = groups.flat(2).reduce((sum, { y }) => sum + y.length, 0);
  const stride = state.show === "runs" ? Math.ceil((points * (state.smooth > 0 ? 2 : 1)) / MOST_POINTS) : 1;
  await Promise.all(wanted.map(({ title }, place) => drawPanel(title, groups[place], stride, theme)));
  const without = shown.filter(
    (run) => drawn.has(run) && !metrics.some((metric) => curveOf(metric, run) && curveOf(state.by, run)),
  );
  const told = [];
  if (!metrics.length) told.push("Choose a metric.");
  else if (!groups.flat(2).length) told.push("Nothing is drawn: tick a run or an arm.");
  if (stride > 1) {
    const many = points.toLocaleString("en");
    told.push(`${many} points are many: one in ${stride} is drawn. Fewer runs or metrics show every epoch.`);
  }
  if (without.length && metrics.length) told.push(`${without.length} of the ticked runs left no such curve.`);
  get("curves-note").textContent = told.join(" ");
}

// One panel for each title, in their order; those that stay are told of their new width.
function arrangePanels(titles) {
  for (const [title, panel] of panels) {
    if (titles.includes(title)) continue;
    Plotly.purge(panel);
    panel.remove();
    panels.delete(title);
  }
  for (const title of titles)
    if (!panels.has(title)) panels.set(title, element("div", { className: "panel", role: "img" }));
  const inOrder = titles.map((title) => panels.get(title));
  if (inOrder.every((panel, place) => panel === get("panels").children[place])) return;
  get("panels").append(...inOrder);
  for (const panel of inOrder) if (panel.data) Plotly.Plots.resize(panel);
}

async function drawPanel(title, groups, stride, theme) {
  const traces = [];
  const heights = [];
  groups.forEach((members, arm) => {
    if (!members.length) return;
    const line = { color: theme.colour(arms[arm].colour), dash: arms[arm].dash };
    const fresh = state.show === "runs" ? singleRuns(members, line, stride) : meanOfRuns(onceOf(members), arm, line);
    traces.push(...fresh);
    for (const trace of fresh)
      if (trace.fill !== "toself") for (const value of trace.y) if (isNumber(value)) heights.push(value);
  });
  const panel = panels.get(title);
  const known = panel.data !== undefined;
  const armCount = groups.filter((members) => members.length).length;
  panel.setAttribute("aria-label", `${title} by ${state.by}: ${groups.flat().length} runs of ${armCount} arms`);
  const last = traces.reduce((most, { x }) => x.reduce((one, place) => Math.max(one, place ?? 0), most), 0);
  await Plotly.react(panel, traces, layoutOf(title, heights, last, theme), {
    // The buttons are named, for by default there is one that uploads the chart.
    responsive: true,
    displaylogo: false,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
  });
  if (known) return;
  panel.on("plotly_relayout", (event) => zoomOthers(panel, event));
  panel.on("plotly_click", ({ points: [point] }) => {
    const run = hoverNames.indexOf(point.text);
    if (run >= 0) showRow(run);
  });
}

function layoutOf(title, heights, last, theme) {
  const axis = {
    gridcolor: theme.grid,
    linecolor: theme.grid,
    zeroline: false,
    exponentformat: "e",
    tickfont: { color: theme.muted },
  };
  const range = state.logy ? null : limits(heights);
  return {
    title: { text: written(title), x: 0, xref: "paper", y: 0.98, yanchor: "top", font: { size: 14 } },
    xaxis: {
      ...axis,
      exponentformat: "none",
      separatethousands: true,
      title: { text: state.by, standoff: 8 },
      type: state.logx ? "log" : "linear",
      // There is no epoch 1.5.
      ...(state.by === "epoch" && last < 8 && !state.logx ? { dtick: 1 } : {}),
    },
    yaxis: {
      ...axis,
      type: state.logy ? "log" : "linear",
      ...(range ? { range, autorange: false } : { autorange: true }),
    },
    margin: { l: 58, r: 14, t: 30, b: 44 },
    paper_bgcolor: theme.paper,
    plot_bgcolor: theme.paper,
    font: { color: theme.ink, family: getComputedStyle(document.body).fontFamily, size: 12 },
    showlegend: false,
    hovermode: "closest",
    // A zoom stays while other runs are chosen, and ends when the axes mean something else.
    uirevision: [state.by, state.logx, state.logy].join(),
  };
}

// What a point says of itself, in plotly's own notation.
const hover = (name, more = "") => `${name}<br>${state.by} %{x:,.7~g}<br>%{y:.5~g}${more}<extra></extra>`;

function singleRuns(members, line, stride) {
  const gather = (weight) => {
    const points = { x: [], y: [], text: [] };
    const add = (x, y, text) => {
      points.x.push(x);
      points.y.push(y);
      points.text.push(text);
    };
    for (const member of members) {
      // What not every epoch measures is one line all the same: plotly draws none to a gap.
      const known = smoothed(member.y, weight)
        .map((y, at) => [member.x[at], y])
        .filter(([, y]) => y !== null);
      known.forEach(([x, y], at) => {
        if (at % stride === 0 || at === known.length - 1) add(x, y, hoverNames[member.run]);
      });
      add(null, null, "");
    }
    return points;
  };
  // A run of a single measurement is a point, which no line shows.
  const mode = members.some(({ y }) => y.filter(isNumber).length === 1) ? "lines+markers" : "lines";
  const trace = {
    mode,
    line: { ...line, width: 1.2 },
    marker: { color: line.color, size: 4 },
    ...gather(state.smooth),
    hovertemplate: hover("%{text}"),
  };
  return state.smooth > 0
    ? [{ ...trace, ...gather(0), opacity: 0.22, hoverinfo: "skip", hovertemplate: undefined }, trace]
    : [trace];
}

function meanOfRuns(members, arm, line) {
  const smooth = members.map(({ x, y }) => ({ x, y: smoothed(y, state.smooth) }));
  const thinned = arms[arm].stride > 1;
  const { x, y, low, high, n } = bandOf(smooth, state.show, thinned);
  const mode = y.length === 1 ? "markers" : "lines";
  // On a logarithmic axis a band that reaches zero has no lower edge: it is cut.
  const floor = low.map((value, at) => (state.logy && value <= 0 ? y[at] / 10 : value));
  const traces = [];
  if (members.length > 1) {
    traces.push({
      x: [...x, ...x.toReversed()],
      y: [...high, ...floor.toReversed()],
      fill: "toself",
      mode: "lines",
      fillcolor: `${line.color}2e`,
      line: { width: 0 },
      hoverinfo: "skip",
    });
  }
  if (state.smooth > 0) {
    const raw = bandOf(members, state.show, thinned);
    traces.push({ x: raw.x, y: raw.y, mode, line: { ...line, width: 1.2 }, opacity: 0.3, hoverinfo: "skip" });
  }
  const many = members.length > 1;
  traces.push({
    x,
    y,
    mode,
    line: { ...line, width: 2.2 },
    marker: { color: line.color },
    name: many ? written(labels[arm]) : hoverNames[members[0].run],
    customdata: n,
    hovertemplate: hover("%{fullData.name}", many ? ", mean of %{customdata}" : ""),
  });
  return traces;
}

// All panels show the same stretch of training.
async function zoomOthers(from, event) {
  if (zooming || !("xaxis.range[0]" in event || "xaxis.autorange" in event)) return;
  zooming = true;
  const change = event["xaxis.autorange"]
    ? { "xaxis.autorange": true }
    : { "xaxis.range": [event["xaxis.range[0]"], event["xaxis.range[1]"]] };
  await Promise.all(
    [...panels.values()].filter((panel) => panel !== from).map((panel) => Plotly.relayout(panel, change)),
  );
  zooming = false;
}
