/** Panels: a model for each panel of the view. */
import { computed, signal } from "@preact/signals";
import { mapLike } from "../logic/maps";
import { MAX_PANELS, type PanelSpec } from "../logic/view";
import type { RunInfo } from "../source/types";
import { PanelModel } from "./model";
import { change, runs, tableOf, view } from "./store";

export const panels = signal<PanelModel[]>([]);
export const activePanel = signal(0);
export const active = computed(() => panels.value[Math.min(activePanel.value, panels.value.length - 1)] ?? null);

/** Keep one model for each panel of the view. */
export function keepModels(): void {
  const { length } = view.value.panels;
  const now = panels.peek();
  if (now.length === length) return;
  for (const gone of now.slice(length)) gone.dispose();
  const next = now.slice(0, length);
  while (next.length < length) next.push(new PanelModel(next.length, next[0] ?? null));
  panels.value = next;
}

export const changePanel = (index: number, part: Partial<PanelSpec>): void => {
  change({ panels: view.value.panels.map((panel, i) => (i === index ? { ...panel, ...part } : panel)) });
};

/** Panel of a run: its first analyzed table, with t-SNE if available. */
export function specFor(run: RunInfo, map?: string): PanelSpec | null {
  const table = run.tables.find(({ analyzed }) => analyzed.length) ?? run.tables[0];
  if (!table) return null;
  const maps = [map, ...["tsne", "umap", "pca"].map((method) => mapLike(table.projections, method, false))];
  return {
    run: run.name,
    table: table.name,
    map: maps.find((m) => m && table.projections.includes(m)) ?? table.projections[0] ?? "tsne",
    step: null,
  };
}

/** First map of a panel's table that no panel shows; the panel's own map if all are shown. */
function anotherMap(specs: PanelSpec[], last: PanelSpec): PanelSpec {
  const { run, table } = last;
  const shown = new Set(specs.flatMap((spec) => (spec.run === run && spec.table === table ? [spec.map] : [])));
  const map = tableOf(run, table)?.projections.find((name) => !shown.has(name)) ?? last.map;
  return { ...last, map };
}

export function addPanel(): void {
  const { panels: specs } = view.value;
  if (specs.length >= MAX_PANELS || !runs.value) return;
  const shown = new Set(specs.map(({ run }) => run));
  const next = runs.value.find(
    ({ name, tables }) => !shown.has(name) && tables.some(({ analyzed }) => analyzed.length),
  );
  const last = specs.at(-1);
  const spec = (next && specFor(next, last?.map)) ?? (last ? anotherMap(specs, last) : null);
  if (spec) change({ panels: [...specs, spec] });
  activePanel.value = specs.length;
}

export function removePanel(index: number): void {
  if (view.value.panels.length < 2) return;
  // Models belong to places: the last one is disposed of, the others get new specs.
  change({ panels: view.value.panels.filter((_, i) => i !== index) });
  activePanel.value = Math.max(0, Math.min(activePanel.value, view.value.panels.length - 1));
}
