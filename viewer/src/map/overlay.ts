/** Overlays of a map: density, trails, lines to neighbors, the noise ring, labels. */
import { type Wish, placeLabels } from "../logic/labels";
import type { PointMap } from "./plot";

export interface Trail {
  row: number;
  /** Places on the drawing, oldest first; NaN if the row was unknown. */
  places: [number, number][];
}

export interface Picture {
  labels: string[];
  /** Rows by importance, labeled if there is room. */
  ranked: ArrayLike<number>;
  showLabels: boolean;
  /** Always labeled, with a ring. */
  pinned: number[];
  focus: number | null;
  /** Labeled before others; always if there are few. */
  selected: number[];
  hovered: number | null;
  trails: Trail[];
  /** Current and former neighbors of the focus. */
  near: number[];
  lost: number[];
  /** Radius of the noise floor on the drawing; null if unknown. */
  noise: number | null;
  matched: Set<number> | null;
}

export interface Ink {
  text: string;
  halo: string;
  accent: string;
  gained: string;
  lost: string;
  quiet: string;
}

export const FONT_FAMILY =
  '-apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Helvetica Neue", Arial, "PingFang SC", "Noto Sans SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif';
const FONT = `12px ${FONT_FAMILY}`;
const BOLD = `600 12.5px ${FONT_FAMILY}`;
const LINE = 15;
/** Maximum number of labels to place: a map is full with fewer. */
const TRIED = 800;

/** Maximum number of selected words whose labels may overlap others. */
const FEW = 12;

/** Places of labels relative to their points. */
interface Placed {
  row: number;
  text: string;
  bold: boolean;
  dx: number;
  dy: number;
}
const placedBy = new WeakMap<PointMap, Placed[]>();

const widths: Record<string, Map<string, number>> = { [FONT]: new Map(), [BOLD]: new Map() };
function widthOf(pen: CanvasRenderingContext2D, text: string, font: string): number {
  const known = widths[font]!;
  let width = known.get(text);
  if (width === undefined) {
    pen.font = font;
    width = pen.measureText(text).width;
    if (known.size > 20_000) known.clear();
    known.set(text, width);
  }
  return width;
}

/** Long labels are cut on the map; the lists show them whole. */
const short = (text: string): string => (text.length > 24 ? `${text.slice(0, 23)}…` : text);

/** Set the size of a canvas to its size on the screen. */
export function prepare(canvas: HTMLCanvasElement): CanvasRenderingContext2D | null {
  const { clientWidth: width, clientHeight: height } = canvas;
  const [w, h] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  const pen = canvas.getContext("2d");
  if (!pen || !w || !h) return null;
  pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return pen;
}

export function drawOverlay(canvas: HTMLCanvasElement, map: PointMap, picture: Picture, ink: Ink): void {
  const pen = prepare(canvas);
  if (!pen) return;
  pen.lineCap = pen.lineJoin = "round";
  drawTrails(pen, map, picture.trails, ink);
  const { focus } = picture;
  const center = focus === null ? null : map.position(focus);
  if (center) {
    drawLines(pen, map, center, picture.lost, ink.lost, [3, 4]);
    drawLines(pen, map, center, picture.near, ink.accent, []);
  }
  for (const row of new Set([...picture.pinned, ...(focus === null ? [] : [focus])])) {
    const at = map.position(row);
    if (!at) continue;
    if (picture.noise !== null) drawNoise(pen, at, map.pixels(picture.noise), ink);
    pen.strokeStyle = row === focus ? ink.accent : ink.text;
    pen.lineWidth = row === focus ? 2 : 1.25;
    pen.beginPath();
    pen.arc(at[0], at[1], 7, 0, 2 * Math.PI);
    pen.stroke();
  }
  const over = picture.hovered === null ? null : map.position(picture.hovered);
  if (over) {
    pen.strokeStyle = ink.text;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.arc(over[0], over[1], 6, 0, 2 * Math.PI);
    pen.stroke();
  }
  drawLabels(pen, map, picture, ink, canvas);
}

