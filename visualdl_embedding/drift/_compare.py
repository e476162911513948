"""Comparison of two snapshots: changes, significance, direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from visualdl_embedding.core.neighbors import Distance
from visualdl_embedding.core.pairing import pair_labels
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift._correct import CORRECTIONS, Correction, correct
from visualdl_embedding.drift._drift import Drift, GroupDrift, WordDrift
from visualdl_embedding.drift._measure import Graphs, Pair, measure_pair
from visualdl_embedding.drift._notes import pair_notes
from visualdl_embedding.drift._ranks import SMALLEST_P, Values, group_p_values, pair_p_value, rank_rows
from visualdl_embedding.drift._towards import (
    TINY,
    PairStudy,
    directions_of,
    lean_changes,
    validate_watched,
)

__all__ = ["NullPair", "compare_snapshots"]

NullPair = Pair | tuple[Snapshot, Snapshot]
_MOVED = 20
_NAMED = 10
"""Number of neighbors listed as evidence."""


def compare_snapshots(
    before: Snapshot,
    after: Snapshot,
    *,
    n_neighbors: int = 15,
    distance: Distance = "cosine",
    groups: Mapping[str, str] | None = None,
    watch: Sequence[str] = (),
    null: Sequence[NullPair] | None = None,
    match_by: str | None = "frequency",
    alpha: float = 0.05,
    correction: Correction = "holm",
    neighbors: Graphs = (None, None),
    random_state: int = 42,
    n_jobs: int = 1,
) -> Drift:
    """Compare two snapshots with rows paired by label.

    A rotation, reflection, shift or scaling of the whole space is not drift: see `measure_pair`.

    Parameters
    ----------
    before, after
        Snapshots to compare. If their vocabularies differ, the shared part is compared; if their widths differ, there
        is no displacement. Rows with NaN or inf are left out and counted.
    n_neighbors, distance, neighbors, n_jobs
        As in `measure_pair`.
    groups
        Group of each label; by default the column ``"group"`` of `after`. Labels without a group belong to none.
    watch
        Labels to report on: each gets a p-value, and a direction towards every group. They are excluded from the
        reference rows.
    null
        Pairs without a change: two trainings with different seeds each, or earlier weeks. Snapshots, or results of
        `measure_pair`, which a weekly job can store. Use pairs that share no snapshot with each other: ranks among
        dependent pairs are less reliable.
    match_by
        Column of `after` by which rows are matched: rare words change more by chance than frequent ones. Numbers are
        split into ranges of 100 rows or more. Ignored with a note if there is no such column; None for no matching.
    alpha
        Probability of a false alarm for `Direction.significant`; for a series of comparisons, use `spend_alpha`.
    correction
        ``"holm"`` or ``"fdr"``, see `correct`.
    random_state
        Seed of an approximate neighbor search.

    Returns
    -------
    A `Drift`. Its p-values are ranks; beyond the tenth largest of 100 or more changes also a tail fitted to the largest
    tenth, because a rank among m others is at least 1 / (m + 1):

    - a *word*: its change among those of all other rows, each relative to the usual change in its stratum of similar
      rows. A low value means that the word is unusual among the rows of this pair; a word that is unstable in every
      training always is. With `null`, the usual change of the word itself is removed, and the null changes are included
      in the ranking.
    - a *group*: its mean among its own means in the null pairs. Without `null` there is no such p-value: words of the
      same kind are unstable in every training, so that random rows are no reference.
    - a *direction*: the change of lean among those of all other rows, in the same way.
    - the *space*: its means among those of the null pairs. Without null pairs there is no such p-value.

    Notes
    -----
    False alarm rates at a level of 0.05, measured on 60 pairs of word vectors and 30 of classifiers without a change
    (``benchmarks/calibration.py``): words 0.04 to 0.07, directions 0.04 to 0.05, the space 0.03 to 0.07, groups 0.02 to
    0.06. The most unstable 5% of words have false alarms in more than 28% of the pairs, with null pairs in more than
    8%.

    Raises
    ------
    ValueError
        If no row is shared, a watched label is in neither snapshot, or an argument is out of range.

    References
    ----------
    Vovk, Gammerman and Shafer 2005, "Algorithmic learning in a random world", for p-values that are ranks;
    Knijnenburg, Wessels, Reinders and Shmulevich 2009, "Fewer permutations, more accurate P-values", for the tail;
    Kutuzov et al. 2018, "Diachronic word embeddings and semantic shifts: a survey".
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, not {alpha}.")
    if correction not in CORRECTIONS:
        raise ValueError(f"correction must be one of {', '.join(CORRECTIONS)}, not {correction!r}.")
    validate_watched(watch, before, after)
    options: Any = {"n_neighbors": n_neighbors, "distance": distance, "random_state": random_state, "n_jobs": n_jobs}
    pair = measure_pair(before, after, neighbors=neighbors, **options)
    study = PairStudy.of(pair.pairing, after, watch, match_by=match_by, groups=groups)
    lean = study.leans(pair.labels, pair.vectors)

    def of_null(item: NullPair) -> tuple[Values, dict[str, float], int]:
        found = item if isinstance(item, Pair) else measure_pair(*item, **options)
        # A smaller vocabulary may have reduced the neighbors of a null pair.
        if found.distance != distance or found.n_neighbors > n_neighbors:
            raise ValueError(
                f"A null pair has {found.n_neighbors} neighbors by {found.distance} distance, but this pair has "
                f"{pair.n_neighbors} by {pair.distance}; use the same settings for all pairs."
            )
        rows, theirs = pair_labels(pair.labels, found.labels)
        values = np.full((1 + lean.shape[2], len(pair)), np.nan)
        values[:, rows] = _statistics(found, study.leans(found.labels, found.vectors))[:, theirs]
        return values, found.means, len(rows)

    # Process one pair at a time: only a few numbers per row are kept.
    others = [of_null(item) for item in null or ()]
    change, *lean_change = np.stack([_statistics(pair, lean), *(values for values, *_ in others)], axis=1)
    null_means = [means for _, means, _ in others]
    ranked = rank_rows(change, study.strata, reference=study.reference)
    p_values = ranked.p_values
    # Correct watched words and all other rows separately.
    p_corrected = np.empty_like(p_values)
    for part in (study.reference, ~study.reference):
        p_corrected[part] = correct(p_values[part], correction)
    group_p = np.full(len(study.names), np.nan)
    if others and study.names:
        group_p = group_p_values(ranked.residuals, study.codes, n_groups=len(group_p))

    def word(row: int) -> WordDrift:
        rows = pair.neighbor_overlap, pair.displacement, pair.relative_displacement, pair.change, p_values, p_corrected
        numbers: Any = (None if values is None else float(values[row]) for values in rows)
        near = (tuple(pair.labels[other] for other in graph.indices[row, :_NAMED]) for graph in pair.neighbors)
        return WordDrift(pair.labels[row], *numbers, *near)

    return Drift(
        labels=pair.labels,
        step_before=before.step,
        step_after=after.step,
        neighbor_overlap=pair.neighbor_overlap,
        displacement=pair.displacement,
        relative_displacement=pair.relative_displacement,
        change=pair.change,
        p_values=p_values,
        p_corrected=p_corrected,
        mean_neighbor_overlap=pair.means["neighbor_overlap"],
        mean_displacement=pair.means.get("displacement"),
        cka=pair.cka,
        space_p_values={
            name: pair_p_value(value, [o.get(name, np.nan) for o in null_means], higher=name == "displacement")
            for name, value in pair.means.items()
            if others
        },
        groups=_group_drifts(pair, study, group_p, correct(group_p, correction)),
        watched=tuple(map(word, study.watched)),
        moved=tuple(word(int(row)) for row in ranked.order()[:_MOVED]),
        directions=directions_of(
            study,
            pair.vectors,
            lean,
            changes=lean_change,
            n_neighbors=pair.n_neighbors,
            distance=distance,
            alpha=alpha,
            correction=correction,
        ),
        null=_null_sentence(
            len(others), match_by if study.strata.any() else None, tail=bool((ranked.smallest == SMALLEST_P).any())
        ),
        floor=_floor(null_means),
        shift=pair.shift,
        n_neighbors=pair.n_neighbors,
        distance=distance,
        alpha=alpha,
        correction=correction,
        random_state=random_state,
        left_out=pair.pairing.left_out,
        notes=pair_notes(
            pair,
            study,
            before=before,
            after=after,
            asked_for=n_neighbors,
            watch=watch,
            match_by=match_by,
            null_rows=[num_rows for *_, num_rows in others],
            alpha=alpha,
        ),
    )


