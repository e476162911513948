import { describe, expect, it } from "vitest";
import { type Inlined, openInlined, readInlined } from "../src/source/inlined";

const pack = (values: Float32Array | Int32Array): string =>
  btoa(String.fromCharCode(...new Uint8Array(values.buffer, values.byteOffset, values.byteLength)));
const floats = (...values: number[]): string => pack(Float32Array.from(values));
const ints = (...values: number[]): string => pack(Int32Array.from(values));

const info = { method: "pca", axes: [] } as never;
const step = (number: number, rows: string): Inlined["runs"][0]["tables"][0]["steps"][0] => ({
  step: number,
  frames: { pca: { info, components: 2, values: floats(1, 2, 3, 4, NaN, NaN) } },
  row_metrics: { norm: floats(0.5, NaN, 2) },
  neighbors: { k: 2, rows, cosines: floats(0.5, 0.25, 0.5, 0.75, 0, 0), distances: null },
  unusable: { zero: ints(), nonfinite: ints(2) },
  clusters: { n_clusters: 1, clusters: ints(0, 0, -1) },
  findings: [],
});
const data = {
  format: 1,
  palette: {},
  metrics: {},
  about: { title: "words" },
  opening: { panels: [], color: "", pins: [] },
  runs: [
    {
      name: "model",
      curves: {},
      tables: [
        {
          info: { name: "words", distance: "cosine" },
          rows: { ids: [7, 8, 9], labels: ["a", "b", "c"], columns: {}, colors: {} },
          scalars: { norm_mean: { steps: [0], values: [1] } },
          alerts: [],
          steps: [step(0, ints(1, 2, 0, 2, -1, -1)), step(5, ints(2, -1, 0, 2, -1, -1))],
        },
      ],
    },
  ],
} as unknown as Inlined;
const source = openInlined(readInlined(JSON.stringify(data)));
const at = { run: "model", table: "words", step: 0 };

describe("inlined data", () => {
  it("answer frames and numbers as the server does", async () => {
    const frame = await source.frame(at, "pca");
    expect([frame.n, frame.components]).toEqual([3, 2]);
    expect([...frame.values]).toEqual([1, 2, 3, 4, NaN, NaN]);
    expect([...(await source.rowMetric(at, "norm"))]).toEqual([0.5, NaN, 2]);
    expect(await source.row(at, 1)).toEqual({ norm: null });
    expect(Array.from((await source.clusters(at)).clusters)).toEqual([0, 0, -1]);
    expect((await source.runs()).runs[0]!.tables[0]!.name).toBe("words");
  });
  it("list neighbors, nearest first, and none of a row without", async () => {
    const { neighbors } = await source.neighbors(at, 1, 15, "cosine");
    expect(neighbors.map(({ label, id, cosine, distance }) => [label, id, cosine, distance])).toEqual([
      ["a", 7, 0.5, 0.5],
      ["c", 9, 0.75, 0.25],
    ]);
    expect((await source.neighbors(at, 1, 1, "cosine")).neighbors).toHaveLength(1);
    expect((await source.neighbors(at, 1, 1, "cosine")).why).toBeNull();
    expect(await source.neighbors(at, 2, 15, "cosine")).toMatchObject({ neighbors: [], why: "nonfinite" });
  });
  it("follow neighbors over the steps that they hold", async () => {
    const { steps, neighbors } = await source.timeline("model", "words", 0, 2);
    expect(steps).toEqual([0, 5]);
    expect(neighbors.map(({ label, ranks }) => [label, ranks])).toEqual([
      ["c", [2, 1]],
      ["b", [1, null]],
    ]);
  });
  it("say what they can answer", () => {
    expect(source.abilities).toMatchObject({ live: false, compare: false, maxNeighbors: 2, distances: ["cosine"] });
    expect(source.visualdl).toBe(null);
  });
  it("refuse what they do not hold, and a format that they do not know", async () => {
    await expect(source.frame(at, "tsne")).rejects.toThrow("No map tsne");
    await expect(source.frame({ ...at, step: 3 }, "pca")).rejects.toThrow("No step 3");
    expect(() => readInlined('{"format": 2}')).toThrow("format 2");
  });
});
