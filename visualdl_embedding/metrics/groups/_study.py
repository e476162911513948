"""All that is measured of the groups of a snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import validate_vectors
from visualdl_embedding.core.names import scalar_key
from visualdl_embedding.core.neighbors import Distance, Neighbors, normalize
from visualdl_embedding.metrics.groups._cohesion import Cohesion, measure_cohesion
from visualdl_embedding.metrics.groups._encode import NO_GROUP, encode_groups, validate_codes
from visualdl_embedding.metrics.groups._misplaced import Misplaced, count_wrong_side, wrong_side
from visualdl_embedding.metrics.groups._notes import study_notes
from visualdl_embedding.metrics.groups._probe import probe_scores
from visualdl_embedding.metrics.groups._purity import measure_purity
from visualdl_embedding.metrics.groups._scores import Scores
from visualdl_embedding.metrics.groups._silhouette import measure_silhouette

__all__ = ["GroupStudy", "group_scalars", "study_groups"]

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class GroupStudy:
    """How the groups of a snapshot stand in its space.

    Attributes
    ----------
    names, sizes
        Of the groups, the largest first; sizes are ``(g,)``.
    codes
        ``(n,)`` int32: group of each row, -1 for none.
    distance, n_neighbors
        Of the graph.
    purity
        Mean share of a row's grouped neighbors that are of its group, 0 to 1, with 95% bootstrap intervals.
    chance
        What purity is if groups are dealt out at random.
    purity_over_chance
        ``(purity - chance) / (1 - chance)``: 1 perfect, 0 chance; with the intervals of purity.
    mixing
        ``(g, g)``: row i is whose neighbors group i's members have, and sums to 1.
    silhouette, silhouette_error
        -1 to 1, higher is better, by the graph's distance; and the standard error of sampling, 0 if all rows were
        measured.
    probe_auc
        Area under the ROC curve of a cross-validated linear probe: 1 perfect, 0.5 chance.
    cohesion
        Mean cosine of members with each other, beside random groups of the same size; and centroids' cosines.
    row_purity
        ``(n,)`` float32: share of each row's grouped neighbors that are of its group; NaN where unknown.
    wrong_side_rows
        How many rows' neighbors mostly belong to another group.
    misplaced
        The surest of them, with evidence.
    notes
        Sentences about what limits these numbers.
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

    @property
    def centroid_cosines(self) -> Doubles:
        """``(g, g)`` cosines between the mean unit vectors of groups."""
        return self.cohesion.centroid_cosines

    def index(self, name: str) -> int:
        """Position of a group in all arrays.

        Raises
        ------
        ValueError
            If there is no such group; the message names those that there are.
        """
        if name not in self.names:
            raise ValueError(f"There is no group {name!r}; there are {', '.join(map(repr, self.names)) or 'none'}.")
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
) -> GroupStudy:
    """Measure how groups stand in a space: O(n k + n d²), nothing of n x n.

    With a graph by cosine, all is measured on unit vectors.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, all finite.
    neighbors
        Their graph; its distance is used throughout.
    groups
        Name of each row's group, ``""`` for none.
    labels
        Name of each row; row numbers if None.
    n_folds
        Of the linear probe, 2 or more.
    n_random
        Random groups that each group's cohesion is compared with.
    random_state
        Seed of everything random.

    Raises
    ------
    ValueError
        If vectors, graph, groups and labels are not of the same rows, or a number is out of its range.
    """
    validate_vectors(vectors)
    n = len(vectors)
    if len(neighbors.indices) != n:
        raise ValueError(
            f"The graph is one of {len(neighbors.indices):,} rows, vectors has {n:,}; pass both of one snapshot."
        )
    if n_folds < 2:
        raise ValueError(
            f"n_folds must be at least 2, not {n_folds}: a probe is tested on rows that it was not fitted to."
        )
    if n_random < 2:
        raise ValueError(f"n_random must be at least 2, not {n_random}: a spread needs two groups.")
    codes, names = encode_groups(groups)
    g = len(names)
    validate_codes(codes, n, g)
    sizes = np.bincount(codes[codes != NO_GROUP], minlength=g)
    cosine = neighbors.distance == "cosine"
    unit = normalize(vectors)
    points = unit if cosine else vectors
    directed = np.where(unit.any(axis=1), codes, NO_GROUP).astype(np.int32)
    purity = measure_purity(neighbors.indices, codes, g, random_state=random_state)
    silhouette, silhouette_error = measure_silhouette(
        points, directed if cosine else codes, g, cosine=cosine, random_state=random_state
    )
    probe = probe_scores(points, codes, g, n_folds=n_folds, random_state=random_state)
    return GroupStudy(
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
        probe_auc=probe,
        cohesion=measure_cohesion(unit, codes, g, n_random=n_random, random_state=random_state),
        row_purity=purity.rows,
        wrong_side_rows=count_wrong_side(neighbors.indices, codes, g),
        misplaced=wrong_side(neighbors, codes, names, labels=labels, limit=20),
        notes=study_notes(
            names,
            codes,
            known=purity.known,
            undirected=int(np.count_nonzero(directed != codes)),
            probed=probe.groups,
            n_neighbors=neighbors.n_neighbors,
            n_folds=n_folds,
            sampling_error=silhouette_error.overall,
        ),
    )


def group_scalars(study: GroupStudy, *, max_groups: int = 20) -> dict[str, float]:
    """Give the numbers of a study the names under which they are stored and drawn.

    Parameters
    ----------
    study
        Of one snapshot.
    max_groups
        So many of the largest groups get numbers of their own: each makes five curves.

    Returns
    -------
    By `visualdl_embedding.core.names.scalar_key`; what is not known is left out.
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
