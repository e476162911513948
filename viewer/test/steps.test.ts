import { describe, expect, it } from "vitest";
import { comparableFrames, nearestStep, stepAt, trailSteps, unionOfSteps } from "../src/logic/steps";

const steps = [0, 50, 100, 282];

describe("steps", () => {
  it.each([
    [-1, 0],
    [0, 0],
    [49, 0],
    [50, 50],
    [281, 100],
    [9999, 282],
  ])("at %i shows what was known then: %i", (wanted, shown) => {
    expect(stepAt(steps, wanted)).toBe(shown);
  });
  it("has no step where there is none", () => {
    expect(stepAt([], 5)).toBeNull();
    expect(nearestStep([], 5)).toBeNull();
  });
  it("joins those of several runs", () => {
    expect(unionOfSteps([steps, [50, 60]])).toEqual([0, 50, 60, 100, 282]);
  });
  it("goes to the nearest for a click", () => {
    expect(nearestStep(steps, 180)).toBe(100);
    expect(nearestStep(steps, 192)).toBe(282);
  });
  it("begins trails at the last frame that was redrawn", () => {
    expect(comparableFrames(steps, [false, false, false, false])).toEqual(steps);
    expect(comparableFrames(steps, [false, true, false, false])).toEqual([50, 100, 282]);
    expect(comparableFrames(steps, [true, true, false, true])).toEqual([282]);
    expect(comparableFrames([], [])).toEqual([]);
  });
  it("trails behind the present step", () => {
    expect(trailSteps(steps, 100, 2)).toEqual([50, 100]);
    expect(trailSteps(steps, 100, 9)).toEqual([0, 50, 100]);
    expect(trailSteps(steps, 7, 9)).toEqual([]);
  });
});
