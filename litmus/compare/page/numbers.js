// Numbers as people read them, and what is computed from several of them.

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function deviation(values) {
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}

// 0.8937, 12,500, 3.2e-5; a dash where nothing was measured.
function shortly(value, digits = 4) {
  if (value === null || value === undefined || value === "") return "—";
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  if ((size >= 10 ** digits || Number.isInteger(value)) && size < 1e9)
    return Math.round(value).toLocaleString("en").replace("-", "−");
  if (value !== 0 && (size < 1e-3 || size >= 1e9))
    return Number(value.toPrecision(3)).toExponential().replace("e+", "e").replaceAll("-", "−");
  return String(+value.toPrecision(digits)).replace("-", "−");
}

// A name cut in its middle.
function cut(text, most) {
  const end = Math.floor((most - 1) / 3);
  return text.length > most ? `${text.slice(0, most - 1 - end)}…${text.slice(-end)}` : text;
}

// 0.894 ± 0.021: as many decimals as the deviation supports.
function meanAndDeviation(values) {
  if (!values.length) return "—";
  const spread = values.length > 1 ? deviation(values) : 0;
  if (!(spread > 0)) return shortly(mean(values));
  const decimals = Math.min(8, Math.max(0, 1 - Math.floor(Math.log10(spread))));
  if (spread < 1e-7) return `${shortly(mean(values))} ± ${shortly(spread, 2)}`;
  const written = (value) =>
    value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  const middle = written(mean(values)).replace(/^-(?=[0.]+$)/, ""); // a zero has no sign
  return `${middle} ± ${written(spread)}`.replace("-", "−");
}

// Exponential moving average, corrected for its start as TensorBoard does it; gaps stay gaps.
function smoothed(curve, weight) {
  if (!weight) return curve;
  let average = 0;
  let total = 0;
  return curve.map((value) => {
    if (value === null) return null;
    average = weight * average + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return average / total;
  });
}

// Per entry the mean of several curves with its band, as far as the shortest whole run goes: beyond it the mean would
// be that of the survivors. A run that broke is only missing from it.
function bandOf(members, kind, thinned) {
  const whole = members.filter(({ y }) => y.length && y[y.length - 1] !== null);
  const counted = whole.length ? whole : members;
  let length = Math.min(...counted.map(({ y }) => y.length));
  // The last point of a thinned curve lies between those of a longer one.
  if (thinned && length > 1 && members.some(({ y }) => y.length !== length)) length -= 1;
  const band = { x: [], y: [], low: [], high: [], n: [] };
  for (let at = 0; at < length; at++) {
    const values = members.map(({ y }) => y[at]).filter(isNumber);
    const clock = counted.map(({ x }) => x[at]).filter(isNumber);
    if (!values.length || !clock.length) continue;
    const middle = mean(values);
    let low = Math.min(...values);
    let high = Math.max(...values);
    if (kind === "interval") {
      const half = values.length > 1 ? (data.t[values.length - 2] * deviation(values)) / Math.sqrt(values.length) : 0;
      [low, high] = [middle - half, middle + half];
    }
    band.x.push(mean(clock));
    band.y.push(middle);
    band.low.push(low);
    band.high.push(high);
    band.n.push(values.length);
  }
  return band;
}

// Where most of the values are, with room around them; null where all of them fit. One run that explodes does not
// flatten the rest; zooming out shows it.
function limits(values) {
  const sorted = Float64Array.from(values).sort();
  if (!sorted.length) return null;
  const low = sorted[0];
  const high = sorted[Math.floor(0.98 * (sorted.length - 1))];
  const top = sorted[sorted.length - 1];
  const span = high - low;
  return span > 0 && top > high + 3 * span ? [low - 0.05 * span, high + 0.35 * span] : null;
}
