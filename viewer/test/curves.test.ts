import { describe, expect, it } from "vitest";
import { gapsOf, joined, pointAt, pointUpTo } from "../src/logic/curves";

const loss = { steps: [0, 10, 20, 30], values: [3, null, null, 2] };
const other = { steps: [5, 20], values: [1, 0] };

describe("curves", () => {
  it("have a gap where a value is not finite, and none at the steps of others", () => {
    expect(joined([loss, other])).toEqual([
      [0, 5, 10, 20, 30],
      [3, undefined, null, null, 2],
      [undefined, 1, undefined, 0, undefined],
    ]);
  });
  it("name the steps of their gaps", () => {
    expect(gapsOf(loss)).toEqual([10, 20]);
    expect(gapsOf(other)).toEqual([]);
  });
  it("have no value at a step of others, however near", () => {
    expect(pointAt(loss, 30)).toEqual({ step: 30, value: 2 });
    expect(pointAt(other, 20)).toEqual({ step: 20, value: 0 });
    for (const step of [29, 20, 31, null]) expect(pointAt(loss, step)).toBeNull();
  });
  it("have a last value up to a step, if it is finite, and none before their first", () => {
    expect(pointUpTo(loss, 35)).toEqual({ step: 30, value: 2 });
    expect(pointUpTo(loss, 9)).toEqual({ step: 0, value: 3 });
    expect(pointUpTo(loss, 29)).toBeNull();
    expect(pointUpTo(other, 4)).toBeNull();
    expect(pointUpTo({ steps: [], values: [] }, 4)).toBeNull();
  });
});
