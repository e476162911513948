"""Notes on the limits of a comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence

from visualdl_embedding.core.distance import ZERO_OR_SHORT
from visualdl_embedding.core.precision import DTYPES, dtype_of
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift._measure import Pair
from visualdl_embedding.drift._ranks import smallest_p_value
from visualdl_embedding.drift._towards import PairStudy
from visualdl_embedding.metrics import neighbor_overlap

__all__ = ["pair_notes"]

_SHIFT = 0.01
"""Shift in radii above which there is a note."""
_FEW = 0.9
"""Share of the rows in each null pair below which there is a note."""
_TIED = 0.01
"""Share of rows with tied neighbors above which there is a note."""


def pair_notes(
    pair: Pair,
    study: PairStudy,
    *,
    before: Snapshot,
    after: Snapshot,
    asked_for: int,
    watch: Sequence[str],
    match_by: str | None,
    null_rows: Sequence[int],
    alpha: float,
) -> tuple[str, ...]:
    """Return the notes.

    Parameters
    ----------
    asked_for
        Requested `n_neighbors`.
    null_rows
        Number of the paired rows in each null pair.
    """
    n, left_out, widths = len(pair), pair.pairing.left_out, (before.vectors.shape[1], after.vectors.shape[1])
    names, grouped, labels = study.names, int((study.codes >= 0).sum()), set(pair.labels)
    lacking = [label for label in watch if label not in labels]
    num_ranked = int(study.reference.sum()) * (1 + len(null_rows))
    smallest = smallest_p_value(num_ranked)
    num_tests, fewest = len(study.watched) * max(len(names), 1), min(null_rows, default=n)
    rows = before.vectors[pair.pairing.before], after.vectors[pair.pairing.after]
    num_long = 0 if pair.ordinary is None else int((~pair.ordinary).sum())
    dtype = max(map(dtype_of, rows), key=DTYPES.__getitem__)
    num_still = 0
    if pair.displacement is not None:
        num_still = int(((rows[0] != rows[1]).any(axis=1) & (pair.displacement == 0)).sum())
    num_tied = int((neighbor_overlap(*pair.neighbors) < pair.neighbor_overlap).sum())
    notes = (
        (
            "only before" in left_out or "only after" in left_out,
            f"The vocabularies differ: {n:,} rows are compared, {left_out.get('only before', 0):,} labels are only "
            f"before (of {len(before.labels):,}), {left_out.get('only after', 0):,} only after (of "
            f"{len(after.labels):,}). Neighbors are computed among the compared rows.",
        ),
        (
            "not finite" in left_out,
            f"{left_out.get('not finite', 0):,} rows are left out, because they contain NaN or inf before or after.",
        ),
        (
            "zero" in left_out,
            f"{left_out.get('zero', 0):,} rows are left out, because they are {ZERO_OR_SHORT} before or after and "
            "have no direction.",
        ),
        (
            num_long and pair.distance == "cosine",
            f"{num_long:,} rows are over 10 times as long as 90% of the rows. By cosine, only their direction is "
            "compared.",
        ),
        (
            num_long and pair.distance == "euclidean",
            f"{num_long:,} rows are over 10 times as far from the center as 90% of the rows. Alignment, CKA and the "
            "mean displacement are those of the others.",
        ),
        (
            num_still,
            f"{num_still:,} of {n:,} rows moved by less than {dtype} resolves, apart from a motion of the whole space; "
            "they count as unmoved.",
        ),
        (
            num_tied > _TIED * n,
            f"{num_tied:,} of {n:,} rows have neighbors whose distances differ by less than {dtype} resolves; these "
            "count as kept.",
        ),
        (
            pair.n_neighbors < asked_for,
            f"n_neighbors is lowered from {asked_for} to {pair.n_neighbors}, because only {n:,} rows are compared.",
        ),
        (
            widths[0] != widths[1],
            f"The widths differ ({widths[0]} columns before, {widths[1]} after): there is no displacement, and a shift "
            "of the whole space cannot be separated from a change of neighbors by cosine.",
        ),
        (
            widths[0] == widths[1] and n <= widths[0],
            f"{n:,} rows can be aligned almost freely in {widths[0]} columns, so the displacement and the shift are "
            "underestimated. Watch more rows than there are columns.",
        ),
        (
            pair.distance == "cosine" and pair.shift > _SHIFT,
            f"The center of the space moved by {pair.shift:.2g} radii relative to the origin. With cosine that alone "
            "changes neighbors; it is removed before the comparison.",
        ),
        (lacking, f"Watched, but not among the compared rows: {', '.join(lacking)}."),
        (
            watch and len(names) < 2,
            f"There is {f'only the group {names[0]!r}' if names else 'no group'}: directions require at least two, "
            "from `groups` or a column 'group'.",
        ),
        (
            len(names) > 1 and grouped < n / 10,
            f"Only {grouped:,} of {n:,} rows have a group, so their shares of neighbors include distant rows.",
        ),
        (
            match_by and match_by not in after.rows.columns,
            f"There is no column {match_by!r}, so rows are compared with all others; rare words change more by chance "
            "alone.",
        ),
        (
            num_tests * smallest > alpha,
            f"No result can be significant: among {num_ranked:,}, p-values are at least {smallest:.2g}, with "
            f"{num_tests:,} tests at a level of {alpha:g}. Watch fewer words, compare more rows, or add null pairs.",
        ),
        (
            not null_rows,
            "Without null pairs there is no p-value for the space as a whole or for a group, and that of a word means "
            "that it is unusual among the rows of this pair: words that are unstable in every training are unusual "
            "too. Add pairs of snapshots without a change (null).",
        ),
        (
            null_rows and (len(null_rows) + 1) * alpha < 1,
            f"p-values of the space and of groups cannot reach {alpha:g} with {len(null_rows)} null pairs; this "
            f"requires {math.ceil(1 / alpha - 1e-9) - 1}.",
        ),
        (
            fewest < _FEW * n,
            f"A null pair has only {fewest:,} of the {n:,} compared rows; the others are compared with the rows of "
            "this pair alone.",
        ),
    )
    return tuple(note for holds, note in notes if holds)
