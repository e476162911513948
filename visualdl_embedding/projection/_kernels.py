"""Inner loops of t-SNE and UMAP in 2-D, compiled by numba at import."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.compiled import compile_loop

__all__ = [
    "attract",
    "calibrate",
    "edge_cost",
    "gather",
    "jump",
    "spread_on_grid",
    "step",
    "table_repel",
    "tsne_repel",
    "umap_attract",
]

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Loop = TypeVar("Loop", bound=Callable[..., Any])


def _compiled(loop: Loop) -> Loop:
    return compile_loop(loop, fastmath=True)


@_compiled
def calibrate(squared: Floats, perplexity: float) -> Floats:
    """Convert ``(n, k)`` squared distances, ascending, to probabilities with entropy log(perplexity).

    The precision of the Gaussians is found by bisection; equal distances give uniform probabilities.
    """
    n, k = squared.shape
    chances = np.empty((n, k), np.float32)
    target = np.log(perplexity)
    for i in range(n):
        # The scale of distances varies by many orders of magnitude during training.
        mean = 0.0
        for j in range(k):
            mean += squared[i, j] - squared[i, 0]
        mean /= k
        unit = 1.0 / mean if mean > 0 else 0.0
        low, high, precision = 0.0, np.inf, 1.0
        for _ in range(64):
            total = 0.0
            moment = 0.0
            for j in range(k):
                apart = (squared[i, j] - squared[i, 0]) * unit
                chance = np.exp(-apart * precision)
                total += chance
                moment += apart * chance
            entropy = np.log(total) + precision * moment / total
            if abs(entropy - target) < 1e-5:
                break
            if entropy > target:
                low = precision
                precision = precision * 2 if high > 1e300 else (low + high) / 2
            else:
                high = precision
                precision = (low + high) / 2
            if precision > 1e12:
                break
        total = 0.0
        for j in range(k):
            chances[i, j] = np.exp(-(squared[i, j] - squared[i, 0]) * unit * precision)
            total += chances[i, j]
        for j in range(k):
            chances[i, j] /= total
    return chances


@_compiled
def attract(heads: Ints, tails: Ints, weights: Floats, points: Floats, forces: Floats) -> None:
    """Fill `forces` ``(n, 2)`` with the attraction along edges, each listed once."""
    forces[:] = 0
    one = np.float32(1)
    for e in range(len(heads)):
        i, j = heads[e], tails[e]
        x, y = points[i, 0] - points[j, 0], points[i, 1] - points[j, 1]
        pull = weights[e] / (one + x * x + y * y)
        forces[i, 0] -= pull * x
        forces[i, 1] -= pull * y
        forces[j, 0] += pull * x
        forces[j, 1] += pull * y


@_compiled
def edge_cost(heads: Ints, tails: Ints, weights: Floats, points: Floats) -> float:
    """Return Σ p log p + Σ p log(1 + distance²) over edges listed once and counted in both directions."""
    total = 0.0
    for e in range(len(heads)):
        x = points[heads[e], 0] - points[tails[e], 0]
        y = points[heads[e], 1] - points[tails[e], 1]
        if weights[e] > 0:
            total += weights[e] * np.log(weights[e] * (1.0 + x * x + y * y))
    return 2 * total


@_compiled
def tsne_repel(points: Floats, levels: Floats, forces: Floats) -> None:
    """Sum the kernel 1 / (1 + distance²) and its negative gradient over all other points."""
    # Separate columns are vectorized: 16 µs instead of 94 µs for 300 points.
    xs, ys = points[:, 0].copy(), points[:, 1].copy()
    across, down = np.zeros_like(xs), np.zeros_like(xs)
    levels[:] = 0
    zero, one, two = np.float32(0), np.float32(1), np.float32(2)
    for i in range(len(points)):
        level, push_x, push_y = zero, zero, zero
        for j in range(i):
            x, y = xs[i] - xs[j], ys[i] - ys[j]
            near = one / (one + x * x + y * y)
            level += near
            levels[j] += near
            near *= two * near
            push_x += near * x
            push_y += near * y
            across[j] -= near * x
            down[j] -= near * y
        levels[i] += level
        across[i] += push_x
        down[i] += push_y
    forces[:, 0], forces[:, 1] = across, down


@_compiled
def umap_attract(
    heads: Ints, tails: Ints, weights: Floats, curve: tuple[float, float], points: Floats, forces: Floats
) -> None:
    """Fill `forces` with the gradients of weight · log(1 + a · distance^2b) along edges, each listed once."""
    a, b = np.float32(curve[0]), np.float32(curve[1])
    forces[:] = 0
    one, two, tiny = np.float32(1), np.float32(2), np.float32(1e-9)
    for e in range(len(heads)):
        i, j = heads[e], tails[e]
        x, y = points[i, 0] - points[j, 0], points[i, 1] - points[j, 1]
        squared = x * x + y * y + tiny
        grown = a * squared**b
        pull = two * b * weights[e] * grown / (squared * (one + grown))
        forces[i, 0] -= pull * x
        forces[i, 1] -= pull * y
        forces[j, 0] += pull * x
        forces[j, 1] += pull * y


@_compiled
def table_repel(points: Floats, table: Floats, spacing: float, forces: Floats) -> None:
    """Sum the negative gradient of a kernel over all other points.

    `table` holds the kernel at distances of 0, `spacing`, …; its last two values are equal, so that there is no force
    beyond it.
    """
    xs, ys = points[:, 0].copy(), points[:, 1].copy()
    zero, tiny, density, last = np.float32(0), np.float32(1e-12), np.float32(1 / spacing), np.float32(len(table) - 2)
    for i in range(len(points)):
        push_x, push_y = zero, zero
        # Each pair twice: lookups in the table are vectorized only without a second sum per pair.
        for j in range(len(xs)):
            x, y = xs[i] - xs[j], ys[i] - ys[j]
            distance = np.sqrt(x * x + y * y + tiny)
            k = np.int32(min(distance * density, last))
            push = (table[k] - table[k + 1]) / distance
            push_x += push * x
            push_y += push * y
        forces[i, 0], forces[i, 1] = density * push_x, density * push_y


@_compiled
def _cubic(t: float, weights: Floats, slopes: Floats) -> None:
    """Compute weights and derivatives of the 4 nodes around a position, `t` of the way between the middle two."""
    s = 1 - t
    weights[0] = s * s * s / 6
    weights[1] = (4 - 6 * t * t + 3 * t * t * t) / 6
    weights[2] = (4 - 6 * s * s + 3 * s * s * s) / 6
    weights[3] = t * t * t / 6
    slopes[0] = -s * s / 2
    slopes[1] = -2 * t + 1.5 * t * t
    slopes[2] = 2 * s - 1.5 * s * s
    slopes[3] = t * t / 2


@_compiled
def spread_on_grid(points: Floats, origin: Floats, density: float, grid: Floats) -> None:
    """Add the points to `grid`, each spread over 16 nodes; `density` is nodes per unit."""
    grid[:] = 0
    across, down, slopes = np.empty(4, np.float32), np.empty(4, np.float32), np.empty(4, np.float32)
    for i in range(len(points)):
        u, v = (points[i, 0] - origin[0]) * density, (points[i, 1] - origin[1]) * density
        a, b = int(u), int(v)
        _cubic(u - a, across, slopes)
        _cubic(v - b, down, slopes)
        for p in range(4):
            for q in range(4):
                grid[a - 1 + p, b - 1 + q] += across[p] * down[q]


@_compiled
def gather(points: Floats, origin: Floats, density: float, potential: Floats, levels: Floats, forces: Floats) -> None:
    """Fill `levels` ``(n,)`` with the potential at the points and `forces` ``(n, 2)`` with its negative gradient."""
    across, down = np.empty(4, np.float32), np.empty(4, np.float32)
    across_slope, down_slope = np.empty(4, np.float32), np.empty(4, np.float32)
    for i in range(len(points)):
        u, v = (points[i, 0] - origin[0]) * density, (points[i, 1] - origin[1]) * density
        a, b = int(u), int(v)
        _cubic(u - a, across, across_slope)
        _cubic(v - b, down, down_slope)
        level, x, y = 0.0, 0.0, 0.0
        for p in range(4):
            for q in range(4):
                node = potential[a - 1 + p, b - 1 + q]
                level += across[p] * down[q] * node
                x += across_slope[p] * down[q] * node
                y += across[p] * down_slope[q] * node
        levels[i] = level
        forces[i, 0] = -x * density
        forces[i, 1] = -y * density


@_compiled
def step(
    points: Floats, pull: Floats, push: Floats, updates: Floats, gains: Floats, rates: tuple[float, float]
) -> None:
    """Move the points by one step of gradient descent with momentum and per-coordinate gains (Jacobs 1988).

    `rates` are the learning rate and the momentum. Steps are limited to 5, so that no point leaves the map.
    """
    n = len(points)
    rate, momentum = rates
    middle_x, middle_y = 0.0, 0.0
    for i in range(n):
        for c in range(2):
            slope = -(pull[i, c] + push[i, c])
            if (updates[i, c] > 0) != (slope > 0):
                gains[i, c] += 0.2
            else:
                gains[i, c] = max(gains[i, c] * 0.8, 0.01)
            updates[i, c] = momentum * updates[i, c] - rate * gains[i, c] * slope
        length = np.sqrt(updates[i, 0] ** 2 + updates[i, 1] ** 2)
        if length > 5:
            updates[i, 0] *= 5 / length
            updates[i, 1] *= 5 / length
        points[i, 0] += updates[i, 0]
        points[i, 1] += updates[i, 1]
        middle_x += points[i, 0]
        middle_y += points[i, 1]
    for i in range(n):
        points[i, 0] -= middle_x / n
        points[i, 1] -= middle_y / n


@_compiled
def _level(x: float, y: float, origin: Floats, density: float, potential: Floats) -> float:
    across, down, slopes = np.empty(4, np.float32), np.empty(4, np.float32), np.empty(4, np.float32)
    u, v = (x - origin[0]) * density, (y - origin[1]) * density
    a, b = int(u), int(v)
    _cubic(u - a, across, slopes)
    _cubic(v - b, down, slopes)
    level = 0.0
    for p in range(4):
        for q in range(4):
            level += across[p] * down[q] * potential[a - 1 + p, b - 1 + q]
    return level


@_compiled
def jump(
    graph: tuple[Ints, Ints, Floats],
    curve: tuple[float, float],
    candidates: Ints,
    points: Floats,
    field: tuple[Floats, float, Floats, float],
    strengths: Floats,
    order: NDArray[np.intp],
    offsets: Floats,
    limits: tuple[float, float],
) -> NDArray[np.bool_]:
    """Move points next to one of their neighbors if that lowers their cost enough; return which moved.

    The cost of a point is Σ weight · log(1 + a · distance^2b) along its edges, plus its strength times the potential.
    `graph` holds pointers, columns and weights of the symmetric graph; `curve` holds a and b; `field` holds origin,
    density and values of the potential, and a point's own contribution to it; `offsets` ``(n, 2)`` are the distances
    from the neighbor; `limits` are the fraction of its cost that a jump must save, and the squared length below which
    gradient descent is sufficient.
    """
    pointers, columns, weights = graph
    a, b = curve
    origin, density, potential, own = field
    worth, shortest = limits
    moved = np.zeros(len(points), np.bool_)
    for i in order:
        x, y = points[i, 0], points[i, 1]
        here = strengths[i] * (_level(x, y, origin, density, potential) - own)
        for e in range(pointers[i], pointers[i + 1]):
            j = columns[e]
            squared = (x - points[j, 0]) ** 2 + (y - points[j, 1]) ** 2
            here += weights[e] * np.log(1 + a * (squared if b == 1 else squared**b))
        best = here * (1 - worth)
        best_x, best_y = x, y
        for c in range(candidates.shape[1]):
            k = candidates[i, c]
            new_x, new_y = points[k, 0] + offsets[i, 0], points[k, 1] + offsets[i, 1]
            if (new_x - x) ** 2 + (new_y - y) ** 2 < shortest:
                continue
            there = strengths[i] * _level(new_x, new_y, origin, density, potential)
            for e in range(pointers[i], pointers[i + 1]):
                if there >= best:
                    break
                j = columns[e]
                squared = (new_x - points[j, 0]) ** 2 + (new_y - points[j, 1]) ** 2
                there += weights[e] * np.log(1 + a * (squared if b == 1 else squared**b))
            if there < best:
                best = there
                best_x, best_y = new_x, new_y
        if best_x != x or best_y != y:
            points[i, 0], points[i, 1] = best_x, best_y
            moved[i] = True
    return moved
