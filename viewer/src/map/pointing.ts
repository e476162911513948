/** Mouse input on a map. */
import { turnBy } from "./camera";
import type { PanelModel } from "../state/model";
import type { PointMap } from "./plot";
import { choose, clearSelection, hovered, lasso, selectMany, view } from "../state";
import { TURN, touching } from "./touch";

const CLICK_PIXELS = 4;

/**
 * Hover and click words, and drag to turn a 3-D map. The library, which would move it, does not receive these events.
 */
export function pointing(model: PanelModel, map: PointMap, stage: HTMLElement): () => void {
  let grip: { x: number; y: number; far: number; turns: boolean } | null = null;
  const labelAt = (event: MouseEvent): string | null => {
    const row = map.pick(event.clientX, event.clientY);
    return row === null ? null : (model.rows.peek().value?.labels[row] ?? null);
  };
  const is3d = (): boolean => model.scene.peek().value?.frame.components === 3;
  const down = (event: MouseEvent): void => {
    if (event.buttons !== 1) return;
    const turns = is3d() && !event.shiftKey && !lasso.peek();
    if (turns) event.stopPropagation();
    grip = { x: event.clientX, y: event.clientY, far: 0, turns };
  };
  const drag = (event: MouseEvent): void => {
    if (!grip) return;
    const [dx, dy] = [event.clientX - grip.x, event.clientY - grip.y];
    grip = { ...grip, x: event.clientX, y: event.clientY, far: grip.far + Math.abs(dx) + Math.abs(dy) };
    if (grip.turns && grip.far > CLICK_PIXELS) turnBy(dx * TURN, dy * TURN);
  };
  const up = (event: MouseEvent): void => {
    if (!grip) return;
    const { far } = grip;
    grip = null;
    if (far > CLICK_PIXELS) return;
    const label = labelAt(event);
    if (label === null) return;
    const { selected } = view.peek();
    if (!event.ctrlKey && !event.metaKey) choose(label);
    else selectMany(selected.includes(label) ? selected.filter((l) => l !== label) : [...selected, label]);
  };
  const hover = (event: MouseEvent): void => {
    if (!grip || grip.far <= CLICK_PIXELS) hovered.value = labelAt(event);
  };
  const leave = (): void => {
    hovered.value = null;
  };
  const endTouching = touching(map.canvas, is3d);
  stage.addEventListener("mousemove", hover);
  stage.addEventListener("mouseleave", leave);
  stage.addEventListener("dblclick", clearSelection);
  stage.addEventListener("mousedown", down, true);
  addEventListener("mousemove", drag);
  addEventListener("mouseup", up);
  return () => {
    endTouching();
    stage.removeEventListener("mousemove", hover);
    stage.removeEventListener("mouseleave", leave);
    stage.removeEventListener("dblclick", clearSelection);
    stage.removeEventListener("mousedown", down, true);
    removeEventListener("mousemove", drag);
    removeEventListener("mouseup", up);
  };
}
