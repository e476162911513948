"""Comparison of two snapshots: changes, significance, direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import Distance
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift._correct import CORRECTIONS, Correction, correct
from visualdl_embedding.drift._drift import Drift, GroupDrift, WordDrift
from visualdl_embedding.drift._measure import Graphs, Pair, measure_pair
from visualdl_embedding.drift._notes import pair_notes
from visualdl_embedding.drift._ranks import group_p_values, pair_p_value
from visualdl_embedding.drift._statistics import (
    Statistics,
    codes_of,
    pair_leans,
    rank_rows,
    side_by_side,
    statistics_of,
)
from visualdl_embedding.drift._towards import asked_rows, directions_of, groups_of, known_somewhere, layers_of

__all__ = ["NullPair", "compare_snapshots"]

NullPair = Pair | tuple[Snapshot, Snapshot]
_MOVED = 20
_NAMED = 10
"""Number of neighbors listed as evidence."""
_HIGHER_IS_DRIFT = {"neighbor_overlap": False, "displacement": True, "cka": False}


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
        Seed of shuffled groups and of an approximate neighbor search.

    Returns
    -------
    A `Drift`. Its p-values are ranks:

    - a *word*: its change among those of all other rows, each relative to the usual change in its stratum of similar
      rows. A low value means that the word is unusual among the rows of this pair; a word that is unstable in every
      training always is. With `null`, the usual change of the word itself is removed, and the null changes are included
      in the ranking.
    - a *group*: its mean among those of random rows, with the same number from every stratum, each relative to its
      usual change. Without `null` there is no such p-value: words of the same kind are unstable in every training, and
      34% of the groups of a lexicon had a value below 0.05 without a change.
    - a *direction*: the change of lean among those of all other rows, in the same way.
    - the *space*: its means among those of the null pairs. Without null pairs there is no such p-value.

    Notes
    -----
    False alarm rates at a level of 0.05, measured on 200 pairs of real trainings without a change
    (``benchmarks/calibration.py``): words 0.04, directions 0.05, the space 0.04 to 0.07, groups with null pairs 0.06.
    The most unstable 5% of words have false alarms in more than 28% of the pairs, with null pairs in more than 7%.

    Raises
    ------
    ValueError
        If no row is shared, a watched label is in neither snapshot, or an argument is out of range.

    References
    ----------
    Vovk, Gammerman and Shafer 2005, "Algorithmic learning in a random world", for p-values that are ranks; Kutuzov et
    al. 2018, "Diachronic word embeddings and semantic shifts: a survey".
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, not {alpha}.")
    if correction not in CORRECTIONS:
        raise ValueError(f"correction must be one of {', '.join(CORRECTIONS)}, not {correction!r}.")
    known_somewhere(watch, before, after)
    options = {"n_neighbors": n_neighbors, "distance": distance, "random_state": random_state, "n_jobs": n_jobs}
    pair = measure_pair(before, after, neighbors=neighbors, **options)  # type: ignore[arg-type]
    group_of = groups_of(groups, after)
    names = tuple(sorted({group for label in pair.labels if (group := group_of.get(label, ""))}))
    codes = codes_of(pair.labels, group_of, names)
    lean = pair_leans(pair.vectors, codes, len(names)) if names else None
    observed = statistics_of(pair, group_of, names, lean=lean)
    # Process one pair at a time: only a few numbers per row are kept.
    others = [
        statistics_of(
            _fitting(item, pair, n_neighbors) if isinstance(item, Pair) else measure_pair(*item, **options),  # type: ignore[arg-type]
            group_of,
            names,
        )
        for item in null or ()
    ]
    asked, reference = asked_rows(watch, pair.labels)
    layers = layers_of(after, pair.pairing.after, match_by)
    change, *leant = side_by_side(observed, others)
    p_values, left = rank_rows(change, layers, reference=reference)
    p_corrected = _corrected_apart(p_values, reference, correction)
    towards = [rank_rows(values, layers, reference=reference)[0][asked] for values in leant]
    by_rank = pair.change if pair.relative_displacement is None else pair.relative_displacement
    words = _Words(pair, p_values, p_corrected)
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
            name: pair_p_value(value, [o.means.get(name, np.nan) for o in others], higher=_HIGHER_IS_DRIFT[name])
            for name, value in pair.means.items()
            if others
        },
        groups=_group_drifts(
            pair,
            left,
            codes,
            names,
            layers=layers,
            has_null=bool(others),
            correction=correction,
            random_state=random_state,
        ),
        watched=tuple(words.of(row) for row in asked),
        moved=tuple(words.of(int(row)) for row in np.argsort(-by_rank, kind="stable")[:_MOVED]),
        directions=directions_of(
            pair.labels,
            pair.vectors,
            codes,
            names=names,
            asked=asked,
            lean=lean,
            p_values=towards,
            n_neighbors=pair.n_neighbors,
            distance=distance,
            alpha=alpha,
            correction=correction,
        ),
        null=_null_sentence(len(others), len(np.unique(layers)), match_by),
        floor=_floor(others),
        shift=pair.shift,
        n_neighbors=pair.n_neighbors,
        distance=distance,
        alpha=alpha,
        correction=correction,
        random_state=random_state,
        left_out=pair.pairing.left_out,
        notes=pair_notes(
            pair,
            before,
            after,
            asked_for=n_neighbors,
            watch=tuple(watch),
            num_null=len(others),
            null_rows=min((len(set(o.labels).intersection(pair.labels)) for o in others), default=len(pair)),
            num_ranked=int(reference.sum()) * (1 + len(others)),
            num_asked=len(asked),
            groups=names,
            grouped=int((codes >= 0).sum()),
            no_column=None if match_by in after.rows.columns else match_by,
            alpha=alpha,
        ),
    )


def _fitting(null: Pair, pair: Pair, n_neighbors: int) -> Pair:
    """Check that a null pair has the same settings; a smaller vocabulary may have reduced its neighbors."""
    if null.distance != pair.distance or null.n_neighbors > n_neighbors:
        raise ValueError(
            f"A null pair has {null.n_neighbors} neighbors by {null.distance} distance, but this pair has "
            f"{pair.n_neighbors} by {pair.distance}; use the same settings for all pairs."
        )
    return null


def _corrected_apart(
    p_values: NDArray[np.float64], reference: NDArray[np.bool_], correction: Correction
) -> NDArray[np.float64]:
    corrected = np.empty_like(p_values)
    for part in (reference, ~reference):
        corrected[part] = correct(p_values[part], correction)
    return corrected


@dataclass(frozen=True)
class _Words:
    pair: Pair
    p_values: NDArray[np.float64]
    p_corrected: NDArray[np.float64]

    def of(self, row: int) -> WordDrift:
        pair = self.pair
        before, after = (tuple(pair.labels[other] for other in graph.indices[row, :_NAMED]) for graph in pair.neighbors)
        return WordDrift(
            pair.labels[row],
            float(pair.neighbor_overlap[row]),
            None if pair.displacement is None else float(pair.displacement[row]),
            None if pair.relative_displacement is None else float(pair.relative_displacement[row]),
            float(pair.change[row]),
            float(self.p_values[row]),
            float(self.p_corrected[row]),
            before,
            after,
        )


def _group_drifts(
    pair: Pair,
    left: NDArray[np.float64],
    codes: NDArray[np.int32],
    names: tuple[str, ...],
    *,
    layers: NDArray[np.int32],
    has_null: bool,
    correction: Correction,
    random_state: int,
) -> tuple[GroupDrift, ...]:
    if not names:
        return ()
    p_values = np.full(len(names), np.nan)
    if has_null:
        p_values = group_p_values(left, codes, layers, n_groups=len(names), random_state=random_state)
    corrected = correct(p_values, correction)
    found = []
    for code, name in enumerate(names):
        rows = codes == code
        moved = None if pair.displacement is None else float(pair.displacement[rows].mean())
        overlap = float(pair.neighbor_overlap[rows].mean())
        found.append(GroupDrift(name, int(rows.sum()), overlap, moved, float(p_values[code]), float(corrected[code])))
    return tuple(found)


def _floor(others: Sequence[Statistics]) -> dict[str, float] | None:
    if not others:
        return None
    names = dict.fromkeys(name for found in others for name in found.means)
    return {name: float(np.mean([o.means[name] for o in others if name in o.means])) for name in names}


def _null_sentence(num_pairs: int, num_strata: int, match_by: str | None) -> str:
    like = f" of similar {match_by}" if num_strata > 1 else ""
    rows = f"words among the other rows{like} of this pair"
    if not num_pairs:
        return f"{rows}; without null pairs there are none for groups and the space"
    many = "1 null pair" if num_pairs == 1 else f"{num_pairs} null pairs"
    return f"{rows} and of {many}, each relative to its own change there; the space among the null pairs"
