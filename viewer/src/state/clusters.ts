/** Colors by cluster in the original space at one step of one run, so that they are the same at all steps. */
import { source } from "../source";
import { type Column, MANY_GROUPS, readColumn } from "../logic/columns";
import type { Palette } from "../source/types";
import type { Rows } from "./scene";

const KEY = "cluster:";
const NAMED_BY = 3;

export const clusterKey = (step: number): string => `${KEY}${step}`;
/** Step of a color by clusters; null for other colors. */
export const clusterStep = (color: string): number | null =>
  color.startsWith(KEY) ? Number(color.slice(KEY.length)) || 0 : null;

export interface Clusters {
  step: number;
  count: number;
  /** Names by label; words in no cluster have none. */
  names: Map<string, string>;
  /** All names, largest cluster first. */
  order: string[];
}

/** @param ranked Rows by importance. */
export async function loadClusters(
  rows: Rows,
  ranked: number[],
  at: { run: string; table: string; step: number },
): Promise<Clusters> {
  const found = await source.clusters(at);
  const names = clusterNames(rows, ranked, found.clusters);
  const named = Array.from(found.clusters).flatMap((c, row) => (c < 0 ? [] : [[rows.labels[row]!, names[c]!] as const]));
  return { step: at.step, count: found.n_clusters, names: new Map(named), order: names };
}

/** Name each cluster by its number and its most important words. */
function clusterNames(rows: Rows, ranked: number[], found: ArrayLike<number>): string[] {
  const words: string[][] = [];
  for (const row of ranked) {
    const cluster = found[row] ?? -1;
    if (cluster < 0) continue;
    const known = (words[cluster] ??= []);
    if (known.length < NAMED_BY) known.push(rows.labels[row]!);
  }
  return words.map((some, i) => `${i + 1}  ${some.join(" ")}`);
}

/** Clusters as a column of rows, which may differ from the clustered rows. */
export function clusterColumn(rows: Rows, { names, order }: Clusters, palette: Palette): Column {
  const colors = order.slice(0, MANY_GROUPS).map((name, i) => [name, palette.groups[i] ?? palette.others]);
  return readColumn(
    rows.labels.map((label) => names.get(label) ?? ""),
    Object.fromEntries(colors) as Record<string, string>,
  );
}
