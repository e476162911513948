import { decodeFloats, decodeFrame } from "./decode";
import type * as T from "./types";

export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

type Query = Record<string, string | number | undefined>;

// The page may be opened with or without a slash at its end.
const { pathname } = location;
const here = pathname.endsWith("/") ? "./" : `./${pathname.slice(pathname.lastIndexOf("/") + 1)}/`;
const API = new URL(`${here}api/v1/`, location.href);
/** VisualDL itself, one level up. */
export const VISUALDL = new URL(`${here}../`, location.href);

function addressOf(name: string, query: Query): string {
  const url = new URL(name, API);
  for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value));
  return url.href;
}

async function ask(name: string, query: Query = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(addressOf(name, query), { credentials: "same-origin" });
  } catch {
    throw new ApiError("", 0);
  }
  if (answer.ok) return answer;
  const told: unknown = await answer.json().catch(() => null);
  const error = told && typeof told === "object" && "error" in told ? String(told.error) : answer.statusText;
  throw new ApiError(error, answer.status);
}

const json = async <Answer>(name: string, query: Query = {}): Promise<Answer> => (await ask(name, query)).json();

/** Answers that do not change, kept while there is room; those used longest ago go first. */
class Kept {
  private readonly entries = new Map<string, { value: Promise<unknown>; bytes: number }>();
  private bytes = 0;
  constructor(private readonly room: number) {}

  get<Value>(key: string, load: () => Promise<Value>, bytesOf: (value: Value) => number): Promise<Value> {
    const found = this.entries.get(key);
    if (found) {
      this.entries.delete(key);
      this.entries.set(key, found);
      return found.value as Promise<Value>;
    }
    const entry = { value: load(), bytes: 0 };
    this.entries.set(key, entry);
    entry.value.then(
      (value) => {
        entry.bytes = bytesOf(value);
        this.bytes += entry.bytes;
        for (const [old, { bytes }] of this.entries) {
          if (this.bytes <= this.room || old === key) break;
          this.entries.delete(old);
          this.bytes -= bytes;
        }
      },
      () => this.entries.get(key) === entry && this.entries.delete(key),
    );
    return entry.value;
  }

  clear(): void {
    this.entries.clear();
    this.bytes = 0;
  }
}

const arrays = new Kept(256 * 1024 * 1024);
const small = new Kept(32 * 1024 * 1024);
const floats = ({ byteLength }: { byteLength: number }): number => byteLength;

function frame(name: string, query: Query): Promise<T.Frame> {
  const load = async (): Promise<T.Frame> => {
    const answer = await ask(name, query);
    const header = (key: string): number => Number(answer.headers.get(key));
    return decodeFrame(await answer.arrayBuffer(), header("X-Rows"), header("X-Components"));
  };
  return arrays.get(addressOf(name, query), load, ({ values }) => values.byteLength);
}

const keep = <Answer>(name: string, query: Query): Promise<Answer> =>
  small.get(
    addressOf(name, query),
    () => json<Answer>(name, query),
    () => 20_000,
  );

/** Forget what a training may have changed; frames of a step stay as they are. */
export const forget = (): void => small.clear();
/** Forget all, as after a run was replaced. */
export const forgetAll = (): void => {
  small.clear();
  arrays.clear();
};

interface At {
  run: string;
  table: string;
  step: number;
}
export interface Pair {
  run_a: string;
  table_a: string;
  step_a: number;
  run_b: string;
  table_b: string;
  step_b: number;
  projection: string;
}

export const api = {
  status: () => json<{ revision: string; runs: number }>("status"),
  runs: () => json<{ runs: T.RunInfo[]; missing?: string[] }>("runs"),
  rows: (run: string, table: string, version: string) =>
    arrays.get(
      `rows ${run} ${table} ${version}`,
      () => json<T.RowsInfo>("rows", { run, table }),
      ({ labels }) => labels.length * 60,
    ),
  frame: (at: At, projection: string) => frame("frame", { ...at, projection }),
  frameInfo: (at: At, projection: string) => keep<T.FrameInfo>("frame-info", { ...at, projection }),
  rowMetrics: async (at: At) => (await keep<{ names: string[] }>("row-metrics", { ...at })).names,
  rowMetric: (at: At, name: string) =>
    arrays.get(
      addressOf("row-metric", { ...at, name }),
      async () => decodeFloats(await (await ask("row-metric", { ...at, name })).arrayBuffer()),
      floats,
    ),
  row: (at: At, row: number) => keep<{ metrics: Record<string, number | null> }>("row", { ...at, row }),
  clusters: (at: At) => keep<{ n_clusters: number; clusters: number[] }>("clusters", { ...at }),
  scalars: async (run: string, table: string) =>
    (await keep<{ scalars: Record<string, T.Curve> }>("scalars", { run, table })).scalars,
  metrics: async () => (await keep<{ metrics: Record<string, T.MetricInfo> }>("metrics", {})).metrics,
  curves: async (run: string) => (await keep<{ curves: Record<string, T.Curve> }>("curves", { run })).curves,
  neighbors: (at: At, row: number, k: number, distance: T.Distance) =>
    keep<T.Neighborhood>("neighbors", { ...at, row, k, distance }),
  timeline: (run: string, table: string, row: number, k: number) =>
    keep<T.Timeline>("neighbor-timeline", { run, table, row, k }),
  similarities: (run: string, table: string, rows: number[]) =>
    keep<T.Similarities>("similarities", { run, table, rows: rows.join(",") }),
  alerts: async (run: string, table: string) => (await keep<{ alerts: T.Alert[] }>("alerts", { run, table })).alerts,
  findings: async (at: At) => (await keep<{ findings: T.Finding[] }>("findings", { ...at })).findings,
  compare: (pair: Pair) => json<T.Comparison>("compare", { ...pair }),
  compareFrame: (pair: Pair, side: "a" | "b", how: "joint" | "procrustes") =>
    frame("compare-frame", { ...pair, side, how: how === "procrustes" ? how : undefined }),
  /** Ids of the pages of VisualDL that have something to show. */
  tabs: async (): Promise<string[]> => {
    const answer = await fetch(new URL("api/component_tabs", VISUALDL));
    return answer.ok ? ((await answer.json()) as { data: string[] }).data : [];
  },
};
