import type { Distance } from "../source/types";

/** Content of one panel. */
export interface PanelSpec {
  run: string;
  table: string;
  /** Name of the projection: "tsne", "tsne_3d", … */
  map: string;
  /** Step of an unlinked panel; null for the last. */
  step: number | null;
}

type Baseline = "previous" | "first";

/** View: everything that a link must contain to open it again. */
export interface View {
  panels: PanelSpec[];
  linked: boolean;
  /** Step of linked panels; null for the last, which follows a running training. */
  step: number | null;
  aligned: boolean;
  /** Column, "metric:<name>", or "" for a single color. */
  color: string;
  /** Hidden groups of the column of the colors. */
  hidden: string[];
  /** Lower and upper bounds by column or "metric:<name>". */
  ranges: Record<string, [number, number]>;
  focus: string | null;
  selected: string[];
  pins: string[];
  query: string;
  regex: boolean;
  labels: boolean;
  trails: boolean;
  links: boolean;
  density: boolean;
  k: number;
  distance: Distance;
  baseline: Baseline;
  /** Keys of curves; null for the default ones. */
  curves: string[] | null;
  speed: number;
  /** Camera: center and half height on the drawing, and the angles of 3-D maps; null to fit everything. */
  eye: Eye | null;
}

export interface Eye {
  x: number;
  y: number;
  half: number;
  yaw: number;
  pitch: number;
}

export const MAX_PANELS = 4;
export const SPEEDS = [0.5, 1, 2, 4];
const SELECTED_IN_LINK = 200;

export const START: View = {
  panels: [],
  linked: true,
  step: null,
  aligned: true,
  color: "group",
  hidden: [],
  ranges: {},
  focus: null,
  selected: [],
  pins: [],
  query: "",
  regex: false,
  labels: true,
  trails: true,
  links: true,
  density: false,
  k: 10,
  distance: "cosine",
  baseline: "previous",
  curves: null,
  speed: 1,
  eye: null,
};

const EYE = ["x", "y", "half", "yaw", "pitch"] as const;
type Flag = { [Key in keyof View]: View[Key] extends boolean ? Key : never }[keyof View];
const FLAGS = Object.keys(START).filter((key): key is Flag => typeof START[key as keyof View] === "boolean");
const TEXTS = ["color", "query", "baseline", "distance"] as const;
const LISTS = ["hidden", "selected", "pins"] as const;

/** Write a view as the fragment of an address, without defaults. */
export function encodeView(view: View): string {
  const out = new URLSearchParams();
  view.panels.forEach((panel, i) => {
    out.append(`run${i}`, panel.run);
    out.append(`table${i}`, panel.table);
    out.append(`map${i}`, panel.map);
    if (panel.step !== null) out.append(`step${i}`, String(panel.step));
  });
  if (view.step !== null) out.append("step", String(view.step));
  for (const key of FLAGS) if (view[key] !== START[key]) out.append(key, view[key] ? "1" : "0");
  for (const key of TEXTS) if (view[key] !== START[key]) out.append(key, view[key]);
  for (const key of LISTS) for (const value of view[key].slice(0, SELECTED_IN_LINK)) out.append(key, value);
  for (const [key, [low, high]] of Object.entries(view.ranges)) out.append("range", `${low},${high},${key}`);
  if (view.focus !== null) out.append("focus", view.focus);
  if (view.k !== START.k) out.append("k", String(view.k));
  if (view.speed !== START.speed) out.append("speed", String(view.speed));
  if (view.eye) out.append("eye", EYE.map((part) => String(Number(view.eye![part].toFixed(4)))).join(","));
  if (view.curves) {
    for (const key of view.curves) out.append("curve", key);
    if (!view.curves.length) out.append("curve", "");
  }
  return out.toString();
}

const step = (text: string | null): number | null => (text !== null && /^\d+$/.test(text) ? Number(text) : null);

/** Read a view from the fragment of an address, with defaults for missing and invalid values. */
export function decodeView(fragment: string): View {
  const given = new URLSearchParams(fragment.replace(/^#/, ""));
  const view: View = structuredClone(START);
  for (let i = 0; i < MAX_PANELS; i++) {
    const [run, table, map] = [given.get(`run${i}`), given.get(`table${i}`), given.get(`map${i}`)];
    if (run === null || table === null || map === null) break;
    view.panels.push({ run, table, map, step: step(given.get(`step${i}`)) });
  }
  view.step = step(given.get("step"));
  for (const key of FLAGS) if (given.has(key)) view[key] = given.get(key) === "1";
  view.color = given.get("color") ?? START.color;
  view.query = given.get("query") ?? "";
  if (given.get("baseline") === "first") view.baseline = "first";
  if (given.get("distance") === "euclidean") view.distance = "euclidean";
  for (const key of LISTS) view[key] = [...new Set(given.getAll(key))];
  for (const text of given.getAll("range")) {
    const [low, high, ...key] = text.split(",");
    const ends: [number, number] = [Number(low), Number(high)];
    if (key.length && low && high && ends.every(Number.isFinite) && ends[0] <= ends[1])
      view.ranges[key.join(",")] = ends;
  }
  view.focus = given.get("focus");
  const k = step(given.get("k"));
  if (k !== null && k >= 1 && k <= 100) view.k = k;
  const speed = Number(given.get("speed"));
  if (SPEEDS.includes(speed)) view.speed = speed;
  const [x = NaN, y = NaN, half = NaN, yaw = NaN, pitch = NaN] = (given.get("eye") ?? "").split(",").map(Number);
  if ([x, y, half, yaw, pitch].every(Number.isFinite) && half > 0) view.eye = { x, y, half, yaw, pitch };
  if (given.has("curve")) view.curves = given.getAll("curve").filter((key) => key !== "");
  return view;
}
