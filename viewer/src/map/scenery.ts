/** Synchronization of a map's points and overlays with the state. */
import { computed, effect } from "@preact/signals";
import { affineBetween } from "../logic/affine";
import { camera, drawn, fitAll, lookThrough, turn } from "./camera";
import { toRgb } from "../logic/colors";
import { type Placed, type Turn, density, place, spread } from "../logic/geometry";
import { type Look, drawingOrder } from "../logic/look";
import type { PanelModel } from "../state/model";
import { changes } from "../logic/neighborhoods";
import { type Ink, type Trail, drawOverlay, prepare } from "./overlay";
import { type Drawing, FAINT, NEAR, PLAIN, type PointMap, STRONG } from "./plot";
import type { Scene } from "../state/scene";
import type { Frame } from "../source/types";
import { calm, dark, hovered, lasso, matched, scrubbing, view } from "../state";

const MANY_POINTS = 20_000;
/** Maximum number of trails: more would hide the map. */
const TRAILS = 50;
const DENSE = 256;
const DENSE_REACH = 1.6;

function inkOf(): Ink {
  return dark.value
    ? { text: "#dcdce0", halo: "#1d1d1f", accent: "#9aa0ff", gained: "#4cc9a0", lost: "#e08a6a", quiet: "#a0a0a8" }
    : { text: "#333333", halo: "#ffffff", accent: "#2932e1", gained: "#00795a", lost: "#b4521e", quiet: "#6b6b70" };
}

const sizeFor = (n: number): number => (n <= 400 ? 6.5 : n <= 2000 ? 5 : n <= 8000 ? 3.5 : n <= 20_000 ? 2.6 : 2);
const opacityFor = (n: number): number => (n <= 2000 ? 0.85 : n <= 8000 ? 0.7 : n <= 20_000 ? 0.5 : 0.35);

/** Part of the view that is drawn over the points; independent of the step. */
const shown = computed(() => {
  const { focus, pins, selected, trails, labels, links, density } = view.value;
  return JSON.stringify([focus, pins, selected, trails, labels, links, density]);
});

// Parts of the view: changes to other parts must not redraw all points.
const isDense = computed(() => view.value.density);
const focused = computed(() => view.value.focus);

/** Synchronize a map with the state. Returns a function that stops it. */
export function connect(
  model: PanelModel,
  map: PointMap,
  under: HTMLCanvasElement,
  over: HTMLCanvasElement,
): () => void {
  let placed: Placed | null = null;
  let placedBy: [Scene, Turn] | null = null;
  let drawnScene: Scene | null = null;
  let request = 0;
  let cloud: { grid: HTMLCanvasElement } | null = null;
  let clouded = false;

  const placeNow = (scene: Scene): Placed => {
    const angle = turn.value;
    const same = placedBy?.[0] === scene && (scene.frame.components === 2 || placedBy[1] === angle);
    if (!same || !placed) {
      placed = place(scene.frame, scene.fit, angle);
      placedBy = [scene, angle];
    }
    return placed;
  };
  const rowsOf = (labels: Iterable<string>): number[] => {
    const rows: number[] = [];
    for (const label of labels) {
      const row = model.row(label);
      if (row !== null) rows.push(row);
    }
    return rows;
  };
  const nearRows = (): { near: number[]; lost: number[] } => {
    const now = model.near.value.value;
    const focus = focused.value;
    if (!now || now.label !== focus) return { near: [], lost: [] };
    const before = model.before.value.value;
    const differ = before?.label === focus ? changes(now.neighbors, before.neighbors) : [];
    const lost = differ.filter(({ state }) => state === "lost").flatMap(({ before }) => before?.row ?? []);
    return { near: now.neighbors.flatMap(({ row }) => row ?? []), lost };
  };

  const paint = (): void => {
    request = 0;
    const scene = model.scene.peek().value;
    const rows = model.rows.peek().value;
    if (!scene || !rows) return;
    const { focus, pins, selected, trails, labels, links } = view.peek();
    const chosen = rowsOf(selected);
    const marked = rowsOf([...pins, ...(focus === null ? [] : [focus])]);
    const noise = marked.length ? (model.info.peek().value?.noise_floor ?? null) : null;
    const { near, lost } = nearRows();
    const found = matched.peek();
    drawOverlay(
      over,
      map,
      {
        labels: rows.labels,
        ranked: model.ranked.peek(),
        showLabels: labels && !view.peek().density,
        pinned: rowsOf(pins),
        focus: focus === null ? null : model.row(focus),
        selected: chosen,
        hovered: hovered.peek() === null ? null : model.row(hovered.peek()!),
        trails: trails && !map.gliding ? trailsOf(model, scene, [...new Set([...marked, ...chosen])]) : [],
        near: links ? near : [],
        lost: links ? lost : [],
        noise: noise === null || scene.alignment === "joint" ? null : noise * spreadOf(scene),
        matched: found && new Set(rowsOf(found)),
      },
      inkOf(),
    );
    if (!cloud && !clouded) return;
    clouded = cloud !== null;
    const pen = prepare(under);
    if (pen && cloud) {
      const [left, top] = map.toPixels(-DENSE_REACH, DENSE_REACH);
      const [right, bottom] = map.toPixels(DENSE_REACH, -DENSE_REACH);
      pen.imageSmoothingEnabled = true;
      pen.drawImage(cloud.grid, left, top, right - left, bottom - top);
    }
  };
  const paintSoon = (): void => {
    request ||= requestAnimationFrame(paint);
  };
  painters.set(map, {
    soon: paintSoon,
    now: () => {
      cancelAnimationFrame(request);
      paint();
    },
  });

  const ends = [
    effect(() => {
      const scene = model.scene.value.value;
      const look = model.look.value;
      if (!scene || !look) return;
      const positions = placeNow(scene);
      const n = scene.frame.n;
      const emphasis = new Uint8Array(n);
      const found = matched.value;
      if (found) {
        emphasis.fill(FAINT);
        for (const row of rowsOf(found)) emphasis[row] = STRONG;
      }
      // With very many points, a second drawing after the neighbors arrive is too slow; lines show them instead.
      const { near } = n > MANY_POINTS ? { near: [] } : nearRows();
      for (const row of near) if (emphasis[row] === PLAIN) emphasis[row] = NEAR;
      const dense = isDense.value;
      const drawing: Drawing = {
        placed: positions,
        colors: look.colors,
        order: orderOf(look.colors, look),
        shown: look.shown,
        emphasis,
        palette: look.palette,
        size: sizeFor(look.count),
        opacity: dense ? 0.08 : opacityFor(look.count),
      };
      // Transitions need the same rows on the same map; another table is drawn directly.
      const glides =
        drawnScene !== null &&
        drawnScene !== scene &&
        drawnScene.run === scene.run &&
        drawnScene.table === scene.table &&
        !calm.value &&
        !scrubbing.peek();
      cloud = dense ? { grid: cloudOf(density(positions, look.shown, DENSE, DENSE_REACH), inkOf().accent) } : null;
      // Another map, or one aligned with another run, has other places.
      const moved = drawnScene !== null && !sameGround(drawnScene, scene);
      const isNew = drawnScene === null && !view.peek().eye;
      drawnScene = scene;
      drawn.set(model.index, { placed: positions, shown: look.shown, canvas: over });
      // All maps share one camera, which is extended for each new map until the user moves it.
      if (!camera.peek() && view.peek().eye) lookThrough(view.peek().eye!);
      else if (!camera.peek() || moved || isNew) fitAll();
      // Overlays are painted together with the points.
      map.draw(drawing, glides);
    }),
    effect(() => {
      // Content of the overlay.
      void [
        shown.value,
        hovered.value,
        model.near.value.value,
        model.before.value.value,
        model.trail.value.value,
        model.info.value.value?.noise_floor,
        matched.value,
        dark.value,
      ];
      paintSoon();
    }),
    effect(() => map.select(rowsOf(view.value.selected))),
    effect(() => map.setLasso(lasso.value)),
    effect(() => {
      model.darkPoints.value = dark.value;
      map.setTone(dark.value);
    }),
    effect(() => {
      const seen = camera.value;
      if (seen && seen.by !== model.index) map.setView(seen.matrix);
    }),
  ];
  const watch = new ResizeObserver(paintSoon);
  watch.observe(over);
  return () => {
    cancelAnimationFrame(request);
    drawn.delete(model.index);
    watch.disconnect();
    for (const end of ends) end();
  };
}
const spreads = new WeakMap<Scene, number>();
function spreadOf(scene: Scene): number {
  let found = spreads.get(scene);
  if (found === undefined) spreads.set(scene, (found = spread(scene.frame, scene.fit)));
  return found;
}
const orders = new WeakMap<Uint8Array, Uint32Array>();
function orderOf(colors: Uint8Array, look: Look): Uint32Array {
  let found = orders.get(colors);
  if (!found) orders.set(colors, (found = drawingOrder(look)));
  return found;
}
/** Whether two scenes share their axes. */
const sameGround = (a: Scene, b: Scene): boolean =>
  a.run === b.run && a.table === b.table && a.map === b.map && a.alignment === b.alignment;
