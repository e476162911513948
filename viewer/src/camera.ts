/** From where the maps are seen: one place for all of them. */
import { signal } from "@preact/signals";
import { type Placed, type Turn, matrixFor } from "./geometry";
import { change } from "./state";
import type { Eye } from "./view";

/** The look through which all maps are seen: zoom and place, and for 3-D ones the angle. */
export const camera = signal<{ matrix: Float32Array; by: number } | null>(null);
const START_TURN: Turn = { yaw: 0.6, pitch: 0.35 };
export const turn = signal<Turn>(START_TURN);
/** What every map shows at the moment, by panel. */
export const drawn = new Map<number, { placed: Placed; shown: Uint8Array; canvas: HTMLCanvasElement }>();
const ALL = -1;

/** Look from where an address says. */
export function lookThrough({ x, y, half, yaw, pitch }: Eye): void {
  const s = 1 / half;
  turn.value = { yaw, pitch };
  camera.value = { matrix: new Float32Array([s, 0, 0, 0, 0, s, 0, 0, 0, 0, 1, 0, -s * x, -s * y, 0, 1]), by: ALL };
}

let noting = 0;
/** Keep in the address where somebody looks, once he rests. */
export function note(): void {
  clearTimeout(noting);
  noting = window.setTimeout(() => {
    const m = camera.peek()?.matrix;
    if (!m) return;
    const s = Math.hypot(m[0]!, m[1]!);
    change({ eye: { x: -m[12]! / s, y: -m[13]! / s, half: 1 / s, ...turn.peek() } });
  }, 300);
}

/** See all points that are shown, in all maps alike. */
export function fit(): void {
  turn.value = START_TURN;
  change({ eye: null });
  fitAll();
}
/** As `fit`, with the address as it is. */
export function fitAll(): void {
  const maps = [...drawn.values()];
  const aspect = Math.min(...maps.map(({ canvas }) => canvas.clientWidth / Math.max(1, canvas.clientHeight)));
  const matrix = matrixFor(maps, aspect);
  if (matrix) camera.value = { matrix, by: ALL };
}
