"""Parameters of the analysis of snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from visualdl_embedding.analysis._specs import ProjectionSpec, check_specs, projection_key, split_key
from visualdl_embedding.core.jsonable import known_fields
from visualdl_embedding.core.neighbors import DISTANCES
from visualdl_embedding.projection import METHODS

__all__ = ["Config"]


@dataclass(frozen=True, slots=True)
class Config:
    """Parameters of the analysis of snapshots, stored with the run for reproducible replays.

    Attributes
    ----------
    methods
        Projection methods, any of ``"pca"``, ``"tsne"``, ``"umap"``.
    n_components
        Dimensions of the projections: 2, 3 or both. Each method makes one projection per value.
    distance
        Distance for the neighbors and for all metrics and projections that use them: ``"cosine"`` or ``"euclidean"``.
    n_neighbors
        Number of neighbors for the metrics and for UMAP.
    perplexity
        Perplexity of t-SNE; reduced with a note if there are too few rows.
    min_dist
        Minimum distance between points in UMAP.
    noise_floor_every
        Interval between measurements of the noise floor, in frames. The first two frames are always measured, unless
        this is 0, which disables the measurement.
    null_pairs
        Number of earlier pairs of consecutive snapshots that serve as the null distribution for the drift of each
        watched word. The pairs share no snapshots. Use this for a stable model with regular snapshots, such as weekly
        ones; during training, consecutive frames differ by learning. 0 compares each word with the other words only.
    random_state
        Seed of all random operations.
    n_jobs
        Number of threads.
    projections
        Specs of the projections, for several perplexities, neighbor counts or seeds; see `plan_projections`. If empty,
        there is one projection per method and number of components.
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
    projections: tuple[ProjectionSpec, ...] = ()

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
        check_specs(self.projections)

    @property
    def specs(self) -> tuple[ProjectionSpec, ...]:
        """Specs of the projections: `projections`, or one per method and number of components if that is empty."""
        if self.projections:
            return self.projections
        return tuple(self._plain_spec(method, n) for n in self.n_components for method in self.methods)

    def spec(self, key: str) -> ProjectionSpec:
        """Return the spec with a key; for a method that is not in `specs`, a spec with default parameters.

        Raises
        ------
        ValueError
            If the key belongs neither to a spec nor to a method.
        """
        for spec in self.specs:
            if spec.key == key:
                return spec
        method, n_components = split_key(key)
        if method in METHODS and key == projection_key(method, n_components):
            return self._plain_spec(method, n_components)
        known = ", ".join(dict.fromkeys([*(spec.key for spec in self.specs), *METHODS]))
        raise ValueError(f"There is no projection {key!r}; known are {known}.")

    def parameters_of(self, spec: ProjectionSpec) -> dict[str, Any]:
        """Return the parameters of t-SNE and UMAP for `project`; those of the spec override those of this object."""
        own = {"perplexity": self.perplexity, "n_neighbors": self.n_neighbors, "min_dist": self.min_dist}
        return own | dict(spec.parameters)

    def _plain_spec(self, method: str, n_components: int) -> ProjectionSpec:
        key = projection_key(method, n_components)
        return ProjectionSpec(key, method, n_components, random_state=self.random_state)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values = asdict(self)
        if not self.projections:
            del values["projections"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """Build a configuration from the result of `to_dict`; unknown fields are ignored."""
        found: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in known_fields(cls, values).items()
        }
        specs = tuple(ProjectionSpec(**known_fields(ProjectionSpec, spec)) for spec in found.pop("projections", ()))
        return cls(**found, projections=specs)
