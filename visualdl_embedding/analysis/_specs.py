"""Specs of projections: method, number of components, parameters and seed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from visualdl_embedding.projection import METHODS

__all__ = ["ProjectionSpec", "as_tuple", "plan_projections", "projection_key", "split_key"]

PARAMETERS = {"pca": (), "tsne": ("perplexity",), "umap": ("n_neighbors", "min_dist")}
"""Parameters of each method that a spec may set."""


def projection_key(method: str, n_components: int) -> str:
    """Return the key of the only projection of a method with a number of components.

    >>> projection_key("tsne", 2), projection_key("tsne", 3)
    ('tsne', 'tsne_3d')
    """
    return method if n_components == 2 else f"{method}_{n_components}d"


def split_key(key: str) -> tuple[str, int]:
    """Return the method and the number of components that a key begins with.

    >>> split_key("tsne"), split_key("umap_3d"), split_key("tsne_3d_perplexity5")
    (('tsne', 2), ('umap', 3), ('tsne', 3))
    """
    method, *rest = key.split("_")
    return method, 3 if rest and rest[0] == "3d" else 2


@dataclass(frozen=True)
class ProjectionSpec:
    """Specification of one projection.

    Attributes
    ----------
    key
        Unique name: the result of `projection_key`, with a suffix after ``"_"`` if there are several of the same method
        and number of components, such as ``"tsne_perplexity5"`` or ``"umap_3d_seed43"``.
    method
        Method: ``"pca"``, ``"tsne"`` or ``"umap"``.
    n_components
        Number of dimensions: 2 or 3.
    parameters
        Parameters of the method: ``perplexity`` for t-SNE, ``n_neighbors`` and ``min_dist`` for UMAP. Missing ones are
        taken from the `Config`.
    random_state
        Seed of the projection.
    like
        Key of an earlier projection to which the first frame of this one is aligned; empty for none.
    repeat
        Index of the seed: 0 for the first, 1 for the second, … The noise floor is measured for the first seed only.
    """

    key: str
    method: str
    n_components: int = 2
    parameters: Mapping[str, float] = field(default_factory=dict)
    random_state: int = 42
    like: str = ""
    repeat: int = 0

    def __post_init__(self) -> None:
        _distinct("methods", self.method, METHODS)
        _distinct("n_components", self.n_components, (2, 3))
        # Keys become part of tags and of tensor names.
        if split_key(self.key) != (self.method, self.n_components) or not re.fullmatch(r"[\w.+-]+", self.key):
            begin = projection_key(self.method, self.n_components)
            raise ValueError(
                f"The key {self.key!r} must be {begin!r}, or begin with '{begin}_' and go on with letters, digits and "
                "'_.+-'."
            )
        if unknown := set(self.parameters) - set(PARAMETERS[self.method]):
            known = ", ".join(PARAMETERS[self.method]) or "none"
            raise ValueError(f"{self.key!r} takes no {', '.join(sorted(unknown))}; parameters of its method: {known}.")


def check_specs(specs: Sequence[ProjectionSpec]) -> None:
    """Raise ValueError unless keys are distinct and `like` is an earlier key with the same number of components."""
    earlier: dict[str, ProjectionSpec] = {}
    for spec in specs:
        if spec.key in earlier:
            raise ValueError(f"Two projections have the key {spec.key!r}; give each its own.")
        if spec.like and (spec.like not in earlier or earlier[spec.like].n_components != spec.n_components):
            raise ValueError(
                f"{spec.key!r} is to be like {spec.like!r}, which is no earlier projection of {spec.n_components} "
                f"components; earlier are {', '.join(earlier) or 'none'}."
            )
        earlier[spec.key] = spec


def plan_projections(
    methods: str | Iterable[str],
    *,
    n_components: int | Iterable[int] = (2,),
    perplexity: float | Iterable[float] = (30.0,),
    n_neighbors: int | Iterable[int] = (15,),
    repeats: int = 1,
    random_state: int = 42,
) -> tuple[ProjectionSpec, ...]:
    """Return a spec for every method, number of components, parameter value and seed.

    Raises
    ------
    ValueError
        If a method is unknown, no method is given, or a value is out of range.

    >>> specs = plan_projections(["pca", "tsne"], perplexity=[5, 30], repeats=2)
    >>> [spec.key for spec in specs]
    ['pca', 'tsne_perplexity5', 'tsne_perplexity5_seed43', 'tsne_perplexity30', 'tsne_perplexity30_seed43']
    """
    chosen = _distinct("methods", methods, METHODS)
    dimensions = _distinct("n_components", n_components, (2, 3))
    sizes: dict[str, list[float]] = {
        "perplexity": [float(value) for value in _above("perplexity", perplexity, 1.0)],
        "n_neighbors": [int(value) for value in _above("n_neighbors", n_neighbors, 1)],
    }
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise ValueError(f"repeats counts the seeds from 1, not {repeats!r}.")
    specs: list[ProjectionSpec] = []
    for components in dimensions:
        for method in chosen:
            base = projection_key(method, components)
            if method == "pca":
                specs.append(ProjectionSpec(base, method, components, random_state=random_state))
                continue
            name, like = PARAMETERS[method][0], ""
            for value in sizes[name]:
                varied = f"{base}_{name}{value:g}" if len(sizes[name]) > 1 else base
                for repeat in range(repeats):
                    seed = random_state + repeat
                    key = f"{varied}_seed{seed}" if repeat else varied
                    specs.append(ProjectionSpec(key, method, components, {name: value}, seed, like, repeat))
                    like = like or key
    check_specs(specs)
    return tuple(specs)


def _distinct(name: str, values: Any, known: Sequence[Any]) -> tuple[Any, ...]:
    chosen = as_tuple(name, values)
    for value in chosen:
        if value not in known:
            raise ValueError(f"Unknown in {name}: {value!r}; known are {', '.join(map(str, known))}.")
    return chosen


def _above(name: str, values: Any, least: float) -> tuple[Any, ...]:
    chosen = as_tuple(name, values)
    for value in chosen:
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise TypeError(f"{name} takes numbers, not {value!r}.")
        if not least <= value < np.inf:
            raise ValueError(f"{name} must be at least {least:g}, not {value!r}.")
    return chosen


def as_tuple(name: str, values: Any) -> tuple[Any, ...]:
    """Return one or more values as a tuple without duplicates."""
    if isinstance(values, str | int | float | np.number):
        values = (values,)
    if not isinstance(values, Iterable):
        raise TypeError(f"{name} takes one value or a list of values, not {values!r}.")
    distinct = tuple(dict.fromkeys(values))
    if not distinct:
        raise ValueError(f"{name} is empty; give at least one value.")
    return distinct
