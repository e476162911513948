/** Alignment of the runs of the panels: aligned maps at once, a joint projection after the server has computed it. */
import { computed, effect, signal } from "@preact/signals";
import { source } from "../source";
import type { Pair } from "../source/types";
import { places } from "./places";
import type { Aligned } from "./scene";
import { playing, view } from "./store";

type Stage =
  | { state: "off" }
  | { state: "procrustes" }
  | { state: "working"; done: number }
  | { state: "ready"; shared: number; axes: [number, number][] | null }
  | { state: "failed"; error: string };

const ASK_MS = 700;
const stage = signal<Stage>({ state: "off" });

/** Comparison of panel a with panel `other`, if they show different runs by the same method. */
function pairWith(other: number): Pair | null {
  const [a, b] = [places.value[0], places.value[other]];
  if (!view.value.aligned || !a || !b || a === b) return null;
  const [x, y] = [a.spec.value, b.spec.value];
  if ((x.run === y.run && x.table === y.table) || x.map !== y.map) return null;
  if (a.step.value === null || b.step.value === null) return null;
  return {
    run_a: x.run,
    table_a: x.table,
    step_a: a.step.value,
    run_b: y.run,
    table_b: y.table,
    step_b: b.step.value,
    projection: x.map,
  };
}

/** First panel that differs from panel a: the two are projected jointly. Other panels are aligned with panel a. */
const partner = computed(() => {
  for (let i = 1; i < places.value.length; i++) {
    const pair = pairWith(i);
    if (pair) return { index: i, key: JSON.stringify(pair), pair };
  }
  return null;
});
const partnerKey = computed(() => partner.value?.key ?? "");

let asked = "";
let timer = 0;
function keepComparing(): void {
  const key = partnerKey.value;
  const wait = playing.value;
  clearTimeout(timer);
  if (key !== asked) {
    asked = key;
    stage.value = { state: key ? "procrustes" : "off" };
  }
  // A joint projection takes seconds, so it is requested after the view has stayed at a step.
  if (!key || wait || stage.peek().state === "ready" || stage.peek().state === "failed") return;
  const ask = async (): Promise<void> => {
    let next: Stage;
    try {
      const answer = await source.compare(JSON.parse(key) as Pair);
      next =
        answer.state === "ready"
          ? { state: "ready", shared: answer.n_shared, axes: answer.axes ?? null }
          : { state: "working", done: answer.done };
    } catch (error) {
      next = { state: "failed", error: error instanceof Error ? error.message : String(error) };
    }
    if (key !== asked) return;
    stage.value = next;
    if (next.state === "working" && !playing.peek()) timer = window.setTimeout(ask, ASK_MS);
  };
  timer = window.setTimeout(ask, ASK_MS);
}
/** Start to request joint projections. */
export const startComparing = (): void => void effect(keepComparing);
const joint = computed(() => (stage.value.state === "ready" ? { axes: stage.value.axes } : null));

export const comparison = {
  stage,
  partner,
  /** Alignment of panel `index`; null for its stored map. */
  of(index: number): Aligned | null {
    const mate = partner.value;
    if (mate && joint.value && (index === 0 || index === mate.index)) {
      const side = index === 0 ? "a" : "b";
      return { key: `joint${mate.key}`, pair: mate.pair, side, how: "joint", axes: joint.value.axes };
    }
    const pair = index > 0 ? pairWith(index) : null;
    return pair && { key: `procrustes${JSON.stringify(pair)}`, pair, side: "b", how: "procrustes", axes: null };
  },
};
