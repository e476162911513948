import type { Frame } from "../source/types";

/** Where a map's coordinates stand on the drawing, whose middle is 0 and whose upper and lower ends are 1 and -1. */
export interface Fit {
  center: number[];
  half: number;
}

export interface Placed {
  x: Float32Array;
  y: Float32Array;
  /** Toward the viewer, 3-D only. */
  z: Float32Array | null;
  /** 1 where the row has a place. */
  known: Uint8Array;
}

/** Angles of a 3-D map, in radians: around its upright axis, and then toward the viewer. */
export interface Turn {
  yaw: number;
  pitch: number;
}

const MARGIN = 1.08;

/** Fit axes into the drawing, one scale for all of them. A 3-D map turns within its ball. */
export function fitAxes(axes: [number, number][]): Fit {
  const center = axes.map(([low, high]) => (low + high) / 2);
  const halves = axes.map(([low, high]) => Math.abs(high - low) / 2);
  const half = axes.length === 3 ? Math.hypot(...halves) * 0.72 : Math.max(...halves);
  return { center, half: (half || 1) * MARGIN };
}

/** Axes around all that frames hold; 5% and 95% of nothing: every row is inside. */
export function boundsOf(frames: Frame[]): [number, number][] {
  const components = frames[0]?.components ?? 2;
  const axes = Array.from({ length: components }, (): [number, number] => [Infinity, -Infinity]);
  for (const { values } of frames) {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      const axis = axes[i % components]!;
      if (value < axis[0]) axis[0] = value;
      if (value > axis[1]) axis[1] = value;
    }
  }
  return axes.map(([low, high]) => (low <= high ? [low, high] : [-1, 1]));
}

/** Place a frame on the drawing; rows that are unknown get the middle, and `known` 0. */
export function place(frame: Frame, fit: Fit, turn: Turn = { yaw: 0, pitch: 0 }): Placed {
  const { values, n, components } = frame;
  const x = new Float32Array(n);
  const y = new Float32Array(n);
  const z = components === 3 ? new Float32Array(n) : null;
  const known = new Uint8Array(n);
  const [cx = 0, cy = 0, cz = 0] = fit.center;
  const scale = 1 / fit.half;
  const [cosYaw, sinYaw] = [Math.cos(turn.yaw), Math.sin(turn.yaw)];
  const [cosPitch, sinPitch] = [Math.cos(turn.pitch), Math.sin(turn.pitch)];
  for (let i = 0; i < n; i++) {
    const a = values[i * components]!;
    const b = values[i * components + 1]!;
    const c = z ? values[i * components + 2]! : 0;
    if (!(Number.isFinite(a) && Number.isFinite(b) && Number.isFinite(c))) continue;
    known[i] = 1;
    const u = (a - cx) * scale;
    const v = (b - cy) * scale;
    if (!z) {
      x[i] = u;
      y[i] = v;
      continue;
    }
    const w = (c - cz) * scale;
    const depth = cosYaw * w - sinYaw * u;
    x[i] = cosYaw * u + sinYaw * w;
    y[i] = cosPitch * v - sinPitch * depth;
    z[i] = sinPitch * v + cosPitch * depth;
  }
  return { x, y, z, known };
}

/** Standard deviation of a layout on the drawing, root mean square over its axes: the unit of the noise floor. */
export function spread(frame: Frame, fit: Fit): number {
  const { values, components } = frame;
  let variance = 0;
  for (let axis = 0; axis < components; axis++) {
    let n = 0;
    let mean = 0;
    let squares = 0;
    for (let i = axis; i < values.length; i += components) {
      const value = values[i]!;
      if (!Number.isFinite(value)) continue;
      n += 1;
      const off = value - mean;
      mean += off / n;
      squares += off * (value - mean);
    }
    variance += n ? squares / n / components : 0;
  }
  return Math.sqrt(variance) / fit.half;
}

