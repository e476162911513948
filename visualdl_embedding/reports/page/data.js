// What the report holds, decoded, and small tools. All parts of the page share one closure.

const data = JSON.parse(document.getElementById("data").textContent);
const MANY = 20000; // more dots than this hide one another: a shade takes their place

function bytes(text) {
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out.buffer;
}
const floats = (text) => new Float32Array(bytes(text));
const ints = (text) => new Int32Array(bytes(text));

data.ids = ints(data.ids);
data.telling = ints(data.telling);
data.neighbors.indices = ints(data.neighbors.indices);
data.neighbors.cosines = floats(data.neighbors.cosines);
for (const coloring of data.colorings) {
  if (coloring.kind === "group") coloring.codes = ints(coloring.codes);
  else coloring.values = floats(coloring.values);
}
for (const view of data.views) {
  view.places = floats(view.places);
  view.trust = floats(view.trust);
}

const $ = (id) => document.getElementById(id);

/** Make an element; strings among its children become text, never markup. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "on") for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const state = {
  language: (navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en",
  color: data.color,
  off: new Set(), // codes of the legend that are hidden
  focus: null, // the row under the pointer, or the one last looked at
  hovering: false,
  pins: [...data.watch],
  marked: null, // {rows: Set, why: "search" | "finding" | "selection"}
  finding: null,
  drag: "pan",
  columns: 0, // 0: as many as fit best
  views: new Set(data.views.filter((view) => view.repeat === 0).slice(0, 6).map((view) => view.key)),
  labels: true,
  doubt: true,
};

/** A string of the page in the reader's language. */
function say(key, values = {}) {
  const entry = data.strings[key];
  let text = entry ? entry[state.language] : key.replaceAll("_", " ");
  for (const [name, value] of Object.entries(values)) text = text.replace(`{${name}}`, value);
  return text;
}
const known = (key) => key in data.strings;
const count = (n) => n.toLocaleString("en");

/** A number as people read it. */
function figure(value) {
  if (!Number.isFinite(value)) return "–";
  if (Number.isInteger(value)) return count(value);
  const size = Math.abs(value);
  if (size >= 1000) return count(Math.round(value));
  return size >= 0.01 ? String(Number(value.toPrecision(3))) : value.toPrecision(2);
}

const coloringOf = (name) => data.colorings.find((coloring) => coloring.name === name);

/** What a group is called on the page. */
function groupName(coloring, code) {
  if (code < 0) return say("no-group");
  const name = coloring.names[code];
  return coloring.derived ? say("cluster-name", { n: name.replace(/^\D*/, "") }) : name;
}

function viewName(view) {
  return view.components === 3 ? `${view.name} ${say("3d")}` : view.name;
}

/** The parameter and the seed of a view. */
function viewVaried(view) {
  const parts = Object.entries(view.vary).map(([name, value]) => `${say(name)} ${figure(value)}`);
  if (view.seed !== null) parts.push(`${say("seed")} ${view.seed}`);
  return parts.join(" · ");
}

/** The name of a view with no more than it takes to tell it from the others. */
function viewLabel(view) {
  const alike = data.views.filter((other) => other.method === view.method && other.components === view.components);
  const parts = [viewName(view)];
  for (const [name, value] of Object.entries(view.vary)) {
    if (alike.some((other) => other.vary[name] !== value)) parts.push(`${say(name)} ${figure(value)}`);
  }
  if (alike.some((other) => other.seed !== view.seed)) parts.push(`${say("seed")} ${view.seed}`);
  return parts.join(" · ");
}

/** Search text: case and width of letters do not matter. */
const folded = (text) => text.normalize("NFKC").toLowerCase();
let searchable = null;

function search(query) {
  searchable ??= data.labels.map(folded);
  const wanted = folded(query.trim());
  if (!wanted) return null;
  const found = [];
  searchable.forEach((label, i) => {
    const at = label.indexOf(wanted);
    if (at >= 0) found.push([label === wanted ? 0 : at === 0 ? 1 : 2, label.length, i]);
  });
  found.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
  return found.map((entry) => entry[2]);
}

/** Neighbors of a row in the original space, nearest first. */
function neighborsOf(row, limit = data.neighbors.k) {
  const k = data.neighbors.k;
  const found = [];
  for (let j = 0; j < Math.min(k, limit); j++) {
    const other = data.neighbors.indices[row * k + j];
    if (other >= 0) found.push({ row: other, cosine: data.neighbors.cosines[row * k + j] });
  }
  return found;
}
