/** Colors of numbers; the colors of groups are part of the data. */

const VIRIDIS = [
  "#440154",
  "#482878",
  "#3e4989",
  "#31688e",
  "#26828e",
  "#1f9e89",
  "#35b779",
  "#6ece58",
  "#b5de2b",
  "#fde725",
];
const DIVERGING = ["#2166ac", "#5a93c7", "#a3c4df", "#c9c9c9", "#eeb48f", "#d87a53", "#b2402b"];
const RAMP = 64;

export type Rgb = [number, number, number];

export function toRgb(hex: string): Rgb {
  const value = Number.parseInt(hex.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

const toHex = (rgb: number[]): string => `#${rgb.map((v) => Math.round(v).toString(16).padStart(2, "0")).join("")}`;

function mix(stops: readonly string[], share: number): string {
  const at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(at));
  const [a, b] = [toRgb(stops[i]!), toRgb(stops[i + 1]!)];
  return toHex(a.map((value, c) => value + (b[c]! - value) * (at - i)));
}

const ramp = (stops: readonly string[]): string[] => Array.from({ length: RAMP }, (_, i) => mix(stops, i / (RAMP - 1)));
const RAMPS = { viridis: ramp(VIRIDIS), diverging: ramp(DIVERGING) };

/** Scale from numbers to places on a color ramp. */
export interface Scale {
  low: number;
  high: number;
  log: boolean;
  ramp: keyof typeof RAMPS;
}

export const rampColors = (scale: Scale): string[] => RAMPS[scale.ramp];

/** Place of a number on its scale, from 0 to 1, clamped. */
export function shareOf(scale: Scale, value: number): number {
  if (!(scale.high > scale.low)) return 0.5;
  const bent = (x: number): number => (scale.log ? Math.log1p(x - Math.min(0, scale.low)) : x);
  const inside = Math.min(scale.high, Math.max(scale.low, value));
  return (bent(inside) - bent(scale.low)) / (bent(scale.high) - bent(scale.low));
}

/** Inverse of `shareOf`. */
export function valueAt(scale: Scale, share: number): number {
  if (!scale.log) return scale.low + share * (scale.high - scale.low);
  const shift = Math.min(0, scale.low);
  const [a, b] = [Math.log1p(scale.low - shift), Math.log1p(scale.high - shift)];
  return Math.expm1(a + share * (b - a)) + shift;
}

/**
 * Choose a scale for numbers.
 *
 * @param low, high Bounds of the metric. If null, the 2nd and 98th percentile are used, so that outliers do not use up
 *   the color range.
 */
export function scaleFor(values: ArrayLike<number>, low: number | null = null, high: number | null = null): Scale {
  const known = Float64Array.from(values).filter(Number.isFinite).sort();
  const at = (share: number): number => known[Math.round(share * (known.length - 1))] ?? 0;
  const scale: Scale = { low: low ?? at(0.02), high: high ?? at(0.98), log: false, ramp: "viridis" };
  if (!(scale.high > scale.low)) Object.assign(scale, { low: low ?? at(0), high: high ?? at(1) });
  if (scale.low < 0 && scale.high > 0) {
    const far = Math.max(-scale.low, scale.high);
    return { low: -far, high: far, log: false, ramp: "diverging" };
  }
  scale.log = scale.low >= 0 && high === null && scale.high > 6 * Math.max(at(0.5), 1e-12);
  return scale;
}
