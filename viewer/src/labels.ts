/** A word that wants a place on the map. */
export interface Wish {
  text: string;
  /** Of the point, in pixels. */
  x: number;
  y: number;
  /** In pixels. */
  width: number;
  height: number;
  /** Placed whatever is in the way; those come first. */
  always: boolean;
}

export interface Spot {
  /** Index of the wish. */
  wish: number;
  /** Left end of the text, and its middle line, in pixels. */
  x: number;
  y: number;
}

const GAP = 7;
const CELL = 64;

interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/**
 * Place labels so that none lies over another.
 *
 * Wishes are served in their order, which is that of importance. Each tries right, left, above and below its point and
 * goes without where nothing is free; one that must be placed takes the right, or the left at the right border.
 *
 * @param wishes Points outside the map are passed over.
 * @param width, height Of the map in pixels.
 */
export function placeLabels(wishes: Wish[], width: number, height: number): Spot[] {
  const taken = new Map<number, Box[]>();
  const cells = (box: Box): number[] => {
    const keys: number[] = [];
    for (let cx = Math.floor(box.left / CELL); cx <= Math.floor(box.right / CELL); cx++) {
      for (let cy = Math.floor(box.top / CELL); cy <= Math.floor(box.bottom / CELL); cy++) keys.push(cx * 4096 + cy);
    }
    return keys;
  };
  const free = (box: Box): boolean =>
    !cells(box).some((key) =>
      taken.get(key)?.some((o) => box.left < o.right && o.left < box.right && box.top < o.bottom && o.top < box.bottom),
    );
  const take = (box: Box): void => {
    for (const key of cells(box)) taken.set(key, [...(taken.get(key) ?? []), box]);
  };
  const inside = (box: Box): boolean => box.left >= 0 && box.top >= 0 && box.right <= width && box.bottom <= height;

  const spots: Spot[] = [];
  const serve = (wish: number): void => {
    const { x, y, width: w, height: h, always } = wishes[wish]!;
    if (!(x >= 0 && x <= width && y >= 0 && y <= height)) return;
    const at = (left: number, top: number): Box => ({ left, top, right: left + w, bottom: top + h });
    const places = [
      at(x + GAP, y - h / 2),
      at(x - GAP - w, y - h / 2),
      at(x - w / 2, y - GAP - h),
      at(x - w / 2, y + GAP),
    ];
    let box = places.find((place) => inside(place) && free(place));
    if (!box && always) box = places.find(inside) ?? places[0]!;
    if (!box) return;
    take(box);
    spots.push({ wish, x: box.left, y: (box.top + box.bottom) / 2 });
  };
  wishes.forEach((wish, i) => wish.always && serve(i));
  wishes.forEach((wish, i) => !wish.always && serve(i));
  return spots;
}
