/** Data source of the server's API. */
import { decodeFloats, decodeFrame } from "./decode";
import { Kept } from "./kept";
import { type Source, SourceError } from "./source";
import type * as T from "./types";

type Query = Record<string, string | number | undefined>;

/** @param page Address of the page, with or without a slash at its end. */
export function openServer(page: Location): Source {
  const { pathname } = page;
  const here = pathname.endsWith("/") ? "./" : `./${pathname.slice(pathname.lastIndexOf("/") + 1)}/`;
  const base = new URL(`${here}api/v1/`, page.href);
  const visualdl = new URL(`${here}../`, page.href);
  const arrays = new Kept(256 * 1024 * 1024);
  const small = new Kept(32 * 1024 * 1024);

  const addressOf = (name: string, query: Query): string => {
    const url = new URL(name, base);
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value));
    return url.href;
  };
  const ask = async (name: string, query: Query = {}): Promise<Response> => {
    let answer: Response;
    try {
      answer = await fetch(addressOf(name, query), { credentials: "same-origin" });
    } catch {
      throw new SourceError("", 0);
    }
    if (answer.ok) return answer;
    const told: unknown = await answer.json().catch(() => null);
    const error = told && typeof told === "object" && "error" in told ? String(told.error) : answer.statusText;
    throw new SourceError(error, answer.status);
  };
  const json = async <Answer>(name: string, query: Query = {}): Promise<Answer> => (await ask(name, query)).json();
  const keep = <Answer>(name: string, query: Query): Promise<Answer> =>
    small.get(
      addressOf(name, query),
      () => json<Answer>(name, query),
      () => 20_000,
    );
  const frame = (name: string, query: Query): Promise<T.Frame> => {
    const load = async (): Promise<T.Frame> => {
      const answer = await ask(name, query);
      const header = (key: string): number => Number(answer.headers.get(key));
      return decodeFrame(await answer.arrayBuffer(), header("X-Rows"), header("X-Components"));
    };
    return arrays.get(addressOf(name, query), load, ({ values }) => values.byteLength);
  };

  return {
    abilities: {
      live: true,
      compare: true,
      similarities: true,
      links: true,
      distances: null,
      maxNeighbors: Infinity,
    },
    visualdl: {
      home: visualdl,
      /** IDs of the pages of VisualDL that have content. */
      tabs: async () => {
        const answer = await fetch(new URL("api/component_tabs", visualdl));
        return answer.ok ? ((await answer.json()) as { data: string[] }).data : [];
      },
    },
    about: null,
    opening: null,
    status: () => json("status"),
    forget: () => small.clear(),
    runs: () => json("runs"),
    rows: (run, table, version) =>
      arrays.get(
        `rows ${run} ${table} ${version}`,
        () => json<T.RowsInfo>("rows", { run, table }),
        ({ labels }) => labels.length * 60,
      ),
    frame: (at, projection) => frame("frame", { ...at, projection }),
    frameInfo: (at, projection) => keep("frame-info", { ...at, projection }),
    rowMetrics: async (at) => (await keep<{ names: string[] }>("row-metrics", { ...at })).names,
    rowMetric: (at, name) =>
      arrays.get(
        addressOf("row-metric", { ...at, name }),
        async () => decodeFloats(await (await ask("row-metric", { ...at, name })).arrayBuffer()),
        ({ byteLength }) => byteLength,
      ),
    row: async (at, row) => (await keep<{ metrics: Record<string, number | null> }>("row", { ...at, row })).metrics,
    clusters: (at) => keep("clusters", { ...at }),
    scalars: async (run, table) =>
      (await keep<{ scalars: Record<string, T.Curve> }>("scalars", { run, table })).scalars,
    metrics: async () => (await keep<{ metrics: Record<string, T.MetricInfo> }>("metrics", {})).metrics,
    curves: async (run) => (await keep<{ curves: Record<string, T.Curve> }>("curves", { run })).curves,
    neighbors: (at, row, k, distance) => keep("neighbors", { ...at, row, k, distance }),
    timeline: (run, table, row, k) => keep("neighbor-timeline", { run, table, row, k }),
    similarities: (run, table, rows) => keep("similarities", { run, table, rows: rows.join(",") }),
    alerts: async (run, table) => (await keep<{ alerts: T.Alert[] }>("alerts", { run, table })).alerts,
    findings: async (at) => (await keep<{ findings: T.Finding[] }>("findings", { ...at })).findings,
    compare: (pair) => json("compare", { ...pair }),
    compareFrame: (pair, side, how) =>
      frame("compare-frame", { ...pair, side, how: how === "procrustes" ? how : undefined }),
  };
}
