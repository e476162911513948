/** Parts of the key of a map: "tsne", "umap_3d", "tsne_perplexity5_seed43". */
export interface MapParts {
  method: string;
  in3d: boolean;
  /** Parameters that differ between maps of one method. */
  varied: [name: string, value: string][];
}

const KEY = /^([a-z]+)(_3d)?((?:_[a-z]+(?:_[a-z]+)*\d[\d.]*(?:e[+-]?\d+)?)*)$/;
const VARIED = /_([a-z]+(?:_[a-z]+)*)(\d[\d.]*(?:e[+-]?\d+)?)/g;

export function partsOf(map: string): MapParts {
  const found = KEY.exec(map);
  if (!found) return { method: map, in3d: false, varied: [] };
  const varied = [...found[3]!.matchAll(VARIED)].map(([, name, value]): [string, string] => [name!, value!]);
  return { method: found[1]!, in3d: found[2] !== undefined, varied };
}

/** First map of a method in 2-D or 3-D; in the other dimension if there is none. */
export function mapLike(maps: string[], method: string, in3d: boolean): string | null {
  const of = maps.filter((map) => partsOf(map).method === method);
  return of.find((map) => partsOf(map).in3d === in3d) ?? of[0] ?? null;
}
