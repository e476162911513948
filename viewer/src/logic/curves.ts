/** Lines of several curves on common steps, and the steps without a finite value. */
import type { Curve } from "../source/types";
import { stepAt, unionOfSteps } from "./steps";

interface Point {
  step: number;
  value: number;
}

/** Steps, and one list of values per curve: null where its value is not finite, undefined at steps of others. */
export function joined(curves: Curve[]): [number[], ...(number | null | undefined)[][]] {
  const steps = unionOfSteps(curves.map((curve) => curve.steps));
  const at = new Map(steps.map((step, i) => [step, i]));
  const lines = curves.map((curve) => {
    const values = Array.from<number | null | undefined>({ length: steps.length });
    curve.steps.forEach((step, i) => (values[at.get(step)!] = curve.values[i] ?? null));
    return values;
  });
  return [steps, ...lines];
}

/** Steps at which a curve has no finite value. */
export function gapsOf({ steps, values }: Curve): number[] {
  return steps.filter((_, i) => (values[i] ?? null) === null);
}

/** Point of a curve at a step; null if it has none, or no finite value. */
export function pointAt({ steps, values }: Curve, step: number | null): Point | null {
  const value = step === null ? null : (values[steps.indexOf(step)] ?? null);
  return value === null ? null : { step: step!, value };
}

/** Last point of a curve up to a step, for curves with steps of their own; null if it has none, or no finite value. */
export function pointUpTo(curve: Curve, step: number | null): Point | null {
  const last = step === null ? null : stepAt(curve.steps, step);
  return last === null || last > step! ? null : pointAt(curve, last);
}
