/** Step of the slider, and playback. */
import { computed } from "@preact/signals";
import { stepAt, unionOfSteps } from "../logic/steps";
import { source } from "../source";
import { active, changePanel, panels } from "./panels";
import { change, live, playing, view } from "./store";

/** Steps of the slider. */
export const timeline = computed(() => {
  const shown = view.value.linked ? panels.value : active.value ? [active.value] : [];
  return unionOfSteps(shown.map((panel) => panel.steps.value));
});
/** Whether there are, or may be, several steps. */
export const hasTime = computed(() => source.abilities.live || timeline.value.length > 1);
/** Step of the slider. */
export const stepNow = computed(() => {
  const steps = timeline.value;
  const wanted = view.value.linked ? view.value.step : (active.value?.spec.value.step ?? null);
  return wanted === null ? (steps.at(-1) ?? null) : stepAt(steps, wanted);
});
export function goTo(step: number | null): void {
  // At the last step, a view follows the training; so does a link to it.
  const wanted = live.value && step === timeline.value.at(-1) ? null : step;
  if (view.value.linked) change({ step: wanted });
  else if (active.value) changePanel(active.value.index, { step: wanted });
}
export function move(by: number): void {
  const steps = timeline.value;
  if (stepNow.value === null) return;
  const to = Math.min(steps.length - 1, Math.max(0, steps.indexOf(stepNow.value) + by));
  goTo(steps[to]!);
}
const PLAY_MS = 1000;
let playTimer = 0;
export function keepPlaying(): void {
  clearTimeout(playTimer);
  if (!playing.value) return;
  const { speed } = view.value;
  const step = stepNow.value;
  const ready = panels.value.every((panel) => !panel.scene.value.loading);
  if (!ready || step === null) return;
  const next = timeline.value[timeline.value.indexOf(step) + 1];
  if (next === undefined) {
    playing.value = false;
    return;
  }
  for (const panel of panels.value) panel.prefetch(next);
  playTimer = window.setTimeout(() => goTo(next), PLAY_MS / speed);
}
export function play(on = !playing.value): void {
  const steps = timeline.value;
  if (on && steps.length > 1 && stepNow.value === steps.at(-1)) goTo(steps[0]!);
  playing.value = on && steps.length > 1;
}
