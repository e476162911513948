import { describe, expect, it } from "vitest";
import { affineBetween } from "../src/logic/affine";
import type { Frame } from "../src/source/types";

const random = (() => {
  let seed = 7;
  return () => (seed = (seed * 16807) % 2147483647) / 2147483647 - 0.5;
})();
const cloud = (n: number, components: number): Frame => ({
  values: Float32Array.from({ length: n * components }, () => 20 * random()),
  n,
  components,
});
/** Turn by 40 degrees, mirror, scale and shift: what laying one map on another does. */
const laid = ({ values, n, components }: Frame): Frame => {
  const out = new Float32Array(values.length);
  const [c, s] = [Math.cos(0.7), Math.sin(0.7)];
  for (let i = 0; i < n; i++) {
    const [x, y, z] = [0, 1, 2].map((k) => values[i * components + k]!) as [number, number, number];
    out[i * components] = 1.7 * (c * x + s * y) + 3;
    out[i * components + 1] = 1.7 * (s * x - c * y) - 5;
    if (components === 3) out[i * components + 2] = 1.7 * z + 1;
  }
  return { values: out, n, components };
};

describe("affineBetween", () => {
  it.each([2, 3])("finds how a map was laid, in %i dimensions, from rows that both have", (components) => {
    const own = cloud(2000, components);
    const there = laid(own);
    own.values[5 * components] = NaN;
    const other = cloud(10, components);
    const wanted = laid(other);
    const move = affineBetween(own, there)!;
    for (let i = 0; i < 10; i++) {
      const got = move([...other.values.subarray(i * components, (i + 1) * components)]);
      got.forEach((value, k) => expect(value).toBeCloseTo(wanted.values[i * components + k]!, 3));
    }
  });
  it("finds nothing where rows are too few, on a line, or not the same", () => {
    const line: Frame = { values: Float32Array.of(0, 0, 1, 1, 2, 2, 3, 3), n: 4, components: 2 };
    expect(affineBetween(line, line)).toBeNull();
    expect(affineBetween(cloud(2, 2), cloud(2, 2))).toBeNull();
    expect(affineBetween(cloud(9, 2), cloud(8, 2))).toBeNull();
  });
});
