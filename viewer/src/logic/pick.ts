import type { Frame } from "../source/types";
import type { Placed } from "./geometry";

/** Number of rows with exactly the coordinates of a row, itself included; 0 for a row without a place. */
export function rowsAt({ values, n, components }: Frame, row: number): number {
  let count = 0;
  for (let i = 0; i < n; i++) {
    let same = true;
    for (let axis = 0; axis < components && same; axis++) {
      same = values[i * components + axis] === values[row * components + axis];
    }
    if (same) count++;
  }
  return count;
}

/** Search for points by place, with a grid that is created on first use. */
export class Grid {
  private readonly side: number;
  private readonly starts: Uint32Array;
  private readonly rows: Uint32Array;
  private readonly left: number;
  private readonly bottom: number;
  private readonly cell: number;

  /** @param shown Rows with 0 are never found. */
  constructor(
    private readonly placed: Placed,
    shown: Uint8Array,
  ) {
    const { x, y, known } = placed;
    const n = x.length;
    let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < n; i++) {
      if (!shown[i] || !known[i]) continue;
      left = Math.min(left, x[i]!);
      right = Math.max(right, x[i]!);
      bottom = Math.min(bottom, y[i]!);
      top = Math.max(top, y[i]!);
    }
    this.side = Math.max(1, Math.min(256, Math.ceil(Math.sqrt(n / 4))));
    this.cell = Math.max(right - left, top - bottom, 1e-9) / this.side;
    [this.left, this.bottom] = [left, bottom];
    const counts = new Uint32Array(this.side * this.side + 1);
    const at = new Int32Array(n).fill(-1);
    for (let i = 0; i < n; i++) {
      if (!shown[i] || !known[i]) continue;
      at[i] = this.column(x[i]!) + this.side * this.row(y[i]!);
      counts[at[i]! + 1]! += 1;
    }
    for (let i = 1; i < counts.length; i++) counts[i]! += counts[i - 1]!;
    this.starts = counts;
    this.rows = new Uint32Array(counts[counts.length - 1]!);
    const next = counts.slice();
    for (let i = 0; i < n; i++) if (at[i]! >= 0) this.rows[next[at[i]!]!++] = i;
  }

  private readonly clamp = (index: number): number => Math.max(0, Math.min(this.side - 1, index));
  private readonly column = (x: number): number => this.clamp(Math.floor((x - this.left) / this.cell));
  private readonly row = (y: number): number => this.clamp(Math.floor((y - this.bottom) / this.cell));

  private *within(left: number, right: number, bottom: number, top: number): Generator<number> {
    for (let row = this.row(bottom); row <= this.row(top); row++) {
      const line = row * this.side;
      yield* this.rows.subarray(this.starts[line + this.column(left)]!, this.starts[line + this.column(right) + 1]!);
    }
  }

  /** Nearest point within a radius; in 3-D the front one of equally near points. */
  nearest(x: number, y: number, radius: number): number | null {
    if (!this.rows.length) return null;
    let best: number | null = null;
    let least = radius;
    for (const i of this.within(x - radius, x + radius, y - radius, y + radius)) {
      const far = Math.hypot(this.placed.x[i]! - x, this.placed.y[i]! - y);
      const tie = best !== null && far === least && (this.placed.z?.[i] ?? 0) > (this.placed.z?.[best] ?? 0);
      if (far < least || tie || (best === null && far === least)) [best, least] = [i, far];
    }
    return best;
  }

  /** All points inside a polygon, ascending. */
  inside(polygon: [number, number][]): number[] {
    if (polygon.length < 3 || !this.rows.length) return [];
    const [xs, ys] = [polygon.map(([x]) => x), polygon.map(([, y]) => y)];
    const bounds = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)] as const;
    const found: number[] = [];
    for (const i of this.within(...bounds)) if (isInside(polygon, this.placed.x[i]!, this.placed.y[i]!)) found.push(i);
    return found.sort((a, b) => a - b);
  }
}

/** Whether a point is inside a polygon: a ray to the right crosses its outline an odd number of times. */
export function isInside(polygon: [number, number][], x: number, y: number): boolean {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[i]!;
    const [bx, by] = polygon[j]!;
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}
