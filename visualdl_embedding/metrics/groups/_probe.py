"""Linear probe for the groups: cross-validated ridge regression in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import center
from visualdl_embedding.metrics.groups._encode import NO_GROUP, Scores

__all__ = ["probe_scores", "stratified_folds"]

Doubles = NDArray[np.float64]
MAX_ROWS = 20_000


def stratified_folds(codes: NDArray[np.int32], n_folds: int, *, random_state: int = 42) -> NDArray[np.intp]:
    """Split rows ``(m,)`` into shuffled folds of equal size, stratified by group; ``(m,)``, 0 to ``n_folds - 1``."""
    order = np.lexsort((np.random.default_rng(random_state).random(len(codes)), codes))
    folds = np.empty(len(codes), dtype=np.intp)
    folds[order] = np.arange(len(codes)) % n_folds
    return folds


def probe_scores(
    points: NDArray[np.float32], codes: NDArray[np.int32], n_groups: int, *, n_folds: int = 5, random_state: int = 42
) -> Scores:
    """Cross-validate one linear probe per group against all others; return the area under its ROC curve.

    Ridge regression on the indicator of the group. The scatter matrix of the training rows is that of all rows minus
    that of the held-out fold, so a fold takes one d x d system for all groups.

    From points ``(n, d)`` and groups ``(n,)``, -1 for rows to ignore; if more than 20,000 rows have a group, from a
    sample. Means over the folds, and over groups: 1 perfect, 0.5 chance. NaN for a group with fewer members than folds,
    or with fewer other rows than folds.

    Notes
    -----
    The penalty is the total variance of the training rows. It is optimal if a signal as strong as the noise is spread
    over all directions, and it scales with the space.

    References
    ----------
    Alain and Bengio 2016, "Understanding intermediate layers using linear classifier probes"; Hanley and McNeil 1982,
    "The meaning and use of the area under a receiver operating characteristic (ROC) curve"; Dobriban and Wager 2018,
    "High-dimensional asymptotics of prediction: ridge regression and classification", for the penalty.
    """
    grouped = np.flatnonzero(codes != NO_GROUP)
    sizes = np.bincount(codes[grouped], minlength=n_groups)
    areas = np.full(n_groups, np.nan)
    askable = np.flatnonzero((sizes >= n_folds) & (len(grouped) - sizes >= n_folds))
    if len(askable):
        if len(grouped) > MAX_ROWS:
            # A fold of a stratified split is a stratified sample, so that rare groups are kept.
            parts = -(-len(grouped) // MAX_ROWS)
            grouped = grouped[_thin(codes[grouped], sizes, parts, random_state)]
        folds = stratified_folds(codes[grouped], n_folds, random_state=random_state)
        targets = (codes[grouped, None] == askable).astype(np.float64)
        areas[askable] = _cross_validate(_compact(points[grouped]), targets, folds)
    return Scores(float(areas[askable].mean()) if len(askable) else np.nan, areas)


def _thin(labels: NDArray[np.int32], sizes: NDArray[np.intp], parts: int, random_state: int) -> NDArray[np.intp]:
    """Keep one of `parts` rows of each large group, and all rows of the others."""
    small = sizes[labels] < 100 * parts
    return np.flatnonzero(small | (stratified_folds(labels, parts, random_state=random_state) == 0))


def _compact(points: NDArray[np.float32]) -> Doubles:
    """Center points, and rotate them into their n-dimensional span if there are more columns than rows."""
    wide = points - center(points)
    n, d = wide.shape
    return np.linalg.qr(wide.T)[1].T if d > n else wide


def _cross_validate(points: Doubles, targets: Doubles, folds: NDArray[np.intp]) -> Doubles:
    """Compute the mean area over the folds for each column of `targets`, ``(g,)``."""
    parts = [(points[folds == fold], targets[folds == fold]) for fold in range(int(folds.max()) + 1)]
    scatters = [x.T @ x for x, _ in parts]
    products = [x.T @ y for x, y in parts]
    scatter, product = np.sum(scatters, axis=0), np.sum(products, axis=0)
    areas = []
    for (x, y), its_scatter, its_product in zip(parts, scatters, products, strict=True):
        m = len(points) - len(x)
        # All points sum to 0, so the training rows sum to minus the sum of the held-out rows.
        mean, base = -x.sum(axis=0) / m, (targets.sum(axis=0) - y.sum(axis=0)) / m
        train = scatter - its_scatter - m * np.outer(mean, mean)
        penalty = np.trace(train) / m
        if not penalty > 0:
            areas.append(np.full(y.shape[1], 0.5))
            continue
        train[np.diag_indices_from(train)] += penalty
        weights = np.linalg.solve(train, product - its_product - m * np.outer(mean, base))
        areas.append(_areas(x @ weights, y))
    return np.asarray(np.nanmean(areas, axis=0))


def _areas(scores: Doubles, targets: Doubles) -> Doubles:
    """Share of pairs (one inside, one outside) in the right order; ties count half; NaN without pairs."""
    from scipy.stats import rankdata

    inside = targets.sum(axis=0)
    pairs = inside * (len(targets) - inside)
    won = (rankdata(scores, axis=0) * targets).sum(axis=0) - inside * (inside + 1) / 2
    areas: Doubles = np.divide(won, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    return areas
