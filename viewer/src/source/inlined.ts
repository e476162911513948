/** Data inlined in the file: runs, tables, steps and frames. */
import { base64Floats, base64Ints } from "./decode";
import { type Source, SourceError } from "./source";
import type * as T from "./types";

/** ID of the element with the data. */
export const DATA_ID = "data";

/** Little-endian numbers in base64, a quarter of the size of JSON. */
type Packed = string;

interface InlinedStep {
  step: number;
  frames: Record<string, { info: T.FrameInfo; components: number; values: Packed }>;
  /** float32, by name. */
  row_metrics: Record<string, Packed>;
  /** `k` neighbors of each row, nearest first: int32 rows (-1 for none), float32 cosines and distances. */
  neighbors: { k: number; rows: Packed; cosines: Packed; distances: Packed | null };
  /** int32 rows without neighbors, by reason. */
  unusable: Record<"zero" | "nonfinite", Packed>;
  clusters: { n_clusters: number; clusters: Packed };
  findings: T.Finding[];
}

interface InlinedTable {
  info: T.TableInfo;
  rows: T.RowsInfo;
  scalars: Record<string, T.Curve>;
  alerts: T.Alert[];
  steps: InlinedStep[];
}

export interface Inlined {
  format: number;
  palette: T.Palette;
  metrics: Record<string, T.MetricInfo>;
  about: T.About;
  opening: T.Opening;
  runs: { name: string; curves: Record<string, T.Curve>; tables: InlinedTable[] }[];
}

const FORMAT = 1;

export function readInlined(text: string): Inlined {
  const data = JSON.parse(text) as Inlined;
  if (data.format !== FORMAT) throw new Error(`Data of format ${data.format}; this page reads format ${FORMAT}.`);
  return data;
}

export function openInlined(data: Inlined): Source {
  const run = (name: string) => {
    const found = data.runs.find((run) => run.name === name);
    if (!found) throw new SourceError(`No run ${name} in this file.`, 404);
    return found;
  };
  const table = (of: string, name: string): InlinedTable => {
    const found = run(of).tables.find(({ info }) => info.name === name);
    if (!found) throw new SourceError(`No table ${name} in this file.`, 404);
    return found;
  };
  const step = (at: T.At): InlinedStep => {
    const found = table(at.run, at.table).steps.find((one) => one.step === at.step);
    if (!found) throw new SourceError(`No step ${at.step} in this file.`, 404);
    return found;
  };
  /** Decode an array once. */
  const decoded = new Map<Packed, Float32Array | Int32Array>();
  const floats = (packed: Packed): Float32Array => once(packed, base64Floats) as Float32Array;
  const ints = (packed: Packed): Int32Array => once(packed, base64Ints) as Int32Array;
  const once = (packed: Packed, decode: (packed: Packed) => Float32Array | Int32Array) => {
    let found = decoded.get(packed);
    if (!found) decoded.set(packed, (found = decode(packed)));
    return found;
  };
  const metric = (at: T.At, name: string): Float32Array => {
    const packed = step(at).row_metrics[name];
    if (packed === undefined) throw new SourceError(`No number ${name} of the rows in this file.`, 404);
    return floats(packed);
  };

  /** Return the neighbors of a row at a step. */
  const near = (at: T.At, row: number, k: number): T.Neighborhood => {
    const { rows } = table(at.run, at.table);
    const { neighbors } = step(at);
    const [others, cosines] = [ints(neighbors.rows), floats(neighbors.cosines)];
    const distances = neighbors.distances === null ? null : floats(neighbors.distances);
    const found: T.Neighbor[] = [];
    for (let i = row * neighbors.k; i < row * neighbors.k + Math.min(k, neighbors.k); i++) {
      const other = others[i]!;
      if (other < 0) continue;
      const cosine = cosines[i]!;
      const distance = distances?.[i] ?? 1 - cosine;
      found.push({ row: other, label: rows.labels[other]!, id: rows.ids[other]!, cosine, distance });
    }
    const { unusable } = step(at);
    const why = (["zero", "nonfinite"] as const).find((reason) => ints(unusable[reason]).includes(row)) ?? null;
    return { row, label: rows.labels[row]!, neighbors: found, why };
  };
  const unable = async (): Promise<never> => {
    throw new SourceError("Not in this file.", 404);
  };

  const tables = data.runs.flatMap((run) => run.tables);
  const steps = tables.flatMap((table) => table.steps);
  return {
    abilities: {
      live: false,
      compare: false,
      similarities: false,
      links: false,
      distances: [...new Set(tables.map(({ info }) => info.distance))],
      maxNeighbors: Math.max(0, ...steps.map(({ neighbors }) => neighbors.k)),
    },
    visualdl: null,
    about: data.about,
    opening: data.opening,
    status: async () => ({ revision: "inlined", runs: data.runs.length }),
    forget: () => {},
    runs: async () => ({
      palette: data.palette,
      runs: data.runs.map(({ name, curves, tables }) => ({
        name,
        curves: Object.keys(curves),
        tables: tables.map(({ info }) => info),
      })),
    }),
    rows: async (run, name) => table(run, name).rows,
    frame: async (at, projection) => {
      const found = step(at).frames[projection];
      if (!found) throw new SourceError(`No map ${projection} in this file.`, 404);
      const values = floats(found.values);
      return { values, n: values.length / found.components, components: found.components };
    },
    frameInfo: async (at, projection) => {
      const found = step(at).frames[projection];
      if (!found) throw new SourceError(`No map ${projection} in this file.`, 404);
      return found.info;
    },
    rowMetrics: async (at) => Object.keys(step(at).row_metrics),
    rowMetric: async (at, name) => metric(at, name),
    row: async (at, row) => {
      const known = (value: number): number | null => (Number.isFinite(value) ? value : null);
      return Object.fromEntries(
        Object.keys(step(at).row_metrics).map((name) => [name, known(metric(at, name)[row] ?? NaN)]),
      );
    },
    clusters: async (at) => {
      const { n_clusters, clusters } = step(at).clusters;
      return { n_clusters, clusters: ints(clusters) };
    },
    scalars: async (run, name) => table(run, name).scalars,
    metrics: async () => data.metrics,
    curves: async (name) => run(name).curves,
    neighbors: async (at, row, k) => near(at, row, k),
    timeline: async (run, name, row, k) => {
      const found = table(run, name);
      const all = found.steps.map(({ step }) => near({ run, table: name, step }, row, k).neighbors);
      const met = new Map(all.flat().map((one) => [one.label, one.row]));
      const tracks = [...met].map(([label, row]): T.NeighborTrack => {
        const places = all.map((list) => list.findIndex((one) => one.label === label));
        return {
          label,
          row,
          ranks: places.map((i) => (i < 0 ? null : i + 1)),
          cosines: places.map((i, at) => (i < 0 ? null : all[at]![i]!.cosine)),
        };
      });
      const often = ({ ranks }: T.NeighborTrack): number => ranks.filter((rank) => rank !== null).length;
      tracks.sort((a, b) => often(b) - often(a));
      return { steps: found.steps.map(({ step }) => step), neighbors: tracks };
    },
    similarities: unable,
    alerts: async (run, name) => table(run, name).alerts,
    findings: async (at) => step(at).findings,
    compare: unable,
    compareFrame: unable,
  };
}
