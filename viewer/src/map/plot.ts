/** Points of one map on one canvas, drawn by regl-scatterplot. */
import createScatterplot, { createSpatialIndex } from "regl-scatterplot";
import type { Placed } from "../logic/geometry";
import { Grid } from "../logic/pick";
import { type Renderer, rendererFor } from "./renderer";

/** Emphasis of a point; indices of the sizes and opacities below. */
export const PLAIN = 0;
export const FAINT = 1;
export const STRONG = 2;
export const NEAR = 3;
const EMPHASES = 4;
/** Number of depth levels of a 3-D map: farther points are smaller and fainter. */
const GRADES = 6;

export interface Drawing {
  placed: Placed;
  colors: Uint8Array;
  /** Rows in drawing order. */
  order: Uint32Array;
  shown: Uint8Array;
  emphasis: Uint8Array;
  palette: string[];
  size: number;
  opacity: number;
}

export interface Handlers {
  onLasso(rows: number[]): void;
  onView(view: Float32Array): void;
  /** Called after each drawn frame; overlays must be drawn synchronously. */
  onDraw(): void;
  /** Called when all points are at their final places. */
  onRest(glided: boolean): void;
}

/** Empty index for the library: points are found by `pick.ts` instead, with a grid that is created on demand. */
const nothing = createSpatialIndex([[1e9, 1e9]]);

const GLIDE_MS = 400;
/** Maximum distance in pixels between the pointer and a point under it. */
const REACH = 10;
const ease = (t: number): number => (t < 0.5 ? 4 * t ** 3 : 1 - (-2 * t + 2) ** 3 / 2);

