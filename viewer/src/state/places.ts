/** Content of each panel, computed from the view and the list of runs before it is fetched. */
import { type ReadonlySignal, computed } from "@preact/signals";
import { stepAt } from "../logic/steps";
import type { PanelSpec } from "../logic/view";
import type { At, TableInfo } from "../source/types";
import { tableOf, view } from "./store";

export interface Place {
  readonly spec: ReadonlySignal<PanelSpec>;
  readonly table: ReadonlySignal<TableInfo | null>;
  /** Available steps, ascending. */
  readonly steps: ReadonlySignal<number[]>;
  readonly step: ReadonlySignal<number | null>;
  /** The snapshot that is shown. */
  readonly at: ReadonlySignal<At | null>;
}

function makePlace(index: number): Place {
  const empty: PanelSpec = { run: "", table: "", map: "", step: null };
  // Equal specs must be identical, so that a change of color fetches no frame.
  let last = empty;
  const spec = computed(() => {
    const next = view.value.panels[index] ?? empty;
    if (next.run !== last.run || next.table !== last.table || next.map !== last.map || next.step !== last.step)
      last = next;
    return last;
  });
  const table = computed(() => tableOf(spec.value.run, spec.value.table));
  const steps = computed(() => table.value?.analyzed ?? []);
  const wanted = computed(() => (view.value.linked ? view.value.step : spec.value.step));
  const step = computed(() =>
    wanted.value === null ? (steps.value.at(-1) ?? null) : stepAt(steps.value, wanted.value),
  );
  const at = computed(() => {
    const { run, table } = spec.value;
    return step.value === null ? null : { run, table, step: step.value };
  });
  return { spec, table, steps, step, at };
}

const made: Place[] = [];
export const placeOf = (index: number): Place => (made[index] ??= makePlace(index));
/** Places of all panels, in order. */
export const places = computed(() => view.value.panels.map((_, index) => placeOf(index)));
