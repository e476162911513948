"""Read-only access to the projections of a report, each with what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Analysis, Config, Projection, ProjectionSpec

__all__ = ["View", "views_of"]

NO_PICTURE = frozenset(
    {"rearranged", "rescaled", "basis_step", "basis_version", "method", "warm", "noise_floor_step", "random_state"}
)
"""Parameters of a projection that tell nothing of a single picture."""


@dataclass(frozen=True)
class View:
    """A projection of an analysis.

    Attributes
    ----------
    spec
        What was asked for.
    projection
        Coordinates of all n rows, NaN for those that are not valid.
    numbers
        Finite scalars: ``"trustworthiness"``, ``"continuity"``, ``"noise_floor"``, ``"explained_variance"``, …
    trustworthiness
        ``(n,)`` float32, 0 to 1: of each row.
    """

    spec: ProjectionSpec
    projection: Projection
    numbers: dict[str, float]
    trustworthiness: NDArray[np.float32]

    @property
    def key(self) -> str:
        """Its name: that of its picture, and of its columns in the table of coordinates."""
        return self.spec.key

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters worth reading beside the picture, the seed last."""
        shown = {k: v for k, v in self.projection.parameters.items() if k not in NO_PICTURE}
        return shown if self.spec.method == "pca" else shown | {"random_state": self.spec.random_state}


def views_of(analysis: Analysis, config: Config) -> tuple[View, ...]:
    """List the projections of an analysis in the order of its configuration."""
    return tuple(
        View(
            spec=spec,
            projection=analysis.projections[spec.key],
            numbers=analysis.numbers(spec.key),
            trustworthiness=analysis.row_numbers(spec.key)["trustworthiness"],
        )
        for spec in config.specs
    )
