import { describe, expect, it } from "vitest";
import { gapsOf, joined } from "../src/logic/curves";

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
});
