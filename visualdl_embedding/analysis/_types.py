"""What is computed of a snapshot, and what the next snapshot needs of it: data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import DISTANCES, Neighbors
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import Direction
from visualdl_embedding.projection import METHODS, Basis

__all__ = ["Analysis", "Config", "Frame", "Projection", "State", "projection_key"]


def projection_key(method: str, n_components: int) -> str:
    """Key under which a projection is stored.

    >>> projection_key("tsne", 2), projection_key("tsne", 3)
    ('tsne', 'tsne_3d')
    """
    return method if n_components == 2 else f"{method}_{n_components}d"


@dataclass(frozen=True, slots=True)
class Config:
    """How snapshots are analyzed; stored with the run, so that a replay gives the same numbers.

    Attributes
    ----------
    methods
        Any of ``"pca"``, ``"tsne"``, ``"umap"``.
    n_components
        2, 3 or both: one projection is made for each.
    distance
        ``"cosine"`` or ``"euclidean"``, for the neighbors and all that reads them.
    n_neighbors
        Other rows in a neighborhood, for the metrics and UMAP.
    perplexity
        Of t-SNE; lowered, and noted, where there are too few rows for it.
    min_dist
        Of UMAP.
    noise_floor_every
        The noise floor is measured at the first two frames and every so many frames; 0 measures it never.
    null_pairs
        So many earlier pairs of consecutive snapshots, which share none with one another, tell how much each watched
        word moves by itself; its drift is held against them. For snapshots of a settled model, week by week: while a
        training learns, no two frames are alike. 0: against the other words only.
    random_state
        Seed of everything random.
    n_jobs
        Threads.
    """

    methods: tuple[str, ...] = ("pca", "tsne", "umap")
    n_components: tuple[int, ...] = (2,)
    distance: Literal["cosine", "euclidean"] = "cosine"
    n_neighbors: int = 15
    perplexity: float = 30.0
    min_dist: float = 0.1
    noise_floor_every: int = 10
    null_pairs: int = 0
    random_state: int = 42
    n_jobs: int = 1

    def __post_init__(self) -> None:
        for method in self.methods:
            if method not in METHODS:
                raise ValueError(f"Unknown method {method!r}; known are {', '.join(METHODS)}.")
        if not self.n_components or set(self.n_components) - {2, 3}:
            raise ValueError(f"n_components takes 2, 3 or both, not {self.n_components!r}.")
        if self.distance not in DISTANCES:
            raise ValueError(f"Unknown distance {self.distance!r}; known are {', '.join(DISTANCES)}.")
        if self.n_neighbors < 1:
            raise ValueError(f"n_neighbors must be at least 1, not {self.n_neighbors}.")
        if self.perplexity <= 0:
            raise ValueError(f"perplexity must be positive, not {self.perplexity}.")
        if self.noise_floor_every < 0:
            raise ValueError(f"noise_floor_every counts frames from 0, not {self.noise_floor_every}.")
        if self.null_pairs < 0:
            raise ValueError(f"null_pairs counts pairs from 0, not {self.null_pairs}.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """Undo `to_dict`; lists become tuples."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**fields)


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
    def key(self) -> str:
        """``"tsne"``, or ``"tsne_3d"`` for three components."""
        return projection_key(self.method, self.coordinates.shape[1])


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
        By key (`projection_key`).
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
    def null(self) -> tuple[tuple[Snapshot, Snapshot], ...]:
        """Pairs of consecutive snapshots that share none with one another, nor with the previous one; newest first."""
        newest = range(len(self.earlier) - 1, 0, -2)
        return tuple((self.earlier[i - 1], self.earlier[i]) for i in newest)
