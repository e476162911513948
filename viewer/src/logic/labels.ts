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
  /** Whether some cell that a box lies in is so. */
  const someCell = (box: Box, is: (key: number) => boolean): boolean => {
    for (let cx = Math.floor(box.left / CELL); cx <= Math.floor(box.right / CELL); cx++)
      for (let cy = Math.floor(box.top / CELL); cy <= Math.floor(box.bottom / CELL); cy++)
        if (is(cx * 4096 + cy)) return true;
    return false;
  };
  const overlaps = (a: Box, b: Box): boolean =>
    a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const free = (box: Box): boolean =>
    !someCell(box, (key) => taken.get(key)?.some((other) => overlaps(box, other)) ?? false);
  const take = (box: Box): void =>
    void someCell(box, (key) => {
      const there = taken.get(key);
      if (there) there.push(box);
      else taken.set(key, [box]);
      return false;
    });
  const inside = (box: Box): boolean => box.left >= 0 && box.top >= 0 && box.right <= width && box.bottom <= height;

  const spots: Spot[] = [];
  const serve = (wish: number): void => {
    const { x, y, width: w, height: h, always } = wishes[wish]!;
    if (!(x >= 0 && x <= width && y >= 0 && y <= height)) return;
    const place = (side: number): Box => {
      const left = side === 0 ? x + GAP : side === 1 ? x - GAP - w : x - w / 2;
      const top = side < 2 ? y - h / 2 : side === 2 ? y - GAP - h : y + GAP;
      return { left, top, right: left + w, bottom: top + h };
    };
    const find = (fits: (box: Box) => boolean): Box | null => {
      for (let side = 0; side < 4; side++) {
        const box = place(side);
        if (fits(box)) return box;
      }
      return null;
    };
    let box = find((wanted) => inside(wanted) && free(wanted));
    if (!box && always) box = find(inside) ?? place(0);
    if (!box) return;
    take(box);
    spots.push({ wish, x: box.left, y: (box.top + box.bottom) / 2 });
  };
  wishes.forEach((wish, i) => wish.always && serve(i));
  wishes.forEach((wish, i) => !wish.always && serve(i));
  return spots;
}
