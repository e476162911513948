/** Answers of a data source, as the page uses them. */

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
  /** Colors of the groups of a column that have one of their own, by column and group. */
  colors: Record<string, Record<string, string>>;
  watch: string[];
  pieces: Record<string, string>;
  version: string;
  /** Rows whose labels represent the others best, the best first; where the source ranks them. */
  representative?: number[];
}

interface Tones {
  light: string;
  dark: string;
}
/** Colors of points that the library uses everywhere. */
export interface Palette {
  /** Colors of groups that no name asks for, such as clusters; the largest takes the first. */
  groups: string[];
  /** Groups too small for a color of their own. */
  others: string;
  /** Rows without a group, or without a number. */
  no_group: Tones;
  /** All rows where nothing tells them apart. */
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
  trustworthiness: number | null;
  continuity: number | null;
  motion: number | null;
  analyzed_against: number | null;
  /** Clusters that only this method shows, as rows; where the source compared the maps. */
  only_here?: number[][];
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

/** Two snapshots that are laid on one map. */
export interface Pair {
  run_a: string;
  table_a: string;
  step_a: number;
  run_b: string;
  table_b: string;
  step_b: number;
  projection: string;
}

/** What made the data of a file, for readers. */
export interface About {
  title: string;
  /** Short facts beside the title, and the same in Chinese. */
  facts: string[];
  facts_zh: string[];
  notes: string[];
  /** Numbers of the whole table, and of the rows shown, by metric. */
  counters: Record<string, number>;
  scalars: Record<string, number>;
  parameters: Record<string, unknown>;
  versions: Record<string, string>;
}

/** The view that a source opens with. */
export interface Opening {
  panels: { run: string; table: string; map: string }[];
  color: string;
  pins: string[];
}
