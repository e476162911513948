import { describe, expect, it } from "vitest";
import { GROUPS } from "../src/colors";
import { readColumn } from "../src/columns";
import { HIDDEN_OTHERS, HIDDEN_UNKNOWN, lookOf, paintAlike, paintGroups, paintNumbers } from "../src/look";

const groups = (values: string[]) => {
  const column = readColumn(values);
  if (column.kind !== "groups") throw new Error("not groups");
  return column;
};
const paint = (values: string[], off: string[] = [], order = groups(values).names) =>
  paintGroups(groups(values), { off: new Set(off), order, tone: "light" });
const frame = (x: number[]) => ({ values: Float32Array.from(x.flatMap((v) => [v, 0])), n: x.length, components: 2 });

describe("paintGroups", () => {
  it("gives each group a color and the unknown a gray", () => {
    const { palette, colors, legend } = paint(["a", "b", "", "a"]);
    expect([...colors].map((i) => palette[i])).toEqual([GROUPS[0], GROUPS[1], palette.at(-1), GROUPS[0]]);
    if (legend.kind !== "groups") throw new Error("no groups");
    expect(legend.groups.map(({ name, count }) => [name, count])).toEqual([
      ["a", 2],
      ["b", 1],
      [HIDDEN_UNKNOWN, 1],
    ]);
  });
  it("gives a group the same color in a map where it is not the largest", () => {
    const first = groups(["a", "a", "b"]);
    const { palette, colors } = paint(["b", "b", "a", "new"], [], first.names);
    expect([...colors].map((i) => palette[i])).toEqual([GROUPS[1], GROUPS[1], GROUPS[0], GROUPS[2]]);
  });
  it("hides groups, the small ones together, and those without a group", () => {
    expect([...paint(["a", "b", "", "a"], ["a"]).hidden!]).toEqual([1, 0, 0, 1]);
    expect([...paint(["a", "b", "", "a"], [HIDDEN_UNKNOWN]).hidden!]).toEqual([0, 0, 1, 0]);
    const many = Array.from({ length: 30 }, (_, i) => `g${i % 15}`);
    const { hidden, palette, colors } = paint(many, [HIDDEN_OTHERS]);
    expect(hidden!.reduce((a, b) => a + b)).toBe(6);
    hidden!.forEach((off, i) => expect(palette[colors[i]!] === "#8a8a90").toBe(off === 1));
  });
});

describe("paintNumbers", () => {
  it("colors from one end of the scale to the other, and what is unknown gray", () => {
    const scale = { low: 0, high: 10, log: false, ramp: "viridis" as const };
    const { palette, colors } = paintNumbers(Float32Array.of(0, 10, NaN, 99), scale, "dark");
    expect([...colors]).toEqual([0, palette.length - 2, palette.length - 1, palette.length - 2]);
  });
});

describe("lookOf", () => {
  it("leaves out hidden groups, rows without a place, and rows beyond a range", () => {
    const seen = lookOf(paint(["a", "b", "b", "b"], ["a"]), frame([1, NaN, 2, 3]), [
      { values: Float32Array.of(1, 1, 5, 1), low: 0, high: 2 },
    ]);
    expect([...seen.shown]).toEqual([0, 0, 0, 1]);
    expect(seen.count).toBe(1);
  });
  it("shows all where nothing is left out, and never a row whose number is unknown", () => {
    expect(lookOf(paintAlike(3, "light"), frame([1, 2, 3])).count).toBe(3);
    const seen = lookOf(paintAlike(2, "light"), frame([1, 2]), [{ values: Float32Array.of(NaN, 1), low: 0, high: 2 }]);
    expect([...seen.shown]).toEqual([0, 1]);
  });
});
