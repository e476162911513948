"""Read-only views of the projections of a report, with their measurements."""

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
"""Parameters of a projection that are irrelevant for a single picture."""


@dataclass(frozen=True)
class View:
    """Projection of an analysis with its measurements.

    Attributes
    ----------
    spec
        Specification of the projection.
    projection
        Coordinates of all n rows, NaN for rows that are not usable.
    numbers
        Finite scalars by name: ``"trustworthiness"``, ``"continuity"``, ``"noise_floor"``, ``"explained_variance"``, …
    trustworthiness
        Trustworthiness of each row, ``(n,)`` float32, 0 to 1, higher is better.
    """

    spec: ProjectionSpec
    projection: Projection
    numbers: dict[str, float]
    trustworthiness: NDArray[np.float32]

    @property
    def key(self) -> str:
        """Key of the projection, used for the picture and for the columns of the coordinates."""
        return self.spec.key

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters to show next to the picture, with the seed last."""
        shown = {k: v for k, v in self.projection.parameters.items() if k not in NO_PICTURE}
        return shown if self.spec.method == "pca" else shown | {"random_state": self.spec.random_state}


def views_of(analysis: Analysis, config: Config) -> tuple[View, ...]:
    """Return the projections of an analysis in the order of its configuration."""
    return tuple(
        View(
            spec=spec,
            projection=analysis.projections[spec.key],
            numbers=analysis.numbers(spec.key),
            trustworthiness=analysis.row_numbers(spec.key)["trustworthiness"],
        )
        for spec in config.specs
    )