def _statistics(pair: Pair, lean: Values) -> Values:
    """``(1 + groups, n)``: logarithm of each row's change, and change of its lean to each group."""
    # Use logarithms: changes differ by factors, which are larger for rare words in every pair.
    return np.vstack(
        [
            np.log(np.maximum(pair.change.astype(np.float64), TINY)),
            lean_changes(lean, pair),
        ]
    )


def _group_drifts(pair: Pair, study: PairStudy, p_values: Values, p_corrected: Values) -> tuple[GroupDrift, ...]:
    found = []
    for code, name in enumerate(study.names):
        rows = study.codes == code
        moved = None if pair.displacement is None else pair.mean_displacement(rows)
        overlap = float(pair.neighbor_overlap[rows].mean())
        p_value, corrected = float(p_values[code]), float(p_corrected[code])
        found.append(GroupDrift(name, int(rows.sum()), overlap, moved, p_value, corrected))
    return tuple(found)


def _floor(means: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
    names = dict.fromkeys(name for of_pair in means for name in of_pair)
    return {name: float(np.mean([o[name] for o in means if name in o])) for name in names} or None


def _null_sentence(num_pairs: int, match_by: str | None, *, tail: bool) -> str:
    like = f" of similar {match_by}" if match_by else ""
    rows = f"words among the other rows{like} of this pair"
    beyond = "; beyond the tenth largest change, from a tail fitted to the largest tenth" if tail else ""
    if not num_pairs:
        return f"{rows}{beyond}; without null pairs there are none for groups and the space"
    many = "1 null pair" if num_pairs == 1 else f"{num_pairs} null pairs"
    words = f"{rows} and of {many}, each relative to its own change there{beyond}"
    return f"{words}; groups and the space among the null pairs"
