"""Study of the groups of a snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import validate_vectors
from visualdl_embedding.core.distance import ZERO_OR_SHORT
from visualdl_embedding.core.names import scalar_key
from visualdl_embedding.core.neighbors import Distance, Neighbors, normalize
from visualdl_embedding.metrics.groups._cohesion import Cohesion, measure_cohesion
from visualdl_embedding.metrics.groups._encode import NO_GROUP, Scores, encode_groups, validate_codes
from visualdl_embedding.metrics.groups._misplaced import Misplaced, count_wrong_side, wrong_side
from visualdl_embedding.metrics.groups._probe import MAX_ROWS, probe_scores
from visualdl_embedding.metrics.groups._purity import N_BOOTSTRAP, measure_purity
from visualdl_embedding.metrics.groups._silhouette import SAMPLED_ROWS, measure_silhouette

__all__ = ["GroupStudy", "group_scalars", "study_groups"]

Doubles = NDArray[np.float64]
_FEW = 10
"""Minimum group size for reliable bootstrap intervals."""
_NAMED = 5


@dataclass(frozen=True)
class GroupStudy:
    """Metrics of the groups of a snapshot.

    Attributes
    ----------
    names, sizes
        Group names, largest first; sizes are ``(g,)``.
    codes
        ``(n,)`` int32: group of each row, -1 for none.
    distance, n_neighbors
        Parameters of the graph.
    purity
        Mean share of a row's grouped neighbors in its own group, 0 to 1, with 95% bootstrap intervals.
    chance
        Expected purity if groups are assigned at random.
    purity_over_chance
        ``(purity - chance) / (1 - chance)``: 1 perfect, 0 chance; with the intervals of purity.
    mixing
        ``(g, g)``: row i is the distribution of neighbors of group i's members, and sums to 1.
    silhouette, silhouette_error
        -1 to 1, higher is better, by the graph's distance; and the standard error of sampling, 0 if all rows are
        measured.
    probe_auc
        Area under the ROC curve of a cross-validated linear probe: 1 perfect, 0.5 chance.
    cohesion
        Mean cosine between members, compared with random groups of the same size; and cosines of centroids.
    row_purity
        ``(n,)`` float32: share of each row's grouped neighbors in its own group; NaN if unknown.
    wrong_side_rows
        Number of rows with most of their neighbors in another group.
    misplaced
        The most certain of them, with evidence.
    notes
        Notes on the limits of these numbers.
    """

    names: tuple[str, ...]
    sizes: NDArray[np.intp]
    codes: NDArray[np.int32]
    distance: Distance
    n_neighbors: int
    purity: Scores
    chance: Scores
    purity_over_chance: Scores
    mixing: Doubles
    silhouette: Scores
    silhouette_error: Scores
    probe_auc: Scores
    cohesion: Cohesion
    row_purity: NDArray[np.float32]
    wrong_side_rows: int
    misplaced: tuple[Misplaced, ...]
    notes: tuple[str, ...]

    def index(self, name: str) -> int:
        """Return the position of a group in all arrays.

        Raises
        ------
        ValueError
            If there is no such group; the message lists the groups.
        """
        if name not in self.names:
            raise ValueError(
                f"There is no group {name!r}; the groups are {', '.join(map(repr, self.names)) or 'none'}."
            )
        return self.names.index(name)


def study_groups(
    vectors: NDArray[np.float32],
    neighbors: Neighbors,
    groups: Sequence[str],
    *,
    labels: Sequence[str] | None = None,
    n_folds: int = 5,
    n_random: int = 199,
    random_state: int = 42,
    scalars_only: bool = False,
) -> GroupStudy:
    """Compute the metrics of groups in O(n k + n d²), without n x n arrays.

    With a cosine graph, all metrics use unit vectors.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, all finite.
    neighbors
        Neighbor graph of the vectors; its distance is used throughout.
    groups
        Group name of each row, ``""`` for none.
    labels
        Label of each row; row numbers if None. Folds and samples are drawn by label, so the order of the rows has no
        influence.
    n_folds
        Number of folds of the linear probe, 2 or more.
    n_random
        Number of random groups to compare cohesion with.
    random_state
        Random seed.
    scalars_only
        Leave out what `group_scalars` does not contain and takes half of the time: intervals of purity, the comparison
        of cohesion with random groups, and `misplaced`.

    Raises
    ------
    ValueError
        If vectors, graph, groups and labels have different rows, or a number is out of range.
    """
    validate_vectors(vectors)
    n = len(vectors)
    if len(neighbors.indices) != n:
        raise ValueError(
            f"neighbors must have {n:,} rows like the vectors, not {len(neighbors.indices):,}; use the same snapshot."
        )
    if n_folds < 2:
        raise ValueError(f"n_folds must be at least 2, not {n_folds}: a probe is tested on held-out rows.")
    if n_random < 2:
        raise ValueError(f"n_random must be at least 2, not {n_random}: a standard deviation requires two groups.")
    codes, names = encode_groups(groups)
    g = len(names)
    validate_codes(codes, n, g)
    sizes = np.bincount(codes[codes != NO_GROUP], minlength=g)
    cosine = neighbors.distance == "cosine"
    unit = normalize(vectors)
    points = unit if cosine else vectors
    directed = np.where(unit.any(axis=1), codes, NO_GROUP).astype(np.int32)
    n_bootstrap = 0 if scalars_only else N_BOOTSTRAP
    purity = measure_purity(neighbors.indices, codes, g, n_bootstrap=n_bootstrap, random_state=random_state)
    if labels is not None and len(labels) != n:
        raise ValueError(f"labels must have one entry per row ({n:,}), not {len(labels):,}.")
    order = np.array(range(n) if labels is None else sorted(range(n), key=labels.__getitem__), dtype=np.intp)
    silhouette, silhouette_error = measure_silhouette(
        points[order], (directed if cosine else codes)[order], g, cosine=cosine, random_state=random_state
    )
    study = GroupStudy(
        names=names,
        sizes=sizes,
        codes=codes,
        distance=neighbors.distance,
        n_neighbors=neighbors.n_neighbors,
        purity=purity.observed,
        chance=purity.chance,
        purity_over_chance=purity.over_chance,
        mixing=purity.mixing,
        silhouette=silhouette,
        silhouette_error=silhouette_error,
        probe_auc=probe_scores(points[order], codes[order], g, n_folds=n_folds, random_state=random_state),
        cohesion=measure_cohesion(unit, codes, g, n_random=0 if scalars_only else n_random, random_state=random_state),
        row_purity=purity.rows,
        wrong_side_rows=count_wrong_side(neighbors.indices, codes, g),
        misplaced=() if scalars_only else wrong_side(neighbors, codes, names, labels=labels, limit=20),
        notes=(),
    )
    undirected = int(np.count_nonzero(directed != codes))
    return replace(study, notes=tuple(_notes(study, purity.known, undirected=undirected, n_folds=n_folds)))


def _notes(study: GroupStudy, known: NDArray[np.intp], *, undirected: int, n_folds: int) -> list[str]:
    """Return the notes; `known` is the number of grouped neighbors, `undirected` that of zero rows with a group."""
    grouped, names = study.codes != NO_GROUP, study.names
    m, n = int(grouped.sum()), len(grouped)
    if not m:
        return ["No row has a group, so no group metrics are computed."]
    notes = []
    if m < n / 2:
        notes.append(f"{m:,} of {n:,} rows ({m / n:.0%}) have a group; the others are used only as random rows.")
    notes += _group_notes(study, n_folds)
    mean_known, alone = known[grouped].mean(), int((known[grouped] == 0).sum())
    if len(names) > 1 and mean_known < min(study.n_neighbors, m - 1) / 3:
        notes.append(
            f"Rows with a group have on average {mean_known:.1f} of {study.n_neighbors} neighbors with a group; "
            f"{alone:,} have none and are left out of purity. A graph of grouped rows only has more."
        )
    if undirected:
        notes.append(f"{undirected:,} rows with a group are {ZERO_OR_SHORT}: they have no cohesion.")
    if len(names) > 1 and m > MAX_ROWS:
        notes.append(f"The linear probe is fitted to a sample of the {m:,} rows with a group.")
    if study.silhouette_error.overall > 0:
        notes.append(
            f"The silhouette is computed on a sample of about {SAMPLED_ROWS:,} of {m:,} rows; its standard error is "
            f"{study.silhouette_error.overall:.4f}."
        )
    return notes


def _group_notes(study: GroupStudy, n_folds: int) -> list[str]:
    if len(study.names) == 1:
        return [
            f"All rows with a group are in one group, {study.names[0]!r}, so purity over chance, silhouette and probe "
            "are unknown."
        ]
    notes = {
        "Groups with a single member, without neighbors in the group": study.sizes == 1,
        f"Groups with fewer than {_FEW} members, with intervals that are too narrow": (study.sizes > 1)
        & (study.sizes < _FEW),
        f"Groups without a probe, because they or all others together have fewer rows than the {n_folds} folds": (
            np.isnan(study.probe_auc.groups)
        ),
    }
    return [f"{note}: {_list(study.names, which)}." for note, which in notes.items() if which.any()]


def _list(names: Sequence[str], which: NDArray[np.bool_]) -> str:
    chosen = [repr(name) for name, use in zip(names, which, strict=True) if use]
    shown = ", ".join(chosen[:_NAMED])
    return shown if len(chosen) <= _NAMED else f"{shown} and {len(chosen) - _NAMED:,} more"


def group_scalars(study: GroupStudy, *, max_groups: int = 20) -> dict[str, float]:
    """Return the scalars of a study.

    Parameters
    ----------
    study
        Study of one snapshot.
    max_groups
        Maximum number of groups with their own scalars, largest first: each has five.

    Returns
    -------
    Scalars by `visualdl_embedding.core.names.scalar_key`; unknown values are omitted.
    """
    scalars = {
        "group_purity": study.purity.overall,
        "group_purity_over_chance": study.purity_over_chance.overall,
        "group_silhouette": study.silhouette.overall,
        "probe_auc": study.probe_auc.overall,
    }
    if study.names:
        scalars["wrong_side_rows"] = float(study.wrong_side_rows)
    for code, name in enumerate(study.names[:max_groups]):
        of_group = {
            "purity": study.purity.groups,
            "purity_over_chance": study.purity_over_chance.groups,
            "cohesion": study.cohesion.observed,
            "silhouette": study.silhouette.groups,
            "probe_auc": study.probe_auc.groups,
        }
        scalars |= {scalar_key(metric, group=name): float(values[code]) for metric, values in of_group.items()}
    return {key: value for key, value in scalars.items() if np.isfinite(value)}