export class PointMap {
  private readonly plot: ReturnType<typeof createScatterplot>;
  private matrix: Float32Array = new Float32Array([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
  private drawn: Drawing | null = null;
  /** Start of the points during a transition. */
  private from: Placed | null = null;
  private share = 1;
  private waiting: { drawing: Drawing; glide: boolean } | null = null;
  private busy = false;
  private styled = "";
  private chosen: number[] = [];
  private grid: Grid | null = null;
  private readonly renderer: Renderer;
  private readonly ends = new AbortController();
  private readonly watch: ResizeObserver;
  private width = 0;
  private height = 0;
  /** Last drawing: the points, the camera, and the progress of the transition. */
  private told: { drawn: Drawing | null; matrix: Float32Array; share: number } | null = null;
  /** Points in the form of the library. The arrays are reused: creating 50,000 takes longer than drawing them. */
  private points: number[][] = [];
  /** Rows in the order of the library, and the index of each row in this order. */
  private order: Uint32Array = new Uint32Array();
  private places: Uint32Array = new Uint32Array();
  /** Rows that the library draws. */
  private visible: Uint8Array = new Uint8Array();
  private gone = false;

  constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly handlers: Handlers,
  ) {
    this.renderer = rendererFor(canvas);
    // The address contains the whole state.
    canvas.addEventListener("webglcontextlost", () => {
      if (!this.gone) setTimeout(() => location.reload(), 1000);
    });
    const { signal } = this.ends;
    for (const event of ["mousemove", "mousedown", "mouseup", "wheel"])
      addEventListener(event, () => this.renderer.wake(), { signal, passive: true, capture: true });
    this.watch = new ResizeObserver(() => {
      this.width = canvas.clientWidth;
      this.height = canvas.clientHeight;
      this.renderer.wake();
    });
    this.watch.observe(canvas);
    this.width = canvas.clientWidth;
    this.height = canvas.clientHeight;
    this.plot = createScatterplot({
      renderer: this.renderer,
      canvas,
      colorBy: "category",
      sizeBy: "value",
      opacityBy: "value",
      pointColor: ["#000000", "#000000"],
      pointSize: [4],
      opacity: [1],
      pointSizeSelected: 2,
      pointOutlineWidth: 2,
      opacityInactiveScale: 0.75,
      opacityInactiveMax: 1,
      showReticle: false,
      lassoInitiator: false,
      lassoMinDelay: 8,
      lassoMinDist: 3,
      deselectOnDblClick: false,
      deselectOnEscape: false,
      spatialIndexUseWorker: false,
      actionKeyMap: { lasso: "shift" },
    } as never);
    // The library's types lack the names of its events.
    const on = this.plot.subscribe as unknown as (event: string, call: (told: never) => void) => void;
    on("deselect", () => (this.chosen = []));
    on("lassoEnd", ({ coordinates }: { coordinates: [number, number][] }) => {
      const polygon = coordinates.map(([x, y]): [number, number] => [x, y]);
      this.handlers.onLasso(this.found()?.inside(polygon) ?? []);
    });
    on("view", ({ view }: { view: Float32Array }) => this.handlers.onView(view));
    on("drawing", ({ view }: { view: Float32Array }) => {
      this.matrix = view;
      this.renderer.wake();
      const { drawn, share, told } = this;
      const same = told?.drawn === drawn && told?.share === share && view.every((part, i) => part === told.matrix[i]);
      if (same) return;
      this.told = { drawn, share, matrix: new Float32Array(view) };
      this.handlers.onDraw();
    });
  }

  private found(): Grid | null {
    if (this.drawn && !this.gliding) this.grid ??= new Grid(this.drawn.placed, this.drawn.shown);
    return this.grid;
  }

  /** Row at a place on the screen. */
  pick(clientX: number, clientY: number): number | null {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const [px, py] = [clientX - left, clientY - top];
    if (px < 0 || py < 0 || px > width || py > height) return null;
    const m = this.matrix;
    const s = m[0]! || 1;
    const x = (((px - width / 2) * 2) / height - m[12]!) / s;
    const y = (((height / 2 - py) * 2) / height - m[13]!) / s;
    return this.found()?.nearest(x, y, (REACH * 2) / height / s) ?? null;
  }

  /** Draw, with a transition from the current drawing. During a transition, only the newest request is kept. */
  draw(drawing: Drawing, glide: boolean): void {
    this.waiting = { drawing, glide: glide || (this.waiting?.glide ?? false) };
    if (!this.busy) void this.work();
  }

  private async work(): Promise<void> {
    this.busy = true;
    let glided = false;
    while (this.waiting && !this.gone) {
      const { drawing, glide } = this.waiting;
      this.waiting = null;
      this.style(drawing);
      const { x, y, z, known } = drawing.placed;
      const n = x.length;
      if (this.points.length !== n) this.points = Array.from({ length: n }, () => [0, 0, 0, 0]);
      const visible = new Uint8Array(n);
      const glides = glide && this.drawn?.placed.x.length === n && this.drawn.placed !== drawing.placed;
      // Transitions pair points by their index in the drawing: a new order waits for their end.
      const reordered = !(glides && this.order.length === n) && this.order !== drawing.order;
      if (reordered) this.setOrder(drawing.order);
      let same = !reordered && this.visible.length === n;
      for (let i = 0; i < n; i++) {
        const grade = z ? Math.min(GRADES - 1, Math.max(0, Math.floor((0.5 - z[i]! * 0.5) * GRADES))) : 0;
        const point = this.points[this.places[i]!]!;
        point[0] = x[i]!;
        point[1] = y[i]!;
        point[2] = drawing.colors[i]!;
        point[3] = drawing.emphasis[i]! * GRADES + grade;
        visible[i] = drawing.shown[i]! & known[i]!;
        same &&= visible[i] === this.visible[i];
      }
      this.visible = visible;
      glided ||= glides;
      this.from = glides ? this.drawn!.placed : null;
      this.share = glides ? 0 : 1;
      this.drawn = drawing;
      this.grid = null;
      this.renderer.wake();
      try {
        await this.plot.draw(this.points, {
          transition: glides,
          transitionDuration: GLIDE_MS,
          // Labels move too: the library requests the progress for every frame, so it is stored here.
          transitionEasing: (t: number) => (this.share = ease(Math.min(1, t))),
          zDataType: "categorical",
          wDataType: "categorical",
          spatialIndex: await nothing,
          select: this.chosen.filter((row) => row < n).map((row) => this.places[row]!),
          preventFilterReset: same,
          ...(same || visible.every(Boolean) ? {} : { filter: [...this.order].flatMap((row, place) => (visible[row] ? [place] : [])) }),
        });
      } catch {
        // A panel that is being closed rejects drawings.
      }
      this.from = null;
      this.share = 1;
    }
    this.busy = false;
    if (!this.gone) this.handlers.onRest(glided);
  }

  private style({ palette, size, opacity }: Drawing): void {
    const style = `${palette.join()}|${size}|${opacity}`;
    if (style === this.styled) return;
    this.styled = style;
    const sizes = [size, size * 0.8, size * 1.5, size * 1.35];
    const opacities = [opacity, opacity * 0.16, 1, 1];
    const grades = Array.from({ length: EMPHASES * GRADES }, (_, i) => 1 - 0.55 * ((i % GRADES) / (GRADES - 1)));
    const by = (values: number[], power: number): number[] =>
      grades.map((grade, i) => Math.min(values[Math.floor(i / GRADES)]! * grade ** power, 1e6));
    this.set({
      // The library treats a single color as none, and then ignores the categories.
      pointColor: palette.length > 1 ? palette : [palette[0]!, palette[0]!],
      pointSize: by(sizes, 0.8),
      opacity: by(opacities, 1),
    });
  }

  private setOrder(order: Uint32Array): void {
    this.order = order;
    this.places = new Uint32Array(order.length);
    order.forEach((row, place) => (this.places[row] = place));
  }

  /** Whether a transition is in progress. */
  get gliding(): boolean {
    return this.share < 1;
  }

  /** Mark rows, without an event. */
  select(rows: number[]): void {
    if (rows.length === this.chosen.length && rows.every((row, i) => row === this.chosen[i])) return;
    this.chosen = [...rows];
    if (!this.drawn) return;
    const places = rows.map((row) => this.places[row]!);
    this.plot.select(places, { preventEvent: true });
    this.renderer.wake();
  }

  private set(properties: Parameters<typeof this.plot.set>[0]): void {
    void this.plot.set(properties);
    this.renderer.wake();
  }

  setLasso(on: boolean): void {
    this.set({ mouseMode: on ? "lasso" : "panZoom" });
  }

  setTone(dark: boolean): void {
    const paper = dark ? "#1d1d1f" : "#ffffff";
    this.set({ backgroundColor: paper, lassoColor: dark ? "#aab0ff" : "#2932e1" });
  }

  /** Apply the camera of another map. */
  setView(view: Float32Array): void {
    this.plot.view(new Float32Array(view) as never, { preventEvent: true });
    this.renderer.wake();
  }

  /** Convert a place on the drawing to pixels on the canvas. */
  toPixels(x: number, y: number): [number, number] {
    const { width, height, matrix: m } = this;
    const u = m[0]! * x + m[4]! * y + m[12]!;
    const v = m[1]! * x + m[5]! * y + m[13]!;
    return [width / 2 + (u * height) / 2, height / 2 - (v * height) / 2];
  }

  /** Convert a length on the drawing to pixels. */
  pixels(length: number): number {
    return (Math.hypot(this.matrix[0]!, this.matrix[1]!) * length * this.height) / 2;
  }

  /** Current place of a row in pixels; null if it is not drawn. */
  position(row: number): [number, number] | null {
    const { drawn, from, share } = this;
    if (!drawn?.shown[row] || !drawn.placed.known[row]) return null;
    const { x, y } = drawn.placed;
    if (!from || share >= 1) return this.toPixels(x[row]!, y[row]!);
    const between = (a: number, b: number): number => a + (b - a) * share;
    return this.toPixels(between(from.x[row]!, x[row]!), between(from.y[row]!, y[row]!));
  }

  destroy(): void {
    this.gone = true;
    this.ends.abort();
    this.watch.disconnect();
    this.plot.destroy();
    this.renderer.destroy();
  }
}
