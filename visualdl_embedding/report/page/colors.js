// Colors of points, the same in all views.

let theme = null;

function readTheme() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  theme = {
    ink: value("--ink"), quiet: value("--quiet"), faint: value("--faint"), accent: value("--accent"),
    paper: value("--paper"), warning: value("--warning"), font: getComputedStyle(document.body).fontFamily,
    // A light grey that is hardly there on white would shine on black.
    none: matchMedia("(prefers-color-scheme: dark)").matches ? "#55585f" : data.noGroup,
  };
}

/** Where a number stands between the ends of its ramp, 0 to 1. */
function share(coloring, value) {
  const place = coloring.log ? Math.log1p : (x) => x;
  const low = place(coloring.low), high = place(coloring.high);
  if (!(high > low)) return 0.5;
  return Math.min(1, Math.max(0, (place(Math.min(Math.max(value, coloring.low), coloring.high)) - low) / (high - low)));
}

const trustScale = { kind: "number", name: "trustworthiness", log: false, low: 0.5, high: 1 };

/** A function that gives every row its color in a view. */
function painter(view) {
  const ramp = data.ramp;
  const ofNumber = (scale, values) => (row) =>
    Number.isFinite(values[row]) ? ramp[Math.round(share(scale, values[row]) * (ramp.length - 1))] : theme.none;
  if (state.color === "trustworthiness") return ofNumber(trustScale, view.trust);
  const coloring = coloringOf(state.color);
  if (!coloring) return () => data.alone;
  if (coloring.kind === "number") return ofNumber(coloring, coloring.values);
  return (row) => (coloring.codes[row] < 0 ? theme.none : coloring.colors[coloring.codes[row]]);
}

/** Whether the legend lets a row be seen. */
function seen(row) {
  if (!state.off.size) return true;
  const coloring = coloringOf(state.color);
  if (!coloring || coloring.kind !== "group") return true;
  const code = coloring.codes[row];
  return !state.off.has(code >= coloring.own ? "others" : code);
}

/** Rows in the order in which they are drawn: those without a group first, the others mixed, so that none hides another. */
const mixed = (() => {
  const order = Int32Array.from({ length: data.n }, (_, i) => i);
  let seed = 1;
  for (let i = data.n - 1; i > 0; i--) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const j = seed % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
})();

function rowsInOrder(view) {
  const c = view.components;
  const coloring = coloringOf(state.color);
  const low = [], high = [];
  for (const row of mixed) {
    if (!Number.isFinite(view.places[row * c]) || !seen(row)) continue;
    (coloring && coloring.kind === "group" && coloring.codes[row] < 0 ? low : high).push(row);
  }
  return low.concat(high);
}