/** A smoothed count of points on a grid over [-reach, reach]², row 0 at the top; values 0 to 1. */
export function density(placed: Placed, shown: Uint8Array, size: number, reach: number): Float32Array {
  let grid = new Float32Array(size * size);
  const scale = size / (2 * reach);
  for (let i = 0; i < placed.x.length; i++) {
    if (!shown[i] || !placed.known[i]) continue;
    const column = Math.floor((placed.x[i]! + reach) * scale);
    const row = Math.floor((reach - placed.y[i]!) * scale);
    if (column >= 0 && column < size && row >= 0 && row < size) grid[row * size + column]! += 1;
  }
  // Three box blurs are close to a Gaussian one.
  const radius = Math.max(1, Math.round(size / 85));
  for (let pass = 0; pass < 3; pass++) grid = blur(blur(grid, size, radius, 1), size, radius, size);
  let highest = 0;
  for (const value of grid) if (value > highest) highest = value;
  if (highest > 0) for (let i = 0; i < grid.length; i++) grid[i]! /= highest;
  return grid;
}

function blur(grid: Float32Array, size: number, radius: number, stride: 1 | number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(grid.length);
  const across = stride === 1 ? size : 1;
  const width = 2 * radius + 1;
  for (let line = 0; line < size; line++) {
    let sum = 0;
    const start = line * across;
    for (let k = -radius; k < size; k++) {
      if (k + radius < size) sum += grid[start + (k + radius) * stride]!;
      if (k - radius - 1 >= 0) sum -= grid[start + (k - radius - 1) * stride]!;
      if (k >= 0) out[start + k * stride] = sum / width;
    }
  }
  return out;
}

const ROOM = 1.12;
/** Few points are ever at the rim of the ball in which a 3-D map turns. */
const BALL = 0.75;

/**
 * The view, as a matrix in columns, in which all points that are shown are seen.
 *
 * @param aspect Width by height of the narrowest map.
 * @returns null where nothing is shown.
 */
export function matrixFor(maps: { placed: Placed; shown: Uint8Array }[], aspect: number): Float32Array | null {
  let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const { placed, shown } of maps) {
    // A 3-D map keeps its room when it turns.
    const far = placed.z ? 1 : 0;
    for (let i = 0; i < shown.length; i++) {
      if (!shown[i] || !placed.known[i]) continue;
      const reach = far && BALL * Math.hypot(placed.x[i]!, placed.y[i]!, placed.z![i]!);
      left = Math.min(left, far ? -reach : placed.x[i]!);
      right = Math.max(right, far ? reach : placed.x[i]!);
      bottom = Math.min(bottom, far ? -reach : placed.y[i]!);
      top = Math.max(top, far ? reach : placed.y[i]!);
    }
  }
  if (!(left <= right) || !(aspect > 0)) return null;
  const tall = Math.max((top - bottom) / 2, 0.02) * ROOM;
  const wide = Math.max((right - left) / 2, 0.02) * ROOM;
  const s = Math.min(1 / tall, aspect / wide);
  const [x, y] = [(left + right) / 2, (bottom + top) / 2];
  return new Float32Array([s, 0, 0, 0, 0, s, 0, 0, 0, 0, 1, 0, -s * x, -s * y, 0, 1]);
}

/** A hold of the map: its place, in half heights from the middle of the map, and how far two fingers are apart. */
export interface Grip {
  u: number;
  v: number;
  far: number;
}

/** The view after a grip moved: what was under it still is. */
export function carried(matrix: Float32Array, from: Grip, to: Grip): Float32Array {
  const zoom = to.far / from.far;
  const next = new Float32Array(matrix);
  for (const i of [0, 1, 4, 5]) next[i] = matrix[i]! * zoom;
  next[12] = to.u + (matrix[12]! - from.u) * zoom;
  next[13] = to.v + (matrix[13]! - from.v) * zoom;
  return next;
}
