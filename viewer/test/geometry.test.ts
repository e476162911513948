import { describe, expect, it } from "vitest";
import { boundsOf, density, fitAxes, matrixFor, place, spread } from "../src/logic/geometry";
import type { Frame } from "../src/source/types";

const frame = (values: number[], components = 2): Frame => ({
  values: Float32Array.from(values),
  n: values.length / components,
  components,
});

describe("place", () => {
  it("puts the middle of the axes in the middle and keeps one scale", () => {
    const fit = fitAxes([
      [0, 10],
      [0, 20],
    ]);
    const { x, y } = place(frame([5, 10, 5, 20, 10, 10]), fit);
    expect([x[0], y[0]]).toEqual([0, 0]);
    expect(y[1]!).toBeCloseTo(1 / 1.08);
    expect(x[2]!).toBeCloseTo(y[1]! / 2);
  });
  it("marks rows without a place, whichever coordinate is missing", () => {
    const { x, known } = place(
      frame([NaN, 1, 1, NaN, 1, 1]),
      fitAxes([
        [0, 2],
        [0, 2],
      ]),
    );
    expect([...known]).toEqual([0, 0, 1]);
    expect([...x].every(Number.isFinite)).toBe(true);
  });
  it("turns a 3-D map without changing any distance", () => {
    const fit = { center: [0, 0, 0], half: 1 };
    const points = frame([0.1, 0.2, 0.3, -0.5, 0.4, 0.1], 3);
    const between = (turn: { yaw: number; pitch: number }): number => {
      const { x, y, z } = place(points, fit, turn);
      return Math.hypot(x[0]! - x[1]!, y[0]! - y[1]!, z![0]! - z![1]!);
    };
    expect(between({ yaw: 0, pitch: 0 })).toBeCloseTo(Math.hypot(0.6, 0.2, 0.2), 6);
    for (const turn of [
      { yaw: 0.7, pitch: 0 },
      { yaw: -2, pitch: 1.1 },
    ]) {
      expect(between(turn)).toBeCloseTo(between({ yaw: 0, pitch: 0 }), 6);
    }
  });
  it("turned by a quarter shows what was in depth", () => {
    const { x, z } = place(frame([0, 0, 1], 3), { center: [0, 0, 0], half: 1 }, { yaw: Math.PI / 2, pitch: 0 });
    expect(x[0]!).toBeCloseTo(1, 6);
    expect(z![0]!).toBeCloseTo(0, 6);
  });
});

describe("spread", () => {
  it("is the root mean square of the axes' standard deviations, in units of the drawing", () => {
    // Deviations 1 and 2: sqrt((1 + 4) / 2).
    expect(spread(frame([-1, -2, 1, 2, NaN, NaN]), { center: [0, 0], half: 2 })).toBeCloseTo(Math.sqrt(2.5) / 2, 6);
  });
});

describe("boundsOf", () => {
  it("goes around all frames and passes over NaN", () => {
    expect(boundsOf([frame([0, 5, NaN, NaN]), frame([-1, 2, 4, 3])])).toEqual([
      [-1, 4],
      [2, 5],
    ]);
  });
  it("gives something for nothing", () => {
    expect(boundsOf([frame([NaN, NaN])])).toEqual([
      [-1, 1],
      [-1, 1],
    ]);
  });
});

describe("density", () => {
  it("is highest where most points are, and counts only what is shown", () => {
    const placed = place(frame([-0.5, 0.5, -0.5, 0.5, -0.5, 0.5, 0.5, -0.5]), { center: [0, 0], half: 1 });
    const at = (grid: Float32Array, x: number, y: number): number =>
      grid[Math.floor((1 - y) * 32) * 64 + Math.floor((1 + x) * 32)]!;
    const all = density(placed, new Uint8Array(4).fill(1), 64, 1);
    expect(at(all, -0.5, 0.5)).toBeCloseTo(1, 1);
    expect(at(all, 0.5, -0.5)).toBeLessThan(0.5);
    expect(at(all, 0.5, -0.5)).toBeGreaterThan(0.1);
    const one = density(placed, Uint8Array.of(0, 0, 0, 1), 64, 1);
    expect(at(one, -0.5, 0.5)).toBe(0);
    expect(Math.max(...one)).toBe(1);
  });
});

describe("matrixFor", () => {
  it("brings all shown points into view, in the narrower direction too", () => {
    const placed = place(frame([-3, 0, 5, 1, 100, 100]), { center: [0, 0], half: 1 });
    for (const aspect of [0.5, 2]) {
      const m = matrixFor([{ placed, shown: Uint8Array.of(1, 1, 0) }], aspect)!;
      for (const i of [0, 1]) {
        expect(Math.abs(m[0]! * placed.x[i]! + m[12]!)).toBeLessThan(aspect);
        expect(Math.abs(m[5]! * placed.y[i]! + m[13]!)).toBeLessThan(1);
      }
    }
  });
  it("has no answer for an empty map", () => {
    const placed = place(frame([1, 1]), { center: [0, 0], half: 1 });
    expect(matrixFor([{ placed, shown: Uint8Array.of(0) }], 1)).toBeNull();
  });
});
