import { describe, expect, it } from "vitest";
import { rampColors, scaleFor, shareOf, toRgb, valueAt } from "../src/logic/colors";

const luminance = (hex: string): number => {
  const [r, g, b] = toRgb(hex).map((v) =>
    v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4,
  ) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};

describe("scaleFor", () => {
  it("leaves out the odd ends, and is linear for even numbers", () => {
    const scale = scaleFor([...Array.from({ length: 100 }, (_, i) => i), 1e9]);
    expect(scale).toMatchObject({ log: false, ramp: "viridis" });
    expect(scale.high).toBeLessThan(100);
  });
  it("is logarithmic for frequencies as languages have them", () => {
    expect(scaleFor(Array.from({ length: 1000 }, (_, i) => 1e5 / (i + 1))).log).toBe(true);
  });
  it("keeps ends that mean something", () => {
    expect(scaleFor([0.4, 0.5], 0, 1)).toMatchObject({ low: 0, high: 1, log: false });
  });
  it("has a neutral middle at 0 for what goes both ways", () => {
    const scale = scaleFor([-1, -0.5, 0, 3]);
    expect(scale.ramp).toBe("diverging");
    expect(scale.low).toBe(-scale.high);
    const middle = toRgb(rampColors(scale)[Math.round(shareOf(scale, 0) * 63)]!);
    expect(Math.max(...middle) - Math.min(...middle)).toBeLessThan(20);
  });
  it("survives having nothing, or one value", () => {
    for (const values of [[], [NaN], [5, 5]]) expect(Number.isFinite(shareOf(scaleFor(values), 5))).toBe(true);
  });
});

describe("shareOf", () => {
  it.each([
    { low: 0, high: 10, log: false, ramp: "viridis" as const },
    { low: 1, high: 1000, log: true, ramp: "viridis" as const },
  ])("goes from 0 to 1, ever up, and back by valueAt: $log", (scale) => {
    expect(shareOf(scale, scale.low)).toBe(0);
    expect(shareOf(scale, scale.high)).toBe(1);
    expect(shareOf(scale, -99)).toBe(0);
    expect(shareOf(scale, 1e9)).toBe(1);
    let last = -1;
    for (let share = 0; share <= 1; share += 0.125) {
      const value = valueAt(scale, share);
      expect(shareOf(scale, value)).toBeCloseTo(share, 9);
      expect(value).toBeGreaterThan(last);
      last = value;
    }
  });
});

describe("colors", () => {
  it("of numbers grow lighter all the way, so that they can be told in gray", () => {
    const shades = rampColors({ low: 0, high: 1, log: false, ramp: "viridis" }).map(luminance);
    shades.slice(1).forEach((shade, i) => expect(shade).toBeGreaterThan(shades[i]!));
  });
});