function drawTrails(pen: CanvasRenderingContext2D, map: PointMap, trails: Trail[], ink: Ink): void {
  // Many trails are drawn fainter.
  const loud = Math.min(1, Math.sqrt(6 / trails.length));
  pen.lineWidth = 0.75 + loud;
  pen.strokeStyle = pen.fillStyle = ink.accent;
  for (const { row, places } of trails) {
    const end = map.position(row);
    if (!end) continue;
    const path = [...places.slice(0, -1).map(([x, y]) => map.toPixels(x, y)), end];
    for (let i = 0; i < path.length; i++) {
      const [x, y] = path[i]!;
      if (!Number.isFinite(x)) continue;
      pen.globalAlpha = loud * (0.15 + 0.65 * ((i + 1) / path.length));
      const before = path[i - 1];
      if (before && Number.isFinite(before[0])) {
        pen.beginPath();
        pen.moveTo(...before);
        pen.lineTo(x, y);
        pen.stroke();
      }
      if (i < path.length - 1) {
        pen.beginPath();
        pen.arc(x, y, 1 + loud, 0, 2 * Math.PI);
        pen.fill();
      }
    }
  }
  pen.globalAlpha = 1;
}

function drawLines(
  pen: CanvasRenderingContext2D,
  map: PointMap,
  center: [number, number],
  rows: number[],
  color: string,
  dash: number[],
): void {
  pen.strokeStyle = color;
  pen.globalAlpha = 0.45;
  pen.lineWidth = 1;
  pen.setLineDash(dash);
  pen.beginPath();
  for (const row of rows) {
    const at = map.position(row);
    if (!at) continue;
    pen.moveTo(...center);
    pen.lineTo(...at);
  }
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

function drawNoise(pen: CanvasRenderingContext2D, [x, y]: [number, number], radius: number, ink: Ink): void {
  if (radius < 1) return;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fillStyle = ink.quiet;
  pen.globalAlpha = 0.12;
  pen.fill();
  pen.globalAlpha = 0.9;
  pen.strokeStyle = ink.quiet;
  pen.lineWidth = 1;
  pen.setLineDash([2, 3]);
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

function drawLabels(
  pen: CanvasRenderingContext2D,
  map: PointMap,
  picture: Picture,
  ink: Ink,
  { clientWidth, clientHeight }: HTMLCanvasElement,
): void {
  const { labels, focus, selected, hovered, near, pinned, matched } = picture;
  const nearby = new Set(near);
  pen.textBaseline = "middle";
  pen.lineWidth = 3;
  pen.strokeStyle = ink.halo;
  const write = (row: number, text: string, bold: boolean, x: number, y: number): void => {
    pen.font = bold ? BOLD : FONT;
    pen.strokeText(text, x, y);
    pen.fillStyle = row === focus || nearby.has(row) ? ink.accent : ink.text;
    pen.fillText(text, x, y);
  };
  const before = placedBy.get(map);
  if (map.gliding && before) {
    // Labels move with their points and are placed again after the transition.
    for (const { row, text, bold, dx, dy } of before) {
      const at = map.position(row);
      if (at) write(row, text, bold, at[0] + dx, at[1] + dy);
    }
    return;
  }
  const rows: number[] = [];
  const seen = new Set<number>();
  const add = (row: number | null): void => {
    if (row === null || seen.has(row)) return;
    seen.add(row);
    rows.push(row);
  };
  add(focus);
  add(hovered);
  pinned.forEach(add);
  if (selected.length <= FEW) selected.forEach(add);
  const always = rows.length;
  selected.forEach(add);
  near.forEach(add);
  if (matched) for (const row of matched) add(row);
  // During a search or with a focus, other labels would distract.
  else if (picture.showLabels)
    for (let i = 0; i < picture.ranked.length && rows.length < TRIED; i++) add(picture.ranked[i]!);
  const wishes: (Wish & { row: number })[] = [];
  rows.slice(0, TRIED).forEach((row, i) => {
    const at = map.position(row);
    const text = short(labels[row] ?? "");
    if (!at || !text || at[0] < 0 || at[1] < 0 || at[0] > clientWidth || at[1] > clientHeight) return;
    const width = widthOf(pen, text, i < always ? BOLD : FONT);
    wishes.push({ row, text, x: at[0], y: at[1], width: width + 4, height: LINE, always: i < always });
  });
  const placed: Placed[] = [];
  for (const { wish, x, y } of placeLabels(wishes, clientWidth, clientHeight)) {
    const { text, row, always, x: px, y: py } = wishes[wish]!;
    write(row, text, always, x + 2, y);
    placed.push({ row, text, bold: always, dx: x + 2 - px, dy: y - py });
  }
  placedBy.set(map, placed);
}
