"""How snapshots are analyzed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from visualdl_embedding.analysis._specs import ProjectionSpec, check_specs, projection_key, split_key
from visualdl_embedding.core.neighbors import DISTANCES
from visualdl_embedding.projection import METHODS

__all__ = ["Config"]


@dataclass(frozen=True, slots=True)
class Config:
    """How snapshots are analyzed; stored with the run, so that a replay gives the same numbers.

    Attributes
    ----------
    methods
        Any of ``"pca"``, ``"tsne"``, ``"umap"``.
    n_components
        2, 3 or both: each method makes one projection for each.
    distance
        ``"cosine"`` or ``"euclidean"``, for the neighbors and all that reads them.
    n_neighbors
        Neighbors of the metrics and of UMAP.
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
    projections
        The projections to make, where `methods` by `n_components` are not enough: several perplexities, neighbor counts
        or seeds. Empty for one of each method and number of components. See `plan_projections`.
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
        """The projections to make: those of `projections`, or one for each method and number of components."""
        if self.projections:
            return self.projections
        return tuple(self._plain_spec(method, n) for n in self.n_components for method in self.methods)

    def spec(self, key: str) -> ProjectionSpec:
        """Spec of a projection by its key; of a method that the configuration does not name, with its defaults.

        Raises
        ------
        ValueError
            If the key is neither that of a spec nor that of a method.
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
        """Parameters of t-SNE and UMAP as `project` takes them: those of the spec, else those given here."""
        own = {"perplexity": self.perplexity, "n_neighbors": self.n_neighbors, "min_dist": self.min_dist}
        return own | dict(spec.parameters)

    def _plain_spec(self, method: str, n_components: int) -> ProjectionSpec:
        key = projection_key(method, n_components)
        return ProjectionSpec(key, method, n_components, random_state=self.random_state)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = asdict(self)
        if not self.projections:
            del values["projections"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """Undo `to_dict`; fields that this version does not know are ignored."""
        found = _known(cls, values)
        specs = tuple(ProjectionSpec(**_known(ProjectionSpec, spec)) for spec in found.pop("projections", ()))
        return cls(**found, projections=specs)


def _known(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(kind)}
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items() if name in names}
