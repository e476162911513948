/** Camera, shared by all maps. */
import { signal } from "@preact/signals";
import { type Grip, type Placed, type Turn, carried, matrixFor } from "../logic/geometry";
import { change } from "../state";
import type { Eye } from "../logic/view";

/** Camera of all maps: zoom, place, and angles of 3-D maps. */
export const camera = signal<{ matrix: Float32Array; by: number } | null>(null);
const START_TURN: Turn = { yaw: 0.6, pitch: 0.35 };
export const turn = signal<Turn>(START_TURN);
/** Current scene of every map, by panel. */
export const drawn = new Map<number, { placed: Placed; shown: Uint8Array; canvas: HTMLCanvasElement }>();
const ALL = -1;

/** Apply the camera of an address. */
export function lookThrough({ x, y, half, yaw, pitch }: Eye): void {
  const s = 1 / half;
  turn.value = { yaw, pitch };
  camera.value = { matrix: new Float32Array([s, 0, 0, 0, 0, s, 0, 0, 0, 0, 1, 0, -s * x, -s * y, 0, 1]), by: ALL };
}

let noting = 0;
/** Store the camera in the address, after the last movement. */
export function note(): void {
  clearTimeout(noting);
  noting = window.setTimeout(() => {
    const m = camera.peek()?.matrix;
    if (!m) return;
    const s = Math.hypot(m[0]!, m[1]!);
    change({ eye: { x: -m[12]! / s, y: -m[13]! / s, half: 1 / s, ...turn.peek() } });
  }, 300);
}

/** Move and zoom all maps with a grip. */
export function carry(from: Grip, to: Grip): void {
  const seen = camera.peek();
  if (!seen) return;
  camera.value = { matrix: carried(seen.matrix, from, to), by: ALL };
  note();
}
const MIDDLE: Grip = { u: 0, v: 0, far: 1 };
export const zoom = (by: number): void => carry(MIDDLE, { ...MIDDLE, far: by });
export const pan = (u: number, v: number): void => carry(MIDDLE, { u, v, far: 1 });
/** Turn 3-D maps, in radians. */
export function turnBy(yaw: number, pitch: number): void {
  const { yaw: before, pitch: raised } = turn.peek();
  turn.value = { yaw: before + yaw, pitch: Math.min(1.57, Math.max(-1.57, raised + pitch)) };
  note();
}

/** Fit all shown points, with the same camera for all maps. */
export function fit(): void {
  turn.value = START_TURN;
  change({ eye: null });
  fitAll();
}
/** Like `fit`, without a change to the address. */
export function fitAll(): void {
  const maps = [...drawn.values()];
  const aspect = Math.min(...maps.map(({ canvas }) => canvas.clientWidth / Math.max(1, canvas.clientHeight)));
  const matrix = matrixFor(maps, aspect);
  if (matrix) camera.value = { matrix, by: ALL };
}
