/** View and available data: the signals that all others depend on. */
import { computed, signal } from "@preact/signals";
import { type View, decodeView } from "../logic/view";
import type { SourceError } from "../source";
import type { Palette, RunInfo, TableInfo } from "../source/types";

export const view = signal<View>(decodeView(location.hash));
export const change = (part: Partial<View>): void => {
  view.value = { ...view.value, ...part };
};
/** Field of the view as a signal. */
export const field = <Name extends keyof View>(name: Name) => computed(() => view.value[name]);

// Available data.

export const runs = signal<RunInfo[] | null>(null);
export const palette = signal<Palette | null>(null);
export const missing = signal<string[]>([]);
export const failure = signal<SourceError | null>(null);
export const live = signal(true);
/** Incremented when the server has new data. */
export const freshness = signal(0);
export const noWebgl = signal(false);

export const tableOf = (run: string, table: string): TableInfo | null =>
  runs.value?.find(({ name }) => name === run)?.tables.find(({ name }) => name === table) ?? null;

// Activities.

/** Whether the slider is being dragged: transitions would lag behind. */
export const scrubbing = signal(false);
export const playing = signal(false);
