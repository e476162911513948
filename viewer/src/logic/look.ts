/** Appearance of points: colors by a column or by numbers, and visibility. */
import { type Scale, rampColors, shareOf } from "./colors";
import { type Column, OTHERS } from "./columns";
import type { Frame, Palette } from "../source/types";

/** Colors of rows; the same at many steps if they depend on a column. */
export interface Paint {
  palette: string[];
  /** Index into the palette by row. */
  colors: Uint8Array;
  /** 1 for rows of hidden groups; null if no group is hidden. */
  hidden: Uint8Array | null;
  legend: Legend;
}
type Legend =
  | { kind: "one" }
  | { kind: "numbers"; scale: Scale }
  | { kind: "groups"; groups: { name: string; code: number; color: string; count: number; hidden: boolean }[] };

/** Paint with the visible rows of a step. */
export interface Look extends Omit<Paint, "hidden"> {
  shown: Uint8Array;
  count: number;
}

type Tone = "light" | "dark";
export const HIDDEN_UNKNOWN = "\u0000unknown";
export const HIDDEN_OTHERS = "\u0000others";
export interface Inks {
  tone: Tone;
  palette: Palette;
}

export function paintAlike(n: number, { tone, palette }: Inks): Paint {
  return { palette: [palette.alone[tone]], colors: new Uint8Array(n), hidden: null, legend: { kind: "one" } };
}

/** Color of each name: that in an earlier map, or that of the column, or an unused one. */
function inksOf(
  { names, colors: own }: Extract<Column, { kind: "groups" }>,
  before: Map<string, string>,
  groups: string[],
): string[] {
  const found = names.map((name) => before.get(name));
  const taken = new Set(found);
  const claim = (color: string | undefined): string | undefined => {
    if (color === undefined || taken.has(color)) return undefined;
    taken.add(color);
    return color;
  };
  return found.map(
    (color, i) => color ?? claim(own.get(names[i]!)) ?? claim(groups.find((free) => !taken.has(free))) ?? groups[0]!,
  );
}

/**
 * Color groups.
 *
 * @param off Names of hidden groups.
 * @param before Colors of groups in earlier maps, so that a group has the same color in all maps.
 */
export function paintGroups(
  column: Extract<Column, { kind: "groups" }>,
  { off, before, tone, palette: inks }: Inks & { off: Set<string>; before: Map<string, string> },
): Paint {
  const { codes, names, counts } = column;
  const others = counts.length > names.length;
  const palette: string[] = [
    ...inksOf(column, before, inks.groups),
    ...(others ? [inks.others] : []),
    inks.no_group[tone],
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

/** Color numbers on a scale; NaN is gray. */
export function paintNumbers(values: Float32Array, scale: Scale, { tone, palette: inks }: Inks): Paint {
  const palette = [...rampColors(scale), inks.no_group[tone]];
  const colors = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    colors[i] = Number.isFinite(value) ? Math.round(shareOf(scale, value) * (palette.length - 2)) : palette.length - 1;
  }
  return { palette, colors, hidden: null, legend: { kind: "numbers", scale } };
}

/** Rows in drawing order: those without a group or a number first, so that they hide no others. */
export function drawingOrder({ palette, colors, legend }: Pick<Paint, "palette" | "colors" | "legend">): Uint32Array {
  const quiet = legend.kind === "one" ? -1 : palette.length - 1;
  const rows = [...colors.keys()];
  return Uint32Array.from([
    ...rows.filter((row) => colors[row] === quiet),
    ...rows.filter((row) => colors[row] !== quiet),
  ]);
}

/**
 * Hide rows of hidden groups, rows outside of a range, and rows without a place on the map.
 *
 * @param ranges Numbers of all rows, with the bounds of visible rows.
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
