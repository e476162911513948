import type { Neighbor } from "../source/types";

interface At {
  /** From 1. */
  rank: number;
  cosine: number;
  row: number | null;
}

/** A word in one or several neighborhoods. */
export interface Shared {
  label: string;
  /** By neighborhood; null where the word is not in it. */
  places: (At | null)[];
}

export interface Change {
  label: string;
  state: "kept" | "gained" | "lost";
  now: At | null;
  before: At | null;
}

/** Lay neighborhoods side by side: the union of their words, in the order of the first that has them. */
export function layBeside(neighborhoods: Neighbor[][]): Shared[] {
  const found = new Map<string, Shared>();
  neighborhoods.forEach((neighbors, side) => {
    neighbors.forEach(({ label, cosine, row }, i) => {
      let shared = found.get(label);
      if (!shared) {
        shared = { label, places: neighborhoods.map(() => null) };
        found.set(label, shared);
      }
      shared.places[side] = { rank: i + 1, cosine, row };
    });
  });
  return [...found.values()];
}

/** What a neighborhood gained and lost: those of now by rank, then the lost by their former rank. */
export function changes(now: Neighbor[], before: Neighbor[]): Change[] {
  return layBeside([now, before]).map(({ label, places: [a, b] }) => ({
    label,
    state: a && b ? "kept" : a ? "gained" : "lost",
    now: a ?? null,
    before: b ?? null,
  }));
}
