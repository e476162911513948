/** Step that a panel shows for a requested step: the last one not after it, or the first. */
export function stepAt(steps: number[], wanted: number): number | null {
  if (!steps.length) return null;
  let low = 0;
  let high = steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle]! <= wanted) low = middle + 1;
    else high = middle;
  }
  return steps[Math.max(0, low - 1)]!;
}

/** All steps of several runs, ascending. */
export function unionOfSteps(lists: number[][]): number[] {
  return [...new Set(lists.flat())].sort((a, b) => a - b);
}

/** Step nearest to a position, such as a click on a curve. */
export function nearestStep(steps: number[], wanted: number): number | null {
  let best: number | null = null;
  for (const step of steps) if (best === null || Math.abs(step - wanted) < Math.abs(best - wanted)) best = step;
  return best;
}

/** Frames of a trail: from the last one that was redrawn, because motion into it is not comparable. */
export function comparableFrames<Frame>(frames: Frame[], redrawn: boolean[]): Frame[] {
  return frames.slice(Math.max(0, redrawn.lastIndexOf(true)));
}

/** Steps of a trail: at most `count`, ending with the current one. */
export function trailSteps(steps: number[], step: number, count: number): number[] {
  const end = steps.indexOf(step);
  return end < 0 ? [] : steps.slice(Math.max(0, end - count + 1), end + 1);
}
