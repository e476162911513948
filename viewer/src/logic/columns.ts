/** Content of a column of strings: groups or numbers. */
export type Column =
  | {
      kind: "groups";
      names: string[];
      counts: number[];
      codes: Int16Array;
      /** Colors by name, if the source has them. */
      colors: Map<string, string>;
    }
  | { kind: "numbers"; values: Float32Array };

/** Maximum number of groups with their own color; the others share one. */
export const MANY_GROUPS = 12;
export const OTHERS = MANY_GROUPS;

const NUMBER = /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i;

/**
 * Read a column.
 *
 * Numbers if all present values are numbers and there are more of them than colors. Otherwise groups, largest first;
 * code -1 for missing values, `OTHERS` for groups too small for their own color.
 *
 * @param colors Colors of groups by name.
 */
export function readColumn(values: string[], colors: Record<string, string> = {}): Column {
  const there = values.filter((value) => value !== "");
  const distinct = new Set(there);
  if (distinct.size > MANY_GROUPS && there.every((value) => NUMBER.test(value))) {
    return { kind: "numbers", values: Float32Array.from(values, (value) => (value === "" ? NaN : Number(value))) };
  }
  const counts = new Map<string, number>();
  for (const value of there) counts.set(value, (counts.get(value) ?? 0) + 1);
  const order = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const code = new Map(order.map(([name], i) => [name, Math.min(i, OTHERS)]));
  const names = order.slice(0, MANY_GROUPS).map(([name]) => name);
  const sizes = order.slice(0, MANY_GROUPS).map(([, count]) => count);
  const rest = order.slice(MANY_GROUPS).reduce((sum, [, count]) => sum + count, 0);
  if (rest) sizes.push(rest);
  return {
    kind: "groups",
    names,
    counts: sizes,
    codes: Int16Array.from(values, (v) => (v === "" ? -1 : code.get(v)!)),
    colors: new Map(names.flatMap((name) => (Object.hasOwn(colors, name) ? [[name, colors[name]!] as const] : []))),
  };
}

/** Numbers of a column; null if it is not numeric. */
export function numbersOf(values: string[]): Float32Array | null {
  const numbers = values.some((v) => v !== "") && values.every((v) => v === "" || NUMBER.test(v));
  return numbers ? Float32Array.from(values, (v) => (v === "" ? NaN : Number(v))) : null;
}
