import { describe, expect, it } from "vitest";
import { readColumn } from "../src/logic/columns";
import { HIDDEN_OTHERS, HIDDEN_UNKNOWN, drawingOrder, lookOf, paintAlike, paintGroups, paintNumbers } from "../src/logic/look";

const groups = (values: string[]) => {
  const column = readColumn(values, OWN);
  if (column.kind !== "groups") throw new Error("not groups");
  return column;
};
const palette = {
  groups: ["#000001", "#000002", "#000003"],
  others: "#8a8a90",
  no_group: { light: "#b4b4b8", dark: "#5c5c62" },
  alone: { light: "#0072b2", dark: "#56b4e9" },
};
const inks = { tone: "light" as const, palette };
const OWN = { a: "#00000a", b: "#00000b" };
const paint = (values: string[], off: string[] = [], before = new Map<string, string>()) =>
  paintGroups(groups(values), { off: new Set(off), before, ...inks });
const frame = (x: number[]) => ({ values: Float32Array.from(x.flatMap((v) => [v, 0])), n: x.length, components: 2 });

describe("paintGroups", () => {
  it("gives each group its color and the unknown a gray", () => {
    const { palette, colors, legend } = paint(["a", "b", "", "a"]);
    expect([...colors].map((i) => palette[i])).toEqual([OWN.a, OWN.b, palette.at(-1), OWN.a]);
    if (legend.kind !== "groups") throw new Error("no groups");
    expect(legend.groups.map(({ name, count }) => [name, count])).toEqual([
      ["a", 2],
      ["b", 1],
      [HIDDEN_UNKNOWN, 1],
    ]);
  });
  it("gives a group the same color in a map where it is not the largest", () => {
    const before = new Map([["b", "#000001"]]);
    const { palette, colors } = paint(["b", "b", "a", "new"], [], before);
    expect([...colors].map((i) => palette[i])).toEqual(["#000001", "#000001", OWN.a, "#000002"]);
  });
  it("gives no two groups one color where an earlier map took that of another group", () => {
    const { palette, colors } = paint(["a", "b"], [], new Map([["a", OWN.b]]));
    expect([...colors].map((i) => palette[i])).toEqual([OWN.b, "#000001"]);
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
    const { palette, colors } = paintNumbers(Float32Array.of(0, 10, NaN, 99), scale, inks);
    expect([...colors]).toEqual([0, palette.length - 2, palette.length - 1, palette.length - 2]);
  });
});

describe("drawingOrder", () => {
  it("begins with the rows that have no group, and keeps the others in their order", () => {
    expect([...drawingOrder(paint(["a", "", "b", "", "a"]))]).toEqual([1, 3, 0, 2, 4]);
    expect([...drawingOrder(paintAlike(3, inks))]).toEqual([0, 1, 2]);
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
    expect(lookOf(paintAlike(3, inks), frame([1, 2, 3])).count).toBe(3);
    const seen = lookOf(paintAlike(2, inks), frame([1, 2]), [{ values: Float32Array.of(NaN, 1), low: 0, high: 2 }]);
    expect([...seen.shown]).toEqual([0, 1]);
  });
});
