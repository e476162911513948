/** Types of the answers of a data source. */

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
  analyzed: number[];
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
  /** Colors of groups that have their own color, by column and group. */
  colors: Record<string, Record<string, string>>;
  watch: string[];
  pieces: Record<string, string>;
  version: string;
  /** Rows with the most representative labels, best first, if the source ranks them. */
  representative?: number[];
}

interface Tones {
  light: string;
  dark: string;
}
/** Colors of points on the page, in pictures and in reports. */
export interface Palette {
  /** Colors of groups without a conventional color, such as clusters, largest group first. */
  groups: string[];
  /** Groups too small for a color of their own. */
  others: string;
  /** Rows without a group, or without a number. */
  no_group: Tones;
  /** All rows, if there are no groups. */
  alone: Tones;
}

export interface RunsInfo {
  runs: RunInfo[];
  palette: Palette;
  missing?: string[];
}

export interface FrameInfo {
  method: string;
  parameters: Record<string, unknown>;
  random_state: number | null;
  axes: [number, number][];
  axes_version: number;
  basis_version: number | null;
  noise_floor: number | null;
  /** Whether motion since the previous frame is not comparable; absent in older answers. */
  redrawn?: boolean;
  trustworthiness: number | null;
  continuity: number | null;
  motion: number | null;
  analyzed_against: number | null;
  /** Rows of the clusters that only this method shows, if the source compared the maps. */
  only_here?: number[][];
}

/** Coordinates: `n * components` values, row by row, NaN if unknown. */
export interface Frame {
  values: Float32Array;
  n: number;
  components: number;
}

export type Distance = "cosine" | "euclidean";

export interface Neighbor {
  /** Position among the newest rows; null for a word that is no longer watched. */
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
  /** Reason for which the row has no neighbors. */
  why?: "zero" | "nonfinite" | "unwatched" | null;
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

/** Severity of a finding or an alert. */
type Severity = "info" | "warning" | "critical";

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

/** One table at one step. */
export interface At {
  run: string;
  table: string;
  step: number;
}

/** Two snapshots on one map. */
export interface Pair {
  run_a: string;
  table_a: string;
  step_a: number;
  run_b: string;
  table_b: string;
  step_b: number;
  projection: string;
}

/** Origin of the data of a file. */
export interface About {
  title: string;
  /** Short facts next to the title, in English and Chinese. */
  facts: string[];
  facts_zh: string[];
  notes: string[];
  /** Metrics of the whole table and of the shown rows. */
  counters: Record<string, number>;
  scalars: Record<string, number>;
  parameters: Record<string, unknown>;
  versions: Record<string, string>;
}

/** Initial view of a source. */
export interface Opening {
  panels: { run: string; table: string; map: string }[];
  color: string;
  pins: string[];
}
