/** Data of one drawing, and how it is fetched. */
import { source } from "../source";
import { type Scale, scaleFor } from "../logic/colors";
import { type Column, numbersOf, readColumn } from "../logic/columns";
import { type Fit, boundsOf, fitAxes } from "../logic/geometry";
import { tableOf } from "./store";
import type { At, Frame, Pair, RowsInfo } from "../source/types";

export interface Rows extends RowsInfo {
  index: Map<string, number>;
  parsed: Map<string, Column>;
  /** Columns as numbers, parsed on demand. */
  numeric: Map<string, { values: Float32Array | null; scale: Scale | null }>;
}

type Alignment = "own" | "procrustes" | "joint";

/** Alignment of a panel with another. */
export interface Aligned {
  key: string;
  pair: Pair;
  side: "a" | "b";
  how: "joint" | "procrustes";
  /** Axes of the joint map, from the server. */
  axes: [number, number][] | null;
}

/** Data of one drawing: coordinates, and the numbers for colors and filters, of one step. */
export interface Scene {
  run: string;
  table: string;
  map: string;
  step: number;
  frame: Frame;
  fit: Fit;
  alignment: Alignment;
  /** By "metric:<name>". */
  metrics: Map<string, Float32Array>;
}

/** Whether a key names a metric of rows; else it names a column. */
export const isMetric = (key: string): boolean => key.startsWith("metric:");
/** Server's name of a metric: those of a map begin with the map's name. */
function metricName(key: string, map: string, names: string[]): string | null {
  const name = key.slice("metric:".length);
  return names.includes(name) ? name : names.includes(`${map}/${name}`) ? `${map}/${name}` : null;
}
/** Names to choose from: "trustworthiness" stands for the metric of the shown map. */
export const metricKey = (name: string): string => `metric:${name.slice(name.lastIndexOf("/") + 1)}`;

/** Rows with derived data. */
export function withIndex(rows: RowsInfo): Rows {
  const parsed = new Map(Object.entries(rows.columns).map(([name, values]) => [
    name,
    readColumn(values, rows.colors[name]),
  ]));
  return { ...rows, index: new Map(rows.labels.map((label, i) => [label, i])), parsed, numeric: new Map() };
}

/** Column as numbers, with a scale; nulls if it is not numeric. */
export function numbersIn(rows: Rows, name: string): { values: Float32Array | null; scale: Scale | null } {
  let found = rows.numeric.get(name);
  if (!found) {
    const column = rows.columns[name];
    const values = column ? numbersOf(column) : null;
    found = { values, scale: values && scaleFor(values) };
    rows.numeric.set(name, found);
  }
  return found;
}

/** Rows by importance: watched, then representative ones, or frequent ones if the source has no ranking. */
export function rank(rows: Rows | null): number[] {
  if (!rows) return [];
  const frequency = rows.columns.frequency && numbersOf(rows.columns.frequency);
  const place = rows.representative && new Map(rows.representative.map((row, i) => [row, -i]));
  const watched = new Set(rows.watch);
  const order = rows.labels.map((_, row) => row);
  const weights = order.map((row) => {
    if (watched.has(rows.labels[row]!)) return Infinity;
    return place ? (place.get(row) ?? -Infinity) : (frequency?.[row] ?? 0) || 0;
  });
  return order.sort((a, b) => (weights[a] === weights[b] ? a - b : weights[b]! > weights[a]! ? 1 : -1));
}

type Drawn = Pick<Scene, "frame" | "fit" | "alignment">;

/** Stored map on the axes of the run's last step, which are the same at all steps. */
export async function ownFrame(at: At, map: string, end: number): Promise<Drawn> {
  const [frame, { axes }] = await Promise.all([source.frame(at, map), source.frameInfo({ ...at, step: end }, map)]);
  return { frame, fit: fitAxes(axes.length === frame.components ? axes : boundsOf([frame])), alignment: "own" };
}

/** Map aligned with that of another run. */
export async function alignedFrame({ pair, side, how, axes: joint }: Aligned): Promise<Drawn> {
  if (how === "joint") {
    const [a, b] = await Promise.all([source.compareFrame(pair, "a", how), source.compareFrame(pair, "b", how)]);
    return { frame: side === "a" ? a : b, fit: fitAxes(joint ?? boundsOf([a, b])), alignment: how };
  }
  // Side b has the coordinates of side a, whose axes are those of its own run.
  const end = tableOf(pair.run_a, pair.table_a)?.analyzed.at(-1) ?? pair.step_a;
  const own = { run: pair.run_a, table: pair.table_a, step: end };
  const [frame, { axes }] = await Promise.all([source.compareFrame(pair, side, how), source.frameInfo(own, pair.projection)]);
  return { frame, fit: fitAxes(axes), alignment: how };
}

/** Numbers of all rows, by key. */
export async function loadMetrics(at: At, map: string, keys: string[]): Promise<Map<string, Float32Array>> {
  if (!keys.length) return new Map();
  const names = await source.rowMetrics(at);
  const found = await Promise.all(
    keys.map(async (key): Promise<[string, Float32Array] | null> => {
      const name = metricName(key, map, names);
      return name === null ? null : [key, await source.rowMetric(at, name)];
    }),
  );
  return new Map(found.filter((entry) => entry !== null));
}

/** Scales of the whole run, from its second analysis, the first one with changes, and its last. */
export async function loadScales(
  run: string,
  table: string,
  map: string,
  keys: string[],
  steps: number[],
): Promise<Map<string, Scale>> {
  const [info, ...metrics] = await Promise.all([
    source.metrics(),
    ...steps.map((step) => loadMetrics({ run, table, step }, map, keys)),
  ]);
  const scales = new Map<string, Scale>();
  for (const key of keys) {
    const values = metrics.flatMap((found) => Array.from(found.get(key) ?? []));
    const known = info[key.slice("metric:".length)];
    scales.set(key, scaleFor(values, known?.low ?? null, known?.high ?? null));
  }
  return scales;
}
