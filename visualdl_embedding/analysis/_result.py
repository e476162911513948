"""Results of an analysis and of its stages, and the state for the next one, as plain data classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis._config import Config
from visualdl_embedding.core import arrays
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.stamps import content_stamp, library_version
from visualdl_embedding.drift import Direction
from visualdl_embedding.projection import Basis

__all__ = ["Analysis", "Frame", "Measured", "Projection", "State", "UsableRows", "made_from", "merge"]

T = TypeVar("T")


@dataclass(frozen=True)
class Projection:
    """Coordinates of a snapshot, computed by one method.

    Attributes
    ----------
    method
        Method: ``"pca"``, ``"tsne"`` or ``"umap"``.
    coordinates
        ``(n, n_components)`` float32, aligned to the earlier frames of the run; NaN for rows that are not usable.
    parameters
        Parameters of the method, seed, number of iterations, distance and basis version.
    noise_floor
        Motion since the previous frame that 97.5% of unchanged rows do not exceed, in standard deviations of the
        layout. In the first frame, that of a repeated frame. 0 for PCA, which is a fixed linear map. None if not
        measured, or if `redrawn`.
    axes
        ``(n_components, 2)`` float32: lower and upper limits of the axes, the same for all pictures of a version.
    axes_version
        Version of the axes, incremented whenever new axes are chosen.
    places
        ``(n, n_components)`` float32: coordinates, and for rows that are not usable their last ones, from which they
        continue when they return; NaN for rows that never had any. None if equal to the coordinates. Not drawn.
    """

    method: str
    coordinates: NDArray[np.float32]
    parameters: Mapping[str, Any]
    axes: NDArray[np.float32]
    axes_version: int = 1
    noise_floor: float | None = None
    places: NDArray[np.float32] | None = None

    @property
    def redrawn(self) -> bool:
        """Whether the layout was redrawn, so that its motion since the previous frame is not comparable."""
        # Before noise floors bounded motion, the optimizer stored this key too, also for layouts with a noise floor.
        return self.noise_floor is None and bool(self.parameters.get("redrawn", False))

    @property
    def n_components(self) -> int:
        """Number of dimensions: 2 or 3."""
        return int(self.coordinates.shape[1])


@dataclass(frozen=True)
class Analysis:
    """Results computed from one snapshot.

    Attributes
    ----------
    table, step
        Table name and step of the snapshot.
    previous_step
        Step of the previous analysis, the reference for changes; None for the first.
    first_step
        Step of the first analysis of the run.
    frame
        Number of earlier analyses of this table.
    neighbors
        Graph in the original space with `Config.n_neighbors` neighbors per row. It contains only the usable rows
        (`Snapshot.usable`), and its indices are positions among them.
    projections
        Projections by key (`ProjectionSpec.key`).
    scalars
        Scalars, keyed by `visualdl_embedding.core.names.scalar_key`.
    row_metrics
        ``(n,)`` float32 each, NaN where unknown: ``"norm"``, ``"displacement"``, ``"neighbor_overlap"``,
        ``"tsne/trustworthiness"``, …
    basis
        Basis of PCA; None if PCA was not requested or no row was usable.
    directions
        Directions of the watched words towards groups since the previous snapshot.
    notes
        Sentences for the user about reduced parameters, excluded rows and skipped parts.
    seconds
        Time by part, in seconds.
    made_from
        Stamps of the ``"snapshot"``, of the ``"previous"`` analysis (empty for none) and of the ``"config"``, and the
        version of the ``"library"``; empty if a version that did not store it made the analysis.
    """

    table: str
    step: int
    previous_step: int | None
    first_step: int
    frame: int
    neighbors: Neighbors
    projections: Mapping[str, Projection]
    scalars: Mapping[str, float]
    row_metrics: Mapping[str, NDArray[np.float32]]
    basis: Basis | None = None
    directions: tuple[Direction, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    made_from: Mapping[str, str] = field(default_factory=dict)

    def numbers(self, key: str) -> dict[str, float]:
        """Return the scalars of one projection without its key, such as ``"trustworthiness"``."""
        return _below(key, self.scalars)

    def row_numbers(self, key: str) -> dict[str, NDArray[np.float32]]:
        """Return the row metrics of one projection without its key, such as ``"motion"``."""
        return _below(key, self.row_metrics)


def _below(key: str, values: Mapping[str, T]) -> dict[str, T]:
    """Return the values whose names begin with ``"<key>/"``, with that prefix removed."""
    return {name.removeprefix(f"{key}/"): value for name, value in values.items() if name.startswith(f"{key}/")}


@dataclass(frozen=True)
class Frame:
    """A snapshot with its analysis."""

    snapshot: Snapshot
    analysis: Analysis


def made_from(snapshot: Snapshot, previous: Mapping[str, str] | None, config: Config) -> dict[str, str]:
    """Return `Analysis.made_from` for a snapshot and the `made_from` of the previous analysis; None for no previous.

    Analyses form a chain: if a snapshot changes, so do the stamps of all analyses after it.
    """
    settings = {name: value for name, value in config.to_dict().items() if name != "n_jobs"}
    return {
        "snapshot": snapshot.stamp,
        "previous": "" if previous is None else content_stamp(sorted(previous.items())),
        "config": content_stamp(sorted(settings.items())),
        "library": library_version(),
    }


@dataclass(frozen=True)
class State:
    """Earlier frames that an analysis uses; the store can rebuild them from any analysis on disk.

    Attributes
    ----------
    first, previous
        First and previous frame of the run; None before the first analysis.
    earlier
        Snapshots before the previous one, oldest first; at most two for each of `Config.null_pairs`.
    """

    first: Frame | None = None
    previous: Frame | None = None
    earlier: tuple[Snapshot, ...] = ()

    def followed_by(self, frame: Frame, config: Config) -> State:
        """Return the state after a frame."""
        earlier = self.earlier if self.previous is None else (*self.earlier, self.previous.snapshot)
        kept = earlier[-2 * config.null_pairs :] if config.null_pairs else ()
        return State(self.first or frame, frame, kept)

    @property
    def frame(self) -> int:
        """Number of frames so far."""
        return self.previous.analysis.frame + 1 if self.previous else 0

    @property
    def null(self) -> tuple[tuple[Snapshot, Snapshot], ...]:
        """Disjoint pairs of consecutive snapshots before the previous one; newest first."""
        newest = range(len(self.earlier) - 1, 0, -2)
        return tuple((self.earlier[i - 1], self.earlier[i]) for i in newest)


@dataclass(frozen=True)
class Measured:
    """Result of a stage.

    Attributes
    ----------
    scalars
        Scalars, keyed by `visualdl_embedding.core.names.scalar_key`.
    row_metrics
        ``(n,)`` float32 each, for all rows of the snapshot.
    notes
        Sentences for the user.
    """

    scalars: Mapping[str, float] = field(default_factory=dict)
    row_metrics: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def merge(*parts: Measured) -> Measured:
    """Merge the results of stages, in order; later values replace earlier ones of the same name."""
    return Measured(
        {name: value for part in parts for name, value in part.scalars.items()},
        {name: values for part in parts for name, values in part.row_metrics.items()},
        tuple(note for part in parts for note in part.notes),
    )


@dataclass(frozen=True)
class UsableRows:
    """Rows of a snapshot between which the distance is defined.

    Attributes
    ----------
    positions
        ``(v,)`` positions of the usable rows among all n rows.
    vectors
        ``(v, d)`` float32 vectors of the usable rows.
    n
        Number of all rows.
    first
        ``(v,)`` positions among the usable rows: the row that each one coincides with, see
        `core.duplicates.representatives`.
    """

    positions: NDArray[np.intp]
    vectors: NDArray[np.float32]
    n: int
    first: NDArray[np.intp]

    @cached_property
    def distinct(self) -> NDArray[np.intp]:
        """Positions among the usable rows of those to project: one of each group that coincides, or all if all do."""
        found = np.unique(self.first)
        return found if len(found) > 1 else np.arange(len(self.first))

    @cached_property
    def drawn(self) -> NDArray[np.float32]:
        """Vectors to project, ``(v, d)``: rows that coincide are equal, so that rounding errors have no places."""
        return self.vectors if len(np.unique(self.first)) == len(self.first) else self.vectors[self.first]

    def spread(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Expand values of the usable rows, ``(v, …)``, to all rows, ``(n, …)`` float32, with NaN elsewhere."""
        return arrays.spread(values, self.positions, self.n)
