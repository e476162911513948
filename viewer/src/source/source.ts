/** Where all data of the page come from: one interface, answered by the server's API or by data inlined in the file. */
import type * as T from "./types";

/** Why a source does not answer: a sentence, and an HTTP status; 0 where there was no answer at all. */
export class SourceError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/** What a source can answer beside what every source does: the page has no controls for the rest. */
interface Abilities {
  /** New steps may come: `status` is worth polling. */
  live: boolean;
  /** Joint maps of two runs. */
  compare: boolean;
  /** Cosines of any two rows. */
  similarities: boolean;
  /** A link to a view opens for others, too. */
  links: boolean;
  /** Of neighbors; null for all. */
  distances: readonly T.Distance[] | null;
  maxNeighbors: number;
}

export interface Source {
  readonly abilities: Abilities;
  /** The other pages of VisualDL, where there are some. */
  readonly visualdl: { home: URL; tabs: () => Promise<string[]> } | null;
  /** What made the data, and the view to begin with; null for a directory of runs. */
  readonly about: T.About | null;
  readonly opening: T.Opening | null;

  status(): Promise<{ revision: string; runs: number }>;
  /** Forget what a training may have changed; frames of a step stay as they are. */
  forget(): void;
  runs(): Promise<T.RunsInfo>;
  rows(run: string, table: string, version: string): Promise<T.RowsInfo>;
  frame(at: T.At, projection: string): Promise<T.Frame>;
  frameInfo(at: T.At, projection: string): Promise<T.FrameInfo>;
  rowMetrics(at: T.At): Promise<string[]>;
  rowMetric(at: T.At, name: string): Promise<Float32Array>;
  /** Every number of one row. */
  row(at: T.At, row: number): Promise<Record<string, number | null>>;
  clusters(at: T.At): Promise<{ n_clusters: number; clusters: ArrayLike<number> }>;
  scalars(run: string, table: string): Promise<Record<string, T.Curve>>;
  metrics(): Promise<Record<string, T.MetricInfo>>;
  /** Scalars that others logged in a run. */
  curves(run: string): Promise<Record<string, T.Curve>>;
  neighbors(at: T.At, row: number, k: number, distance: T.Distance): Promise<T.Neighborhood>;
  timeline(run: string, table: string, row: number, k: number): Promise<T.Timeline>;
  similarities(run: string, table: string, rows: number[]): Promise<T.Similarities>;
  alerts(run: string, table: string): Promise<T.Alert[]>;
  findings(at: T.At): Promise<T.Finding[]>;
  compare(pair: T.Pair): Promise<T.Comparison>;
  compareFrame(pair: T.Pair, side: "a" | "b", how: "joint" | "procrustes"): Promise<T.Frame>;
}