/** Draw the overlays, now or with the next frame. */
export const painters = new WeakMap<PointMap, { now: () => void; soon: () => void }>();

/** Trails of rows to their places. Trails of an aligned map are aligned with it; a joint map has none, because it has
 * only two steps. */
function trailsOf(model: PanelModel, scene: Scene, rows: number[]): Trail[] {
  const { value: frames, loading } = model.trail.peek();
  const last = frames?.at(-1);
  // Until both are loaded, the last frame of the trail is not that of the scene.
  if (scene.alignment !== "own" && (loading || scene.step !== model.step.peek())) return [];
  if (!frames || !last || scene.alignment === "joint") return [];
  if (frames.some(({ n, components }) => n !== scene.frame.n || components !== scene.frame.components)) return [];
  const move = scene.alignment === "own" ? (place: number[]) => place : layingOf(scene, last);
  if (!move) return [];
  const { components } = scene.frame;
  return rows.slice(0, TRAILS).map((row) => ({
    row,
    places: frames.map(({ values }) => {
      const there = move([...values.subarray(row * components, (row + 1) * components)]);
      const { x, y, known } = place({ values: Float32Array.from(there), n: 1, components }, scene.fit, turn.peek());
      return known[0] ? [x[0]!, y[0]!] : [NaN, NaN];
    }),
  }));
}
const layings = new WeakMap<Scene, { own: Frame; move: ReturnType<typeof affineBetween> }>();
/** Alignment of a scene's map with another map. */
function layingOf(scene: Scene, own: Frame): ReturnType<typeof affineBetween> {
  const known = layings.get(scene);
  if (known?.own === own) return known.move;
  const move = affineBetween(own, scene.frame);
  layings.set(scene, { own, move });
  return move;
}

/** Draw a grid as an image whose opacity is the density. */
function cloudOf(grid: Float32Array, accent: string): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = DENSE;
  const pen = canvas.getContext("2d")!;
  const image = pen.createImageData(DENSE, DENSE);
  const [r, g, b] = toRgb(accent);
  grid.forEach((value, i) => image.data.set([r, g, b, 215 * Math.sqrt(value)], 4 * i));
  pen.putImageData(image, 0, 0);
  return canvas;
}
