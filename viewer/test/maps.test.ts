import { describe, expect, it } from "vitest";
import { mapLike, partsOf } from "../src/logic/maps";

describe("partsOf", () => {
  it.each([
    ["pca", { method: "pca", in3d: false, varied: [] }],
    ["umap_3d", { method: "umap", in3d: true, varied: [] }],
    [
      "tsne_perplexity5_seed43",
      {
        method: "tsne",
        in3d: false,
        varied: [
          ["perplexity", "5"],
          ["seed", "43"],
        ],
      },
    ],
    ["umap_3d_n_neighbors15", { method: "umap", in3d: true, varied: [["n_neighbors", "15"]] }],
    ["tsne_perplexity2.5", { method: "tsne", in3d: false, varied: [["perplexity", "2.5"]] }],
    ["of another kind", { method: "of another kind", in3d: false, varied: [] }],
  ])("%s", (key, parts) => expect(partsOf(key)).toEqual(parts));
});

describe("mapLike", () => {
  const maps = ["pca", "tsne_perplexity5", "tsne_perplexity30", "tsne_3d_perplexity5"];
  it("takes the first map of the method with as many dimensions", () => {
    expect(mapLike(maps, "tsne", false)).toBe("tsne_perplexity5");
    expect(mapLike(maps, "tsne", true)).toBe("tsne_3d_perplexity5");
  });
  it("takes another map of the method where there is none, and none of another method", () => {
    expect(mapLike(maps, "pca", true)).toBe("pca");
    expect(mapLike(maps, "umap", false)).toBe(null);
  });
});
