/** Model of one panel: its run, rows, frame, and the appearance of every point. */
import { type ReadonlySignal, computed, signal } from "@preact/signals";
import { source } from "../source";
import { type Clusters, clusterColumn, clusterStep, loadClusters } from "./clusters";
import { type Scale, scaleFor } from "../logic/colors";
import type { Column } from "../logic/columns";
import { comparison } from "./compare";
import { type Look, type Paint, lookOf, paintAlike, paintGroups, paintNumbers } from "../logic/look";
import { type Resource, resource } from "./resource";
import {
  type Rows,
  type Scene,
  alignedFrame,
  isMetric,
  loadMetrics,
  loadScales,
  numbersIn,
  ownFrame,
  rank,
  withIndex,
} from "./scene";
import { placeOf } from "./places";
import { palette, view } from "./store";
import { comparableFrames, stepAt, trailSteps } from "../logic/steps";
import type { At, Frame, FrameInfo, Neighborhood } from "../source/types";
import type { PanelSpec } from "../logic/view";

export const LETTERS = "abcd";
/** Colors of panels in curves, different from the colors of groups with the same index. */
export const PANEL_COLORS = ["#2932e1", "#d55e00", "#009e73", "#cc79a7"];

/** Number of frames of a trail. */
const TRAIL = 6;

export class PanelModel {
  readonly spec: ReadonlySignal<PanelSpec>;
  readonly rows: Resource<Rows>;
  readonly steps: ReadonlySignal<number[]>;
  readonly step: ReadonlySignal<number | null>;
  /** Shown snapshot. */
  readonly at: ReadonlySignal<At | null>;
  readonly metricNames: Resource<string[]>;
  readonly info: Resource<FrameInfo>;
  readonly scene: Resource<Scene>;
  readonly scales: Resource<Map<string, Scale>>;
  /** Neighbors of the word in focus at the shown step and at the compared step. */
  readonly near: Resource<Neighborhood>;
  readonly before: Resource<Neighborhood>;
  readonly baseline: ReadonlySignal<number | null>;
  /** Last stored frames since the map was redrawn, for trails. */
  readonly trail: Resource<Frame[]>;
  /** Rows by importance: watched, then frequent ones. */
  readonly ranked: ReadonlySignal<number[]>;
  /** Rows in clusters that only the method of this map shows; null if maps were not compared. */
  readonly onlyHere = computed(() => {
    const clusters = this.info.value.value?.only_here;
    return clusters ? new Set(clusters.flat()) : null;
  });
  readonly darkPoints = signal(false);
  /** Requested by the first panel only: the clusters of its run determine the colors of all panels. */
  readonly clusters: Resource<Clusters>;
  private readonly clusterColumn: ReadonlySignal<Column | null>;
  // Parts of the view: a change of the step must not recompute all colors.
  private readonly color = computed(() => view.value.color);
  private readonly hidden = computed(() => view.value.hidden);
  private readonly ranges = computed(() => view.value.ranges);
  private readonly paint: ReadonlySignal<Paint | null>;
  readonly look: ReadonlySignal<Look | null>;

  /** Panel whose groups determine the colors. */
  private readonly first: PanelModel;

