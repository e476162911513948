import { describe, expect, it } from "vitest";
import { type Wish, placeLabels } from "../src/logic/labels";

const wish = (x: number, y: number, always = false, width = 40): Wish => ({
  text: "word",
  x,
  y,
  width,
  height: 14,
  always,
});

describe("placeLabels", () => {
  it("lets no label lie over another, and none leave the map", () => {
    const wishes = Array.from({ length: 400 }, (_, i) =>
      wish((i * 137) % 600, (i * 89) % 400, false, 20 + (i % 5) * 12),
    );
    const spots = placeLabels(wishes, 600, 400);
    expect(spots.length).toBeGreaterThan(60);
    const boxes = spots.map(({ wish, x, y }) => ({
      left: x,
      right: x + wishes[wish]!.width,
      top: y - 7,
      bottom: y + 7,
    }));
    boxes.forEach((a, i) => {
      expect(a.left).toBeGreaterThanOrEqual(0);
      expect(a.top).toBeGreaterThanOrEqual(0);
      expect(a.right).toBeLessThanOrEqual(600);
      expect(a.bottom).toBeLessThanOrEqual(400);
      for (const b of boxes.slice(i + 1)) {
        expect(a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom).toBe(false);
      }
    });
  });
  it("serves the important first", () => {
    const spots = placeLabels(
      [wish(100, 100), wish(104, 102), wish(102, 98), wish(99, 101), wish(101, 103), wish(100, 99)],
      200,
      200,
    );
    expect(spots[0]!.wish).toBe(0);
    expect(spots.length).toBeLessThan(6);
  });
  it("places what must be placed, even in a crowd, before all others", () => {
    const crowd = [
      ...Array.from({ length: 20 }, () => wish(50, 50)),
      wish(50, 50, true),
      wish(50, 50, true),
      wish(50, 50, true),
      wish(50, 50, true),
      wish(50, 50, true),
    ];
    const placed = placeLabels(crowd, 100, 100).map(({ wish }) => wish);
    expect(placed.slice(0, 5)).toEqual([20, 21, 22, 23, 24]);
  });
  it("passes over points outside, and takes the left at the right border", () => {
    expect(placeLabels([wish(-5, 10, true), wish(10, 500, true), wish(NaN, 1, true)], 100, 100)).toEqual([]);
    const [spot] = placeLabels([wish(95, 50)], 100, 100);
    expect(spot!.x + 40).toBeLessThan(95);
  });
  it("finds more room where one zooms in", () => {
    const at = (zoom: number): number =>
      placeLabels(
        Array.from({ length: 100 }, (_, i) => wish((i % 10) * 9 * zoom, Math.floor(i / 10) * 5 * zoom)),
        800,
        800,
      ).length;
    expect(at(8)).toBeGreaterThan(2 * at(1));
  });
});
