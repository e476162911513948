"""Against zadu, a library of measures for projections by other authors (Jeon et al. 2023)."""

from __future__ import annotations

import numpy as np
import pytest

from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.metrics import projection_quality
from visualdl_embedding.metrics.groups import study_groups

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [5, 12])
def test_trustworthiness_and_continuity(seed: int, k: int) -> None:
    from zadu.measures import trustworthiness_continuity

    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(150, 7)).astype(np.float32)
    layout = (vectors[:, :2] + 0.3 * rng.normal(size=(150, 2))).astype(np.float32)
    expected = trustworthiness_continuity.measure(vectors.astype(np.float64), layout.astype(np.float64), k=k)
    graph = nearest_neighbors(vectors, k, distance="euclidean")
    found = projection_quality(vectors, {"map": layout}, graph, n_neighbors=k, distance="euclidean")["map"]
    assert found.trustworthiness == pytest.approx(expected["trustworthiness"], abs=1e-6)
    assert found.continuity == pytest.approx(expected["continuity"], abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_group_purity_is_the_neighborhood_hit(seed: int) -> None:
    from zadu.measures import neighborhood_hit

    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 3, 120)
    vectors = (rng.normal(size=(120, 4)) + groups[:, None]).astype(np.float32)
    expected = neighborhood_hit.measure(vectors.astype(np.float64), groups, k=10)
    names = ["abc"[group] for group in groups]
    study = study_groups(vectors, nearest_neighbors(vectors, 10, distance="euclidean"), names)
    assert study.purity.overall == pytest.approx(expected["neighborhood_hit"], abs=1e-6)