  /** @param first First panel; null for that panel itself. */
  constructor(
    readonly index: number,
    first: PanelModel | null,
  ) {
    const place = placeOf(index);
    const { table, at } = place;
    this.first = first ?? this;
    [this.spec, this.steps, this.step, this.at] = [place.spec, place.steps, place.step, at];

    this.rows = resource(() => {
      const { run, table: name } = this.spec.value;
      const version = table.value?.rows_version;
      if (!version) return null;
      return { key: `${run}\n${name}\n${version}`, load: async () => withIndex(await source.rows(run, name, version)) };
    });
    this.metricNames = resource(
      () =>
        at.value && {
          key: JSON.stringify(at.value),
          load: (
            (x) => () =>
              source.rowMetrics(x)
          )(at.value),
        },
    );
    this.info = resource(() => {
      const { map } = this.spec.value;
      return (
        at.value && {
          key: `${JSON.stringify(at.value)}${map}`,
          load: (
            (x) => () =>
              source.frameInfo(x, map)
          )(at.value),
        }
      );
    });

    const keys = computed(() =>
      [...new Set([view.value.color, ...Object.keys(view.value.ranges)].filter(isMetric))].sort().join("\n"),
    );
    this.scales = resource(() => {
      const { run, table: name, map } = this.spec.value;
      const wanted = keys.value;
      const [first, second] = this.steps.value;
      const end = this.steps.value.at(-1);
      if (!wanted || first === undefined || end === undefined) return null;
      const steps = [...new Set([second ?? first, end])];
      const key = `${run}\n${name}\n${map}\n${wanted}\n${steps.join()}`;
      return { key, load: () => loadScales(run, name, map, wanted.split("\n"), steps) };
    });
    this.scene = resource(() => {
      const { run, table: name, map } = this.spec.value;
      const end = this.steps.value.at(-1);
      const here = at.value;
      if (!here || end === undefined || !table.value?.projections.includes(map)) return null;
      const paired = comparison.of(index);
      const wanted = keys.value;
      const key = `${JSON.stringify(here)}${map}\n${end}\n${wanted}\n${paired?.key ?? ""}`;
      return {
        key,
        load: async () => {
          const [{ frame, fit, alignment }, metrics] = await Promise.all([
            paired ? alignedFrame(paired).catch(() => ownFrame(here, map, end)) : ownFrame(here, map, end),
            loadMetrics(here, map, wanted ? wanted.split("\n") : []),
          ]);
          return { run, table: name, map, step: here.step, frame, fit, alignment, metrics };
        },
      };
    });
    this.clusters = resource(() => {
      const rows = this.rows.value.value;
      const asked = index === 0 ? clusterStep(view.value.color) : null;
      const step = asked === null ? null : stepAt(this.steps.value, asked);
      if (!rows || step === null) return null;
      const { run, table } = this.spec.value;
      const key = `${run}\n${table}\n${step}\n${rows.version}`;
      return { key, load: () => loadClusters(rows, this.ranked.peek(), { run, table, step }) };
    });
    this.clusterColumn = computed(() => {
      const rows = this.rows.value.value;
      const found = this.first.clusters.value.value;
      return rows && found && palette.value ? clusterColumn(rows, found, palette.value) : null;
    });
    this.paint = computed(() => this.makePaint());
    this.look = computed(() => this.makeLook());
    this.ranked = computed(() => rank(this.rows.value.value));

    const focused = computed(() => (view.value.focus === null ? null : this.row(view.value.focus)));
    this.baseline = computed(() => {
      const here = this.steps.value.indexOf(this.step.value ?? NaN);
      return here < 1 ? null : this.steps.value[view.value.baseline === "first" ? 0 : here - 1]!;
    });
    const neighborsAt = (step: number | null) => {
      const { run, table } = this.spec.value;
      const row = focused.value;
      const { k, distance } = view.value;
      if (step === null || row === null) return null;
      const key = `${run}\n${table}\n${step}\n${row}\n${k}\n${distance}`;
      return { key, load: () => source.neighbors({ run, table, step }, row, k, distance) };
    };
    this.near = resource(() => neighborsAt(this.step.value));
    this.before = resource(() => neighborsAt(this.baseline.value));
    this.trail = resource(() => {
      const { run, table: name, map } = this.spec.value;
      const here = at.value;
      const { trails, pins, selected } = view.value;
      const some = trails && (focused.value !== null || pins.length > 0 || selected.length > 0);
      if (!some || !here || !table.value?.projections.includes(map)) return null;
      const steps = trailSteps(this.steps.value, here.step, table.value.n > 20_000 ? 4 : TRAIL);
      const load = async (): Promise<Frame[]> => {
        const ats = steps.map((step) => ({ run, table: name, step }));
        const [frames, infos] = await Promise.all([
          Promise.all(ats.map((at) => source.frame(at, map))),
          Promise.all(ats.map((at) => source.frameInfo(at, map))),
        ]);
        return comparableFrames(frames, infos.map(({ redrawn }) => redrawn ?? false));
      };
      return { key: `${run}\n${name}\n${map}\n${steps.join()}`, load };
    });
  }

  get letter(): string {
    return LETTERS[this.index] ?? "?";
  }

  /** Prefetch the data of another step. */
  prefetch(wanted: number): void {
    const { run, table, map } = this.spec.peek();
    const step = stepAt(this.steps.peek(), wanted);
    if (step === null || step === this.step.peek()) return;
    source.frame({ run, table, step }, map).catch(() => {});
  }

  row(label: string): number | null {
    return this.rows.value.value?.index.get(label) ?? null;
  }

  column(name: string): Column | null {
    if (clusterStep(name) !== null) return this.clusterColumn.value;
    return this.rows.value.value?.parsed.get(name) ?? null;
  }

  /** Numbers by column or "metric:<name>" of the drawn step. */
  numbers(key: string): Float32Array | null {
    if (isMetric(key)) return this.scene.value.value?.metrics.get(key) ?? null;
    const rows = this.rows.value.value;
    return rows ? numbersIn(rows, key).values : null;
  }

  /** Scale of a key, the same at all steps. */
  scale(key: string): Scale | null {
    if (isMetric(key)) return this.scales.value.value?.get(key) ?? null;
    const rows = this.rows.value.value;
    return rows ? numbersIn(rows, key).scale : null;
  }

  private makePaint(): Paint | null {
    const rows = this.rows.value.value;
    const n = rows?.labels.length;
    const inks = palette.value;
    if (!rows || !n || !inks) return null;
    const [color, hidden] = [this.color.value, this.hidden.value];
    const tone = this.darkPoints.value ? "dark" : "light";
    if (isMetric(color)) {
      // At the first step, metrics of change are unknown.
      const values = this.numbers(color) ?? new Float32Array(n).fill(NaN);
      return paintNumbers(values, this.scale(color) ?? scaleFor(values), { tone, palette: inks });
    }
    const column = this.column(color);
    if (column?.kind === "numbers")
      return paintNumbers(column.values, this.scale(color) ?? scaleFor(column.values), { tone, palette: inks });
    if (!column) return paintAlike(n, { tone, palette: inks });
    const before = this.first.column(color);
    return paintGroups(column, {
      off: new Set(hidden),
      before: before?.kind === "groups" ? before.colors : new Map(),
      tone,
      palette: inks,
    });
  }

  private makeLook(): Look | null {
    const paint = this.paint.value;
    const frame = this.scene.value.value?.frame;
    if (!paint || !frame || frame.n !== paint.colors.length) return null;
    const ranges = Object.entries(this.ranges.value).flatMap(([key, [low, high]]) => {
      const values = this.numbers(key);
      return values ? [{ values, low, high }] : [];
    });
    return lookOf(paint, frame, ranges);
  }

  dispose(): void {
    for (const part of [
      this.rows,
      this.metricNames,
      this.info,
      this.scales,
      this.scene,
      this.near,
      this.before,
      this.trail,
      this.clusters,
    ])
      part.dispose();
  }
}
