/** The pointer over a map. */
import { note, turn } from "./camera";
import type { PanelModel } from "./model";
import type { PointMap } from "./plot";
import { choose, clearSelection, hovered, lasso, selectMany, view } from "./state";

const CLICK_PIXELS = 4;

/**
 * Point at words, click them, and drag to turn a 3-D map; the library below, which would move that, sees nothing of it.
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
    const { yaw, pitch } = turn.peek();
    if (grip.turns && grip.far > CLICK_PIXELS)
      turn.value = { yaw: yaw + dx * 0.008, pitch: Math.min(1.57, Math.max(-1.57, pitch + dy * 0.008)) };
  };
  const up = (event: MouseEvent): void => {
    if (!grip) return;
    const { far, turns } = grip;
    grip = null;
    if (far > CLICK_PIXELS) {
      if (turns) note();
      return;
    }
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
  stage.addEventListener("mousemove", hover);
  stage.addEventListener("mouseleave", leave);
  stage.addEventListener("dblclick", clearSelection);
  stage.addEventListener("mousedown", down, true);
  addEventListener("mousemove", drag);
  addEventListener("mouseup", up);
  return () => {
    stage.removeEventListener("mousemove", hover);
    stage.removeEventListener("mouseleave", leave);
    stage.removeEventListener("dblclick", clearSelection);
    stage.removeEventListener("mousedown", down, true);
    removeEventListener("mousemove", drag);
    removeEventListener("mouseup", up);
  };
}
