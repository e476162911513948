/** Words in focus, selected, pinned or found. */
import { computed, signal } from "@preact/signals";
import { find } from "../logic/find";
import { panels } from "./panels";
import { change, field, view } from "./store";

export const lasso = signal(false);
/** Word under the pointer, in all panels. */
export const hovered = signal<string | null>(null);
export const focus = field("focus");
export const pins = field("pins");

export const choose = (label: string | null): void => {
  change({ focus: label, selected: label === null ? [] : [label] });
};
export const selectMany = (labels: string[]): void => {
  change({ selected: labels, focus: labels.length === 1 ? labels[0]! : labels.length ? view.value.focus : null });
};
export const clearSelection = (): void => change({ focus: null, selected: [] });
export const togglePin = (label: string): void => {
  const { pins } = view.value;
  change({ pins: pins.includes(label) ? pins.filter((pin) => pin !== label) : [...pins, label] });
};
export const MANY_PINS = 12;
export const pinAll = (labels: string[]): void => {
  change({ pins: [...new Set([...view.value.pins, ...labels.slice(0, MANY_PINS)])] });
};

const query = field("query");
const regex = field("regex");
/** Search in the labels of all panels, each label once. */
export const matches = computed(() => {
  const labels = [...new Set(panels.value.flatMap((panel) => panel.rows.value.value?.labels ?? []))];
  const { rows, error } = find(labels, query.value, regex.value);
  return { labels: rows.map((row) => labels[row]!), error };
});
export const matched = computed(() =>
  query.value.trim() && !matches.value.error ? new Set(matches.value.labels) : null,
);
