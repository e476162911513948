/** Normalize case and width of letters. */
const fold = (text: string): string => text.normalize("NFKC").toLowerCase();

export interface Matches {
  /** Positions, best first: equal labels, then prefixes, then other matches; short labels first. */
  rows: number[];
  error: string | null;
}

/** Find labels that contain a text or match a regular expression; none for an empty query. */
export function find(labels: string[], query: string, regex: boolean): Matches {
  if (!query.trim()) return { rows: [], error: null };
  if (regex) {
    try {
      const pattern = new RegExp(query, "iu");
      return { rows: labels.flatMap((label, i) => (pattern.test(label) ? [i] : [])), error: null };
    } catch (error) {
      return { rows: [], error: error instanceof Error ? error.message : String(error) };
    }
  }
  const wanted = fold(query.trim());
  const found: [number, number, number][] = [];
  labels.forEach((label, i) => {
    const folded = fold(label);
    const at = folded.indexOf(wanted);
    if (at >= 0) found.push([folded === wanted ? 0 : at === 0 ? 1 : 2, label.length, i]);
  });
  found.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
  return { rows: found.map(([, , i]) => i), error: null };
}
