/** Touch input: one finger moves the map, turns a 3-D map or draws the lasso; two zoom. Browsers turn taps into clicks. */
import { carry, turnBy } from "./camera";
import type { Grip } from "../logic/geometry";
import { lasso } from "../state";

/** Rotation of a 3-D map in radians per pixel. */
export const TURN = 0.008;

/** Listen to touch input on a map. Returns a function that stops it. */
export function touching(canvas: HTMLCanvasElement, is3d: () => boolean): () => void {
  let grip: Grip | null = null;
  let last: Touch | null = null;
  const gripOf = ([a, b]: Touch[]): Grip => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const [x, y] = b ? [(a!.clientX + b.clientX) / 2, (a!.clientY + b.clientY) / 2] : [a!.clientX, a!.clientY];
    const far = b ? Math.hypot(a!.clientX - b.clientX, a!.clientY - b.clientY) : 1;
    return { u: ((x - left) * 2 - width) / height, v: (height - (y - top) * 2) / height, far: Math.max(far, 1) };
  };
  /** The lasso of regl-scatterplot listens to mouse events. */
  const asMouse = (type: string, { clientX, clientY }: Touch): void =>
    void canvas.dispatchEvent(
      new MouseEvent(type, { clientX, clientY, buttons: type === "mouseup" ? 0 : 1, bubbles: true }),
    );

  const begin = (event: TouchEvent): void => {
    const touches = [...event.targetTouches];
    if (lasso.peek() && last) asMouse("mouseup", last);
    last = null;
    if (lasso.peek() && touches.length === 1) {
      last = touches[0]!;
      asMouse("mousedown", last);
    }
    grip = gripOf(touches);
  };
  const move = (event: TouchEvent): void => {
    const touches = [...event.targetTouches];
    const [first] = touches;
    if (!grip || !first) return;
    const next = gripOf(touches);
    if (last) {
      asMouse("mousemove", first);
      last = first;
    } else if (touches.length === 1 && is3d()) {
      const half = canvas.clientHeight / 2;
      turnBy((next.u - grip.u) * half * TURN, (grip.v - next.v) * half * TURN);
    } else carry(grip, next);
    grip = next;
  };
  const end = (event: TouchEvent): void => {
    if (last) asMouse("mouseup", last);
    last = null;
    const touches = [...event.targetTouches];
    grip = touches.length ? gripOf(touches) : null;
  };
  canvas.addEventListener("touchstart", begin, { passive: true });
  canvas.addEventListener("touchmove", move, { passive: true });
  canvas.addEventListener("touchend", end);
  canvas.addEventListener("touchcancel", end);
  return () => {
    canvas.removeEventListener("touchstart", begin);
    canvas.removeEventListener("touchmove", move);
    canvas.removeEventListener("touchend", end);
    canvas.removeEventListener("touchcancel", end);
  };
}
