import { describe, expect, it } from "vitest";
import { START, type View, decodeView, encodeView } from "../src/logic/view";

const full: View = {
  panels: [
    { run: "a/b", table: "word & item", map: "tsne", step: 100 },
    { run: ".", table: "词/表", map: "umap_3d", step: null },
  ],
  linked: false,
  step: 300,
  aligned: false,
  color: "metric:displacement",
  hidden: ["中性=", "\u0000unknown"],
  ranges: { frequency: [3, 250.5], "metric:norm": [-0.5, 1e6], "a,b": [0, 1] },
  focus: "高兴 & co#",
  selected: ["高兴", "a=b&c", "+"],
  pins: ["悲伤"],
  query: "^高|%20",
  regex: true,
  labels: false,
  trails: false,
  links: false,
  density: true,
  k: 30,
  distance: "euclidean",
  baseline: "first",
  curves: ["log:train/loss", "tsne/trustworthiness"],
  speed: 4,
  eye: { x: 0.5, y: -0.25, half: 0.125, yaw: 1, pitch: 0.5 },
};

describe("the address", () => {
  it("brings a view back as it was", () => {
    expect(decodeView(`#${encodeView(full)}`)).toEqual(full);
    expect(decodeView(encodeView(START))).toEqual(START);
    expect(decodeView(encodeView({ ...START, curves: [] })).curves).toEqual([]);
  });
  it("is empty where all is as at the start", () => {
    expect(encodeView(START)).toBe("");
  });
  it("has one parameter for every field of a view", () => {
    for (const key of Object.keys(START) as (keyof View)[]) {
      const changed = { ...START, [key]: full[key] };
      expect(encodeView(changed), key).not.toBe("");
      expect(decodeView(encodeView(changed))[key], key).toEqual(full[key]);
    }
  });
  it.each([
    "step=-3&k=0&speed=9&distance=manhattan&baseline=never",
    "k=abc&range=5,1,frequency&range=x,y,z&range=1&eye=1,2,0,0,0&eye=a",
    "run0=a&table0=b",
    "%E9%ff&&&=&#",
  ])("takes nothing that makes no sense: %s", (fragment) => {
    expect(decodeView(fragment)).toEqual(START);
  });
  it("takes four panels and no more, and keeps a long selection short", () => {
    const panel = full.panels[0]!;
    const many = decodeView(
      encodeView({
        ...START,
        panels: Array.from({ length: 6 }, () => panel),
        selected: Array.from({ length: 5000 }, (_, i) => `w${i}`),
      }),
    );
    expect(many.panels).toHaveLength(4);
    expect(many.selected).toHaveLength(200);
  });
});
