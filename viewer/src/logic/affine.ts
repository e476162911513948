/** Affine map between two frames of the same rows. */
import type { Frame } from "../source/types";

const ROWS = 400;

/**
 * Find the affine map from one frame to the other by least squares over some of the rows.
 *
 * @returns A function of coordinates; null if too few rows are in both frames, or if they are collinear.
 */
export function affineBetween(from: Frame, to: Frame): ((place: number[]) => number[]) | null {
  const d = from.components;
  if (to.components !== d || to.n !== from.n) return null;
  const size = d + 1;
  // Normal equations: a row for each coordinate and the constant, then the right-hand sides.
  const system = Array.from({ length: size }, () => new Float64Array(size + d));
  const stride = Math.max(1, Math.floor(from.n / ROWS));
  for (let row = 0; row < from.n; row += stride) {
    const a = [...from.values.subarray(row * d, (row + 1) * d), 1];
    const b = to.values.subarray(row * d, (row + 1) * d);
    if (![...a, ...b].every(Number.isFinite)) continue;
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) system[i]![j]! += a[i]! * a[j]!;
      for (let j = 0; j < d; j++) system[i]![size + j]! += a[i]! * b[j]!;
    }
  }
  if (!eliminate(system)) return null;
  return (place) =>
    Array.from({ length: d }, (_, j) => {
      let sum = system[d]![size + j]!;
      for (let i = 0; i < d; i++) sum += place[i]! * system[i]![size + j]!;
      return sum;
    });
}

/** Solve in place by Gauss-Jordan elimination; false without a unique solution. */
function eliminate(system: Float64Array[]): boolean {
  const scale = Math.max(...system.map((line, i) => Math.abs(line[i]!)));
  for (let i = 0; i < system.length; i++) {
    let best = i;
    for (let k = i + 1; k < system.length; k++) if (Math.abs(system[k]![i]!) > Math.abs(system[best]![i]!)) best = k;
    [system[i], system[best]] = [system[best]!, system[i]!];
    const line = system[i]!;
    const pivot = line[i]!;
    if (!(Math.abs(pivot) > 1e-12 * scale)) return false;
    for (let j = 0; j < line.length; j++) line[j]! /= pivot;
    for (let k = 0; k < system.length; k++) {
      const factor = system[k]![i]!;
      if (k !== i) for (let j = 0; j < line.length; j++) system[k]![j]! -= factor * line[j]!;
    }
  }
  return true;
}
