"""Compare two snapshots: what changed, whether that is unusual, and in which direction."""

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
"""Neighbors that are named as evidence."""
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
    """Compare two snapshots whose rows pair by label.

    A rotation, reflection, shift or scaling of the whole space is no drift: see `measure_pair`.

    Parameters
    ----------
    before, after
        Their vocabularies may differ (the shared part is compared), and so may their widths (there is no displacement
        then). Rows that hold NaN or inf are left out and counted.
    n_neighbors, distance, neighbors, n_jobs
        As in `measure_pair`.
    groups
        Group of each label; the column ``"group"`` of `after` if None. Labels without one belong to none.
    watch
        Labels that are asked about: each gets a p-value, and a direction towards every group. They are left out of the
        rows that they are held against.
    null
        Pairs between which nothing changed: two trainings with different seeds each, or earlier weeks. Snapshots, or
        what `measure_pair` made of them, which a weekly job can keep. Pairs that share no snapshot with each other are
        best: a rank among dependent pairs is less certain than it looks.
    match_by
        Column of `after` by which rows are matched: a rare word changes more by chance than a frequent one. Numbers are
        cut into ranges of 100 rows or more. Ignored, with a note, where there is no such column; None matches nobody.
    alpha
        Chance of a false alarm: of `Direction.significant`; for a series of comparisons, `spend_alpha`.
    correction
        ``"holm"`` or ``"fdr"``, see `correct`.
    random_state
        Of shuffled groups and of an approximate search for neighbors.

    Returns
    -------
    A `Drift`. Its p-values are ranks:

    - a *word*: its change among those of all other rows, each by what is usual in its stratum of like rows. This says
      that the word is unusual among the rows of this pair; a word that is unsteady in every training always is. With
      `null`, what is usual for the word itself is taken out, and it is ranked among the null changes as well.
    - a *group*: its mean among those of random rows, as many from every stratum, each held against what is usual for
      it. Without `null` there is no such p-value: words of a kind are unsteady in every training, and of a lexicon's
      groups 34% had one below 0.05 where nothing had changed.
    - a *direction*: the change of lean among those of all other rows, likewise.
    - the *space*: its means among those of the null pairs. Without them there is no such p-value.

    Notes
    -----
    False alarms measured at a level of 0.05 on 200 pairs of real trainings without a change
    (``benchmarks/calibration.py``): words 0.04, directions 0.05, the space 0.04 to 0.07, groups with null pairs 0.06.
    The most unsteady twentieth of words have them in more than 28% of the pairs, with null pairs in more than 7%.

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
        raise ValueError(f"alpha is a chance between 0 and 1, not {alpha}.")
    if correction not in CORRECTIONS:
        raise ValueError(f"Unknown correction {correction!r}; known are {', '.join(CORRECTIONS)}.")
    known_somewhere(watch, before, after)
    options = {"n_neighbors": n_neighbors, "distance": distance, "random_state": random_state, "n_jobs": n_jobs}
    pair = measure_pair(before, after, neighbors=neighbors, **options)  # type: ignore[arg-type]
    group_of = groups_of(groups, after)
    names = tuple(sorted({group for label in pair.labels if (group := group_of.get(label, ""))}))
    codes = codes_of(pair.labels, group_of, names)
    lean = pair_leans(pair.vectors, codes, len(names)) if names else None
    observed = statistics_of(pair, group_of, names, lean=lean)
    # One pair at a time: what is kept of each is a few numbers per row.
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
    """Check that a null pair was measured in the same way; a smaller vocabulary may have lowered its neighbors."""
    if null.distance != pair.distance or null.n_neighbors > n_neighbors:
        raise ValueError(
            f"A null pair was measured with {null.n_neighbors} neighbors by {null.distance} distance, this one with "
            f"{pair.n_neighbors} by {pair.distance}; measure all pairs alike."
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
    like = f" of like {match_by}" if num_strata > 1 else ""
    rows = f"words among the other rows{like} of this pair"
    if not num_pairs:
        return f"{rows}; no null pairs, so none for groups and the space"
    many = "1 null pair" if num_pairs == 1 else f"{num_pairs} null pairs"
    return f"{rows} and of {many}, each held against its own change there; the space among the null pairs"
