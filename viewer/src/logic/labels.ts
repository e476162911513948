/** Label to place on the map. */
export interface Wish {
  text: string;
  /** Place of the point in pixels. */
  x: number;
  y: number;
  /** Size in pixels. */
  width: number;
  height: number;
  /** Placed even if it overlaps others; such labels come first. */
  always: boolean;
}

export interface Spot {
  /** Index of the label to place. */
  wish: number;
  /** Left end of the text and its middle line, in pixels. */
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
 * Place labels without overlaps.
 *
 * Labels are placed in order of importance. Each tries right, left, above and below its point, and is left out if no
 * place is free. A label that must be placed is right of its point, or left of it at the right border.
 *
 * @param wishes Labels of points outside the map are left out.
 * @param width, height Size of the map in pixels.
 */
export function placeLabels(wishes: Wish[], width: number, height: number): Spot[] {
  const taken = new Map<number, Box[]>();
  /** Whether any cell of a box satisfies a condition. */
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
