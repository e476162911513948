"""Small rows, snapshots and analyses for the tests of the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from visualdl_embedding.analysis import Analysis, Config, Projection
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.projection import Basis
from visualdl_embedding.store import TableReader, TableStore

TABLE = Table("encoder.word", num_rows=100, dim=4, dtype="bfloat16", padding_idx=0)
CONFIG = Config(methods=("pca", "tsne"), n_neighbors=3)


def make_rows(n: int = 6, **changes: Any) -> Rows:
    rows = Rows(
        ids=np.arange(1, n + 1, dtype=np.int64),
        labels=tuple(f"词{i}" for i in range(n)),
        columns={"group": tuple("positive" if i % 2 else "" for i in range(n))},
        watch=("词1",),
        left_out={"special token": 3},
        how="the 6 most frequent",
    )
    return replace(rows, **changes)


ROWS = make_rows()


def make_snapshot(step: int, *, rows: Rows = ROWS, table: str = TABLE.name, dim: int = TABLE.dim) -> Snapshot:
    vectors = np.random.default_rng(step).normal(size=(len(rows), dim)).astype(np.float32)
    return Snapshot(table, step, rows, vectors, {"zero_rows": 2.0, "largest": float("inf")})


def make_analysis(snapshot: Snapshot, *, first: int = 0, previous: int | None = None, version: int = 1) -> Analysis:
    n, d = snapshot.vectors.shape
    rng = np.random.default_rng(snapshot.step + 1000 * version)
    valid = int(snapshot.valid.sum())
    basis = Basis(
        mean=np.full(d, version, np.float32),
        components=np.roll(np.eye(d, dtype=np.float32), version, axis=0),
        explained_variance_ratio=np.linspace(1, 0, d, dtype=np.float32),
        version=version,
        step=first if version == 1 else snapshot.step,
    )
    pca = np.full((n, 2), np.nan, np.float32)
    pca[snapshot.valid] = basis.transform(snapshot.vectors[snapshot.valid], 2)
    axes = np.array([[-1, 1], [-2, 2]], np.float32) * version
    tsne = rng.normal(size=(n, 3)).astype(np.float32)
    return Analysis(
        table=snapshot.table,
        step=snapshot.step,
        previous_step=previous,
        first_step=first,
        frame=snapshot.step // 100,
        neighbors=Neighbors(
            rng.integers(0, valid, (valid, 3), dtype=np.int32), rng.random((valid, 3), np.float32), "cosine", False
        ),
        projections={
            "pca": Projection("pca", pca, {"basis_version": version, "distance": "cosine"}, axes, version, 0.0),
            "tsne_3d": Projection("tsne", tsne, {"perplexity": 1.5, "early": None}, np.zeros((3, 2), np.float32)),
        },
        scalars={"norm_mean": 0.1 + snapshot.step, "hubness": float("nan"), "watch/词1/tsne_3d/x": float("-inf")},
        row_metrics={"norm": rng.random(n, np.float32), "tsne_3d/trustworthiness": np.full(n, np.nan, np.float32)},
        basis=basis,
        notes=("perplexity 降低了",),
        seconds={"neighbors": 0.25},
    )


def new_store(log_dir: Path, *, rows: Rows = ROWS, table: Table = TABLE) -> TableStore:
    return TableStore.open_for_writing(log_dir, table, rows, config=CONFIG, extra={"every_n_steps": 100})


def fill(store: TableStore, steps: range | list[int], *, analyzed: bool = True, version: int = 1) -> None:
    for step in steps:
        snapshot = make_snapshot(step)
        store.write_snapshot(snapshot)
        if analyzed:
            store.write_analysis(make_analysis(snapshot, previous=max(0, step - 100), version=version))


def reopened(store: TableStore) -> TableReader:
    return TableReader.open(store.folder.parent.parent, store.description.table.name)


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Time and place of every file: what was written anew has others."""
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_ino) for p in folder.rglob("*")}


def assert_same_analysis(one: Analysis, two: Analysis) -> None:
    """Equal to the last bit, NaN included."""
    plain = ("table", "step", "previous_step", "first_step", "frame", "notes", "seconds")
    assert {name: getattr(one, name) for name in plain} == {name: getattr(two, name) for name in plain}
    assert repr(dict(one.scalars)) == repr(dict(two.scalars))
    for (name, a), (other, b) in zip(_arrays(one), _arrays(two), strict=True):
        assert (name, a.dtype, a.shape, a.tobytes()) == (other, b.dtype, b.shape, b.tobytes())
    for key, projection in one.projections.items():
        found = two.projections[key]
        assert (projection.method, projection.parameters) == (found.method, found.parameters)
        assert (projection.axes_version, projection.noise_floor) == (found.axes_version, found.noise_floor)
    assert (one.neighbors.distance, one.neighbors.exact) == (two.neighbors.distance, two.neighbors.exact)
    bases = [basis and (basis.version, basis.step) for basis in (one.basis, two.basis)]
    assert bases[0] == bases[1]


def _arrays(analysis: Analysis) -> list[tuple[str, np.ndarray]]:
    found = [("indices", analysis.neighbors.indices), ("distances", analysis.neighbors.distances)]
    for key, projection in analysis.projections.items():
        found += [(key, projection.coordinates), (f"{key} axes", projection.axes)]
    found += list(analysis.row_metrics.items())
    if analysis.basis is not None:
        found += [
            ("mean", analysis.basis.mean),
            ("components", analysis.basis.components),
            ("ratio", analysis.basis.explained_variance_ratio),
        ]
    return found
