"""What is computed of a snapshot, and what the next snapshot needs of it: data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis._config import Config
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import Direction
from visualdl_embedding.projection import Basis

__all__ = ["Analysis", "Frame", "Projection", "State"]

T = TypeVar("T")


@dataclass(frozen=True)
class Projection:
    """A snapshot drawn by one method.

    Attributes
    ----------
    method
        ``"pca"``, ``"tsne"`` or ``"umap"``.
    coordinates
        ``(n, n_components)`` float32, NaN where the row was not usable; in the frame of the run (aligned).
    parameters
        All that made it: the method's own parameters, seed, iterations done, distance, basis version.
    noise_floor
        Root mean square motion between two fits of one and the same frame, after alignment, in standard deviations of
        the layout; None where not measured yet. 0 for PCA, which is a fixed linear map.
    axes
        ``(n_components, 2)`` float32: lower and upper end of the axes that all pictures of this version share.
    axes_version
        Counts up when the axes had to be drawn anew.
    """

    method: str
    coordinates: NDArray[np.float32]
    parameters: Mapping[str, Any]
    axes: NDArray[np.float32]
    axes_version: int = 1
    noise_floor: float | None = None

    @property
    def n_components(self) -> int:
        """2 or 3."""
        return int(self.coordinates.shape[1])


@dataclass(frozen=True)
class Analysis:
    """Everything computed of one snapshot.

    Attributes
    ----------
    table, step
        Of the snapshot.
    previous_step
        Step of the analysis that this one was compared with; None for the first.
    first_step
        Step of the run's first analysis.
    frame
        How many analyses of this table came before.
    neighbors
        The graph in the original space, `Config.n_neighbors` wide; of the usable rows only (`Snapshot.usable`),
        whose positions it uses.
    projections
        By key (`ProjectionSpec.key`).
    scalars
        By `visualdl_embedding.core.names.scalar_key`.
    row_metrics
        ``(n,)`` float32 each, NaN where unknown: ``"norm"``, ``"displacement"``, ``"neighbor_overlap"``,
        ``"tsne/trustworthiness"``, …
    basis
        Of PCA; None where PCA was not asked for or no row was usable.
    directions
        Towards which groups the watched words moved since the previous snapshot.
    notes
        Sentences for the user about what was lowered, left out or skipped.
    seconds
        Time spent by part, in seconds.
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

    def numbers(self, key: str) -> dict[str, float]:
        """Scalars of one projection by their own names, such as ``"trustworthiness"``."""
        return _below(key, self.scalars)

    def row_numbers(self, key: str) -> dict[str, NDArray[np.float32]]:
        """Row metrics of one projection by their own names, such as ``"motion"``."""
        return _below(key, self.row_metrics)


def _below(key: str, values: Mapping[str, T]) -> dict[str, T]:
    """Values whose names begin with ``"<key>/"``, by the rest of their names."""
    return {name.removeprefix(f"{key}/"): value for name, value in values.items() if name.startswith(f"{key}/")}


@dataclass(frozen=True)
class Frame:
    """A snapshot with its analysis."""

    snapshot: Snapshot
    analysis: Analysis


@dataclass(frozen=True)
class State:
    """What an analysis needs of those before it; the store can rebuild it from any analysis on disk.

    Attributes
    ----------
    first, previous
        Frames.
    earlier
        Snapshots before the previous one, oldest first: as many as `Config.null_pairs` asks for.
    """

    first: Frame | None = None
    previous: Frame | None = None
    earlier: tuple[Snapshot, ...] = ()

    def followed_by(self, frame: Frame, config: Config) -> State:
        """Go on with a frame."""
        earlier = self.earlier if self.previous is None else (*self.earlier, self.previous.snapshot)
        kept = earlier[-2 * config.null_pairs :] if config.null_pairs else ()
        return State(self.first or frame, frame, kept)

    @property
    def frame(self) -> int:
        """How many frames there are before the next one."""
        return self.previous.analysis.frame + 1 if self.previous else 0

    @property
    def null(self) -> tuple[tuple[Snapshot, Snapshot], ...]:
        """Pairs of consecutive snapshots that share none with one another, nor with the previous one; newest first."""
        newest = range(len(self.earlier) - 1, 0, -2)
        return tuple((self.earlier[i - 1], self.earlier[i]) for i in newest)
