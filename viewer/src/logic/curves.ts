/** Lines of several curves on common steps, and the steps without a finite value. */
import type { Curve } from "../source/types";
import { unionOfSteps } from "./steps";

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
