"""Notes on the limits of a comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence

from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift._measure import Pair
from visualdl_embedding.drift._towards import Study

__all__ = ["pair_notes"]

_SHIFT = 0.01
_FEW = 0.9


def pair_notes(
    pair: Pair,
    study: Study,
    before: Snapshot,
    after: Snapshot,
    *,
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
    return (
        *_about_rows(pair, before, after, asked_for),
        *_about_space(pair, before, after),
        *_about_words(pair, study, watch, match_by if match_by not in after.rows.columns else None),
        *_about_resolution(study, len(null_rows), alpha),
        *_about_null(len(pair), null_rows, alpha),
    )


def _about_rows(pair: Pair, before: Snapshot, after: Snapshot, asked_for: int) -> list[str]:
    notes, n, left_out = [], len(pair), pair.pairing.left_out
    if left_out.get("only before") or left_out.get("only after"):
        notes.append(
            f"The vocabularies differ: {n:,} rows are compared, {left_out.get('only before', 0):,} labels are only "
            f"before (of {len(before.labels):,}), {left_out.get('only after', 0):,} only after (of "
            f"{len(after.labels):,}). Neighbors are computed among the compared rows."
        )
    if count := left_out.get("not finite"):
        notes.append(f"{count:,} rows are left out, because they contain NaN or inf before or after.")
    if count := left_out.get("zero"):
        notes.append(f"{count:,} rows are left out, because they are zero before or after and have no direction.")
    if pair.n_neighbors < asked_for:
        notes.append(
            f"n_neighbors is lowered from {asked_for} to {pair.n_neighbors}, because only {n:,} rows are compared."
        )
    return notes


def _about_space(pair: Pair, before: Snapshot, after: Snapshot) -> list[str]:
    notes, widths = [], (before.vectors.shape[1], after.vectors.shape[1])
    if widths[0] != widths[1]:
        notes.append(
            f"The widths differ ({widths[0]} columns before, {widths[1]} after): there is no displacement, and a shift "
            "of the whole space cannot be separated from a change of neighbors by cosine."
        )
    elif len(pair) <= widths[0]:
        notes.append(
            f"{len(pair):,} rows can be aligned almost freely in {widths[0]} columns, so the displacement "
            "and the shift are underestimated. Watch more rows than there are columns."
        )
    if pair.distance == "cosine" and pair.shift > _SHIFT:
        notes.append(
            f"The center of the space moved by {pair.shift:.2g} radii relative to the origin. With cosine that alone "
            "changes neighbors; it is removed before the comparison."
        )
    return notes


def _about_words(pair: Pair, study: Study, watch: Sequence[str], no_column: str | None) -> list[str]:
    notes, groups, grouped, known = [], study.names, int((study.codes >= 0).sum()), set(pair.labels)
    if lacking := [label for label in watch if label not in known]:
        notes.append(f"Watched, but not among the compared rows: {', '.join(lacking)}.")
    if watch and len(groups) < 2:
        have = f"only the group {groups[0]!r}" if groups else "no group"
        notes.append(f"There is {have}: directions require at least two, from `groups` or a column 'group'.")
    if len(groups) > 1 and grouped < len(pair) / 10:
        notes.append(
            f"Only {grouped:,} of {len(pair):,} rows have a group, so their shares of neighbors include distant rows."
        )
    if no_column:
        notes.append(
            f"There is no column {no_column!r}, so rows are compared with all others; rare words change more by chance "
            "alone."
        )
    return notes


def _about_resolution(study: Study, num_null: int, alpha: float) -> list[str]:
    num_ranked = int(study.reference.sum()) * (1 + num_null)
    questions = len(study.asked) * max(len(study.names), 1)
    if not questions or questions <= alpha * (1 + num_ranked):
        return []
    return [
        f"No result can be significant: ranked among {num_ranked:,}, p-values are at least "
        f"{1 / (1 + num_ranked):.2g}, with {questions:,} tests at a level of {alpha:g}. Watch fewer words, compare "
        "more rows, or add null pairs."
    ]


def _about_null(num_rows: int, null_rows: Sequence[int], alpha: float) -> list[str]:
    if not null_rows:
        return [
            "Without null pairs there is no p-value for the space as a whole or for a group, and that of a word means "
            "that it is unusual among the rows of this pair: words that are unstable in every training are unusual "
            "too. Add pairs of snapshots without a change (null)."
        ]
    notes = []
    if (len(null_rows) + 1) * alpha < 1:
        notes.append(
            f"p-values of the space cannot reach {alpha:g} with {len(null_rows)} null pairs; this requires "
            f"{math.ceil(1 / alpha - 1e-9) - 1}."
        )
    if min(null_rows) < _FEW * num_rows:
        notes.append(
            f"A null pair has only {min(null_rows):,} of the {num_rows:,} compared rows; the others are compared with "
            "the rows of this pair alone."
        )
    return notes
