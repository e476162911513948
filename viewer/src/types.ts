/** What the server answers, as the page uses it. */

export interface TableInfo {
  name: string;
  dim: number;
  num_rows: number;
  n: number;
  distance: Distance;
  n_neighbors: number;
  projections: string[];
  columns: string[];
  watch: string[];
  steps: number[];
  analysed: number[];
  rows_version: string;
}

export interface RunInfo {
  name: string;
  tables: TableInfo[];
  curves: string[];
}

export interface RowsInfo {
  ids: number[];
  labels: string[];
  columns: Record<string, string[]>;
  watch: string[];
  pieces: Record<string, string>;
  version: string;
}

export interface FrameInfo {
  method: string;
  parameters: Record<string, unknown>;
  random_state: number | null;
  axes: [number, number][];
  axes_version: number;
  basis_version: number | null;
  noise_floor: number | null;
  trustworthiness: number | null;
  continuity: number | null;
  motion: number | null;
  analysed_against: number | null;
}

/** Coordinates: `n * components` values, row by row, NaN where unknown. */
export interface Frame {
  values: Float32Array;
  n: number;
  components: number;
}

export type Distance = "cosine" | "euclidean";

export interface Neighbor {
  /** Among the newest rows; null for a word that is no longer watched. */
  row: number | null;
  label: string;
  id: number;
  cosine: number;
  distance: number;
}

export interface Neighborhood {
  row: number;
  label: string;
  neighbors: Neighbor[];
}

export interface NeighborTrack {
  label: string;
  row: number | null;
  ranks: (number | null)[];
  cosines: (number | null)[];
}

export interface Timeline {
  steps: number[];
  neighbors: NeighborTrack[];
}

export interface Similarities {
  steps: number[];
  pairs: { a: number; b: number; cosines: (number | null)[] }[];
}

export interface Curve {
  steps: number[];
  values: (number | null)[];
}

export interface MetricInfo {
  low: number | null;
  high: number | null;
  higher_is_better: boolean | null;
  description: string;
  description_zh: string;
  reference: string;
}

/** How urgent a finding or an alert is. */
export type Severity = "info" | "warning" | "critical";

export interface Alert {
  table: string;
  step: number;
  rule: string;
  severity: Severity;
  metric: string;
  value: number | null;
  threshold: number | null;
  message: string;
  message_zh?: string;
}

export interface Finding {
  kind: string;
  severity: Severity;
  title: string;
  title_zh: string;
  evidence: string;
  evidence_zh: string;
  causes: string[];
  causes_zh: string[];
  next_check: string;
  next_check_zh: string;
  remedies: string[];
  remedies_zh: string[];
  labels: string[];
  row_indices: number[];
  details: string[];
}

export type Comparison =
  | { state: "working"; done: number }
  | { state: "ready"; n_shared: number; how: string; axes?: [number, number][] };
