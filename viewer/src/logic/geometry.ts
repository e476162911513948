import type { Frame } from "../source/types";

/** Places of a map's coordinates on the drawing, from -1 at the bottom to 1 at the top. */
export interface Fit {
  center: number[];
  half: number;
}

export interface Placed {
  x: Float32Array;
  y: Float32Array;
  /** Toward the viewer; 3-D only. */
  z: Float32Array | null;
  /** 1 for rows with a place. */
  known: Uint8Array;
}

/** Angles of a 3-D map in radians: around the vertical axis, then toward the viewer. */
export interface Turn {
  yaw: number;
  pitch: number;
}

const MARGIN = 1.08;

/** Fit axes into the drawing with a common scale. A 3-D map rotates within a ball. */
export function fitAxes(axes: [number, number][]): Fit {
  const center = axes.map(([low, high]) => (low + high) / 2);
  const halves = axes.map(([low, high]) => Math.abs(high - low) / 2);
  const half = axes.length === 3 ? Math.hypot(...halves) * 0.72 : Math.max(...halves);
  return { center, half: (half || 1) * MARGIN };
}

/** Axes that contain every row of the frames, unlike stored axes, which lie between two percentiles. */
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

/** Place a frame on the drawing; unknown rows are at the center, with `known` 0. */
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

/** Standard deviation of a layout on the drawing (root mean square over the axes), the unit of the noise floor. */
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

/** Smoothed number of points on a grid over [-reach, reach]², row 0 at the top, from 0 to 1. */
export function density(placed: Placed, shown: Uint8Array, size: number, reach: number): Float32Array {
  let grid = new Float32Array(size * size);
  const scale = size / (2 * reach);
  for (let i = 0; i < placed.x.length; i++) {
    if (!shown[i] || !placed.known[i]) continue;
    const column = Math.floor((placed.x[i]! + reach) * scale);
    const row = Math.floor((reach - placed.y[i]!) * scale);
    if (column >= 0 && column < size && row >= 0 && row < size) grid[row * size + column]! += 1;
  }
  // Three box blurs approximate a Gaussian blur.
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
/** Part of the ball of a 3-D map to show: few points are near its surface. */
const BALL = 0.75;

/**
 * Camera that shows all visible points, as a matrix in column order.
 *
 * @param aspect Width divided by height of the narrowest map.
 * @returns null if no point is visible.
 */
export function matrixFor(maps: { placed: Placed; shown: Uint8Array }[], aspect: number): Float32Array | null {
  let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const { placed, shown } of maps) {
    // The extent of a 3-D map does not depend on its rotation.
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

/** Grip of the map: its place, in half heights from the center, and the distance between two fingers. */
export interface Grip {
  u: number;
  v: number;
  far: number;
}

/** Camera after a grip moved: the same place remains under it. */
export function carried(matrix: Float32Array, from: Grip, to: Grip): Float32Array {
  const zoom = to.far / from.far;
  const next = new Float32Array(matrix);
  for (const i of [0, 1, 4, 5]) next[i] = matrix[i]! * zoom;
  next[12] = to.u + (matrix[12]! - from.u) * zoom;
  next[13] = to.v + (matrix[13]! - from.v) * zoom;
  return next;
}
