import { describe, expect, it } from "vitest";
import { OTHERS, numbersOf, readColumn } from "../src/logic/columns";

describe("readColumn", () => {
  it("finds groups, the largest first, and leaves the unknown without one", () => {
    const column = readColumn(["b", "a", "a", "", "c", "a", "b"]);
    if (column.kind !== "groups") throw new Error("not groups");
    expect(column.names).toEqual(["a", "b", "c"]);
    expect(column.counts).toEqual([3, 2, 1]);
    expect([...column.codes]).toEqual([1, 0, 0, -1, 2, 0, 1]);
  });
  it("gives small groups beyond the colors one color", () => {
    const column = readColumn(Array.from({ length: 40 }, (_, i) => `g${i % 20}`));
    if (column.kind !== "groups") throw new Error("not groups");
    expect(column.names).toHaveLength(12);
    expect(column.counts).toHaveLength(13);
    expect(column.counts.reduce((a, b) => a + b)).toBe(40);
    expect(Math.max(...column.codes)).toBe(OTHERS);
  });
  it("finds numbers where there are more than colors, and groups where they are few", () => {
    expect(readColumn(Array.from({ length: 30 }, (_, i) => String(i * 1.5))).kind).toBe("numbers");
    expect(readColumn(["0", "1", "0", "1"]).kind).toBe("groups");
    expect(readColumn(Array.from({ length: 30 }, (_, i) => `${i}abc`)).kind).toBe("groups");
  });
});

describe("numbersOf", () => {
  it("reads all or nothing", () => {
    expect([...numbersOf(["1", "", "-2e3"])!]).toEqual([1, NaN, -2000]);
    expect(numbersOf(["1", "2x"])).toBeNull();
    expect(numbersOf(["", ""])).toBeNull();
  });
});
