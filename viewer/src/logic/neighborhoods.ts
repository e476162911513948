import type { Neighbor } from "../source/types";

interface At {
  /** Starts at 1. */
  rank: number;
  cosine: number;
  row: number | null;
}

/** Word in one or several neighborhoods. */
export interface Shared {
  label: string;
  /** Rank by neighborhood; null if the word is not in it. */
  places: (At | null)[];
}

export interface Change {
  label: string;
  state: "kept" | "gained" | "lost";
  now: At | null;
  before: At | null;
}

/** Union of the words of several neighborhoods, in the order of the first neighborhood that contains them. */
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

/** Changes of a neighborhood: current neighbors by rank, then lost ones by their former rank. */
export function changes(now: Neighbor[], before: Neighbor[]): Change[] {
  return layBeside([now, before]).map(({ label, places: [a, b] }) => ({
    label,
    state: a && b ? "kept" : a ? "gained" : "lost",
    now: a ?? null,
    before: b ?? null,
  }));
}
