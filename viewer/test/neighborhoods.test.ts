import { describe, expect, it } from "vitest";
import { changes, layBeside } from "../src/logic/neighborhoods";

const near = (...labels: string[]) =>
  labels.map((label, row) => ({ label, row, id: row, cosine: 1 - row / 10, distance: row / 10 }));

describe("changes", () => {
  it("tells kept, gained and lost apart", () => {
    const found = changes(near("a", "b", "c"), near("c", "d", "a"));
    expect(found.map(({ label, state }) => [label, state])).toEqual([
      ["a", "kept"],
      ["b", "gained"],
      ["c", "kept"],
      ["d", "lost"],
    ]);
    expect(found[0]).toMatchObject({ now: { rank: 1 }, before: { rank: 3 } });
    expect(found[3]).toMatchObject({ now: null, before: { rank: 2 } });
  });
  it("pairs by label, whatever the rows are", () => {
    const [one] = changes(
      [{ label: "x", row: 5, id: 5, cosine: 0.9, distance: 0.1 }],
      [{ label: "x", row: null, id: 9, cosine: 0.5, distance: 0.5 }],
    );
    expect(one).toMatchObject({ state: "kept", now: { row: 5, cosine: 0.9 }, before: { row: null, cosine: 0.5 } });
  });
  it("finds no change in the same, and all of it in what has nothing in common", () => {
    expect(changes(near("a", "b"), near("a", "b")).every(({ state }) => state === "kept")).toBe(true);
    expect(changes(near("a"), near("b")).map(({ state }) => state)).toEqual(["gained", "lost"]);
    expect(changes([], [])).toEqual([]);
  });
});

describe("layBeside", () => {
  it("joins any number of neighborhoods, in the order of the first", () => {
    const found = layBeside([near("a", "b"), [], near("b", "c")]);
    expect(found.map(({ label }) => label)).toEqual(["a", "b", "c"]);
    expect(found[1]!.places.map((place) => place?.rank ?? null)).toEqual([2, null, 1]);
  });
});
