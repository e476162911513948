import { describe, expect, it } from "vitest";
import { place } from "../src/logic/geometry";
import { Grid, isInside, rowsAt } from "../src/logic/pick";

/** Numbers that look random and are the same every time. */
function numbers(count: number, seed = 7): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

const n = 500;
const placed = place({ values: Float32Array.from(numbers(2 * n)), n, components: 2 }, { center: [0, 0], half: 1 });
const shown = Uint8Array.from({ length: n }, (_, i) => Number(i % 7 !== 0));
const grid = new Grid(placed, shown);

describe("rows at one place", () => {
  it("counts equal coordinates, and none for a row without a place", () => {
    const values = Float32Array.from([1, 2, 1, 2, 1, 3, NaN, NaN, 1, 2]);
    const frame = { values, n: 5, components: 2 };
    expect([0, 1, 2, 3, 4].map((row) => rowsAt(frame, row))).toEqual([3, 3, 1, 0, 3]);
  });
});

describe("nearest", () => {
  it("agrees with looking at every point", () => {
    const places = numbers(200, 3);
    for (let q = 0; q < 100; q++) {
      const [x, y, radius] = [places[2 * q]! * 1.2, places[2 * q + 1]! * 1.2, 0.02 + 0.1 * (q % 5)];
      let [best, least]: [number | null, number] = [null, radius];
      for (let i = 0; i < n; i++) {
        const far = Math.hypot(placed.x[i]! - x, placed.y[i]! - y);
        if (shown[i] && far < least) [best, least] = [i, far];
      }
      expect(grid.nearest(x, y, radius)).toBe(best);
    }
  });
  it("finds nothing on an empty map", () => {
    expect(new Grid(placed, new Uint8Array(n)).nearest(0, 0, 9)).toBeNull();
  });
});

describe("inside", () => {
  it("agrees with testing every point, hidden ones left out", () => {
    const star: [number, number][] = Array.from({ length: 10 }, (_, i) => {
      const r = i % 2 ? 0.3 : 0.9;
      return [r * Math.cos((i * Math.PI) / 5), r * Math.sin((i * Math.PI) / 5)];
    });
    const wanted = Array.from({ length: n }, (_, i) => i).filter(
      (i) => shown[i] && isInside(star, placed.x[i]!, placed.y[i]!),
    );
    expect(wanted.length).toBeGreaterThan(20);
    expect(grid.inside(star)).toEqual(wanted);
  });
  it("knows a square with a corner cut out", () => {
    const hooked: [number, number][] = [
      [0, 0],
      [2, 0],
      [2, 2],
      [1, 2],
      [1, 1],
      [0, 1],
    ];
    expect(isInside(hooked, 0.5, 0.5)).toBe(true);
    expect(isInside(hooked, 1.5, 1.5)).toBe(true);
    expect(isInside(hooked, 0.5, 1.5)).toBe(false);
  });
});
