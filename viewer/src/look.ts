/** How points look: colors by a column or by numbers, and which are shown. */
import { GROUPS, type Scale, rampColors, shareOf } from "./colors";
import { type Column, OTHERS } from "./columns";
import type { Frame } from "./types";

/** What gives the colors; the same for many steps where a column does. */
export interface Paint {
  palette: string[];
  /** Index of the palette, by row. */
  colors: Uint8Array;
  /** 1 for rows of groups that are hidden; null where none is. */
  hidden: Uint8Array | null;
  legend: Legend;
}
export type Legend =
  | { kind: "one" }
  | { kind: "numbers"; scale: Scale }
  | { kind: "groups"; groups: { name: string; code: number; color: string; count: number; hidden: boolean }[] };

/** A paint with the rows that are shown at a step. */
export interface Look extends Omit<Paint, "hidden"> {
  shown: Uint8Array;
  count: number;
}

export type Tone = "light" | "dark";
export const HIDDEN_UNKNOWN = "\u0000unknown";
export const HIDDEN_OTHERS = "\u0000others";
const NO_GROUP = { light: "#b4b4b8", dark: "#5c5c62" };
const ALONE = { light: "#2932e1", dark: "#8f96ff" };
const OTHER_GROUPS = "#8a8a90";

export function paintAlike(n: number, tone: Tone): Paint {
  return { palette: [ALONE[tone]], colors: new Uint8Array(n), hidden: null, legend: { kind: "one" } };
}

/**
 * Color groups.
 *
 * @param off Names of the groups that are hidden.
 * @param order Names whose places give the colors, so that a group has one color in all maps.
 */
export function paintGroups(
  column: Extract<Column, { kind: "groups" }>,
  { off, order, tone }: { off: Set<string>; order: string[]; tone: Tone },
): Paint {
  const { codes, names, counts } = column;
  const others = counts.length > names.length;
  const known = new Set(names.filter((name) => order.includes(name)).map((name) => GROUPS[order.indexOf(name)]));
  // Groups that the order does not have take colors that none here has.
  const free = GROUPS.filter((color) => !known.has(color));
  const palette: string[] = [
    ...names.map((name) => GROUPS[order.indexOf(name)] ?? free.shift()!),
    ...(others ? [OTHER_GROUPS] : []),
    NO_GROUP[tone],
  ];
  const unknown = palette.length - 1;
  const nameOf = (code: number): string =>
    code < 0 ? HIDDEN_UNKNOWN : code === OTHERS ? HIDDEN_OTHERS : names[code]!;
  const isOff = Uint8Array.from({ length: counts.length + 1 }, (_, i) => Number(off.has(nameOf(i - 1))));
  const colors = new Uint8Array(codes.length);
  const hidden = off.size ? new Uint8Array(codes.length) : null;
  let nameless = 0;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i]!;
    if (code < 0) nameless += 1;
    colors[i] = code < 0 ? unknown : code;
    if (hidden) hidden[i] = isOff[code + 1]!;
  }
  const line = (code: number, count: number) => {
    const name = nameOf(code);
    return { name, code, color: palette[code < 0 ? unknown : code]!, count, hidden: off.has(name) };
  };
  const groups = counts.map((count, code) => line(code, count));
  if (nameless) groups.push(line(-1, nameless));
  return { palette, colors, hidden, legend: { kind: "groups", groups } };
}

/** Color numbers on a scale; NaN gets a gray. */
export function paintNumbers(values: Float32Array, scale: Scale, tone: Tone): Paint {
  const palette = [...rampColors(scale), NO_GROUP[tone]];
  const colors = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    colors[i] = Number.isFinite(value) ? Math.round(shareOf(scale, value) * (palette.length - 2)) : palette.length - 1;
  }
  return { palette, colors, hidden: null, legend: { kind: "numbers", scale } };
}

/**
 * Leave out rows of hidden groups, rows beyond a range, and rows that have no place on the map.
 *
 * @param ranges Numbers of all rows, with the ends within which a row is shown.
 */
export function lookOf(
  paint: Paint,
  frame: Frame,
  ranges: { values: Float32Array; low: number; high: number }[] = [],
): Look {
  const { values: places, components, n } = frame;
  const shown = new Uint8Array(n);
  let count = 0;
  for (let i = 0; i < n; i++) {
    if (paint.hidden?.[i] || !Number.isFinite(places[i * components]!)) continue;
    shown[i] = 1;
    count += 1;
  }
  for (const { values, low, high } of ranges) {
    for (let i = 0; i < n; i++) {
      if (shown[i] && !(values[i]! >= low && values[i]! <= high)) {
        shown[i] = 0;
        count -= 1;
      }
    }
  }
  const { palette, colors, legend } = paint;
  return { palette, colors, legend, shown, count };
}
