/** Interface of data sources, implemented by the server's API and by data inlined in the file. */
import type * as T from "./types";

/** Error of a source: a sentence, and an HTTP status (0 without a response). */
export class SourceError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/** Optional features of a source. The page shows controls only for supported ones. */
interface Abilities {
  /** New steps may appear, so `status` must be polled. */
  live: boolean;
  /** Joint maps of two runs. */
  compare: boolean;
  /** Cosines of any two rows. */
  similarities: boolean;
  /** Links to a view work for other people. */
  links: boolean;
  /** Distances of neighbors; null for all. */
  distances: readonly T.Distance[] | null;
  maxNeighbors: number;
}

export interface Source {
  readonly abilities: Abilities;
  /** Other pages of VisualDL, if any. */
  readonly visualdl: { home: URL; tabs: () => Promise<string[]> } | null;
  /** Origin of the data, and the initial view; null for a directory of runs. */
  readonly about: T.About | null;
  readonly opening: T.Opening | null;

  status(): Promise<{ revision: string; runs: number }>;
  /** Drop everything that a training may have changed. Frames of a step never change. */
  forget(): void;
  runs(): Promise<T.RunsInfo>;
  rows(run: string, table: string, version: string): Promise<T.RowsInfo>;
  frame(at: T.At, projection: string): Promise<T.Frame>;
  frameInfo(at: T.At, projection: string): Promise<T.FrameInfo>;
  rowMetrics(at: T.At): Promise<string[]>;
  rowMetric(at: T.At, name: string): Promise<Float32Array>;
  /** All metrics of one row. */
  row(at: T.At, row: number): Promise<Record<string, number | null>>;
  clusters(at: T.At): Promise<{ n_clusters: number; clusters: ArrayLike<number> }>;
  scalars(run: string, table: string): Promise<Record<string, T.Curve>>;
  metrics(): Promise<Record<string, T.MetricInfo>>;
  /** Scalars of other writers in the log of a run. */
  curves(run: string): Promise<Record<string, T.Curve>>;
  neighbors(at: T.At, row: number, k: number, distance: T.Distance): Promise<T.Neighborhood>;
  timeline(run: string, table: string, row: number, k: number): Promise<T.Timeline>;
  similarities(run: string, table: string, rows: number[]): Promise<T.Similarities>;
  alerts(run: string, table: string): Promise<T.Alert[]>;
  findings(at: T.At): Promise<T.Finding[]>;
  compare(pair: T.Pair): Promise<T.Comparison>;
  compareFrame(pair: T.Pair, side: "a" | "b", how: "joint" | "procrustes"): Promise<T.Frame>;
}
