"""From a snapshot to its analysis: one pure function, the same live, in a replay and on a checkpoint."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding import metrics
from visualdl_embedding.analysis._diagnose import diagnose
from visualdl_embedding.analysis._frame_pair import FramePair
from visualdl_embedding.analysis._types import Analysis, Config, Frame, Projection, State, projection_key
from visualdl_embedding.core.distance import count_rows, left_out_notes
from visualdl_embedding.core.names import scalar_key
from visualdl_embedding.core.neighbors import Neighbors, nearest_neighbors
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import Direction, cka
from visualdl_embedding.projection import (
    Basis,
    align,
    basis_is_stale,
    draw_axes,
    fit_basis,
    motion,
    neighbors_needed,
    noise_floor,
    project,
    variance_kept,
)

__all__ = ["analyze"]

Floats = NDArray[np.float32]


def analyze(snapshot: Snapshot, state: State | None = None, config: Config | None = None) -> tuple[Analysis, State]:
    """Compute neighbors, projections, alignment and metrics of a snapshot.

    Parameters
    ----------
    snapshot
        The watched rows at one step. Rows that are not finite, and by cosine rows without a direction, are left out
        and counted.
    state
        What the analysis before this one returned; None for the first of a run.
    config
        How to analyze; the defaults of `Config` if None.

    Returns
    -------
    The analysis, and the state that the next call wants.
    """
    state = state or State()
    work = _Work(snapshot, state, config or Config())
    if work.vectors.size:
        work.compare_space()
        for n_components in work.config.n_components:
            for method in work.config.methods:
                work.add_projection(method, n_components)
        work.add_quality()
        work.add_diagnosis()
        work.add_watched()
    analysis = work.finish()
    if not work.vectors.size:
        # Nothing can be compared with it: the next frame goes on from the one before.
        return analysis, state
    frame = Frame(snapshot, analysis)
    return analysis, state.followed_by(frame, work.config)


@dataclass
class _Work:
    """An analysis in the making; one use, one snapshot."""

    snapshot: Snapshot
    state: State
    config: Config
    neighbors: Neighbors = field(init=False)
    graph: Neighbors = field(init=False)
    basis: Basis | None = None
    directions: tuple[Direction, ...] = ()
    projections: dict[str, Projection] = field(default_factory=dict)
    scalars: dict[str, float] = field(default_factory=dict)
    row_metrics: dict[str, Floats] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        distance = self.config.distance
        self.positions = np.flatnonzero(self.snapshot.usable(distance))
        self.vectors = np.ascontiguousarray(self.snapshot.vectors[self.positions])
        counts = count_rows(self.snapshot.vectors, distance)
        self.scalars.update(counts)
        self.notes.extend(left_out_notes(counts))
        previous, first = self.state.previous, self.state.first
        self.frame = previous.analysis.frame + 1 if previous else 0
        self.basis = previous.analysis.basis if previous else None
        self.previous_pair = FramePair.of(previous, self.snapshot, self.config) if previous else None
        self.first_pair = FramePair.of(first, self.snapshot, self.config) if first else None
        with self._timed("neighbors"):
            self._make_neighbors()

    def _make_neighbors(self) -> None:
        config = self.config
        if not self.vectors.size:
            self.neighbors = Neighbors(np.zeros((0, 0), np.int32), np.zeros((0, 0), np.float32), config.distance)
        else:
            width = neighbors_needed(
                config.methods,
                n_neighbors=config.n_neighbors,
                perplexity=config.perplexity,
                n_rows=len(self.vectors),
            )
            self.neighbors = nearest_neighbors(
                self.vectors, width, distance=config.distance, random_state=config.random_state, n_jobs=config.n_jobs
            )
        self.graph = self.neighbors.first(config.n_neighbors)

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - start

    def _spread(self, values: NDArray[np.floating], positions: NDArray[np.intp] | None = None) -> Floats:
        """Values of some rows as values of all, NaN elsewhere; ``(n, …)`` float32."""
        full = np.full((len(self.snapshot.rows), *values.shape[1:]), np.nan, dtype=np.float32)
        full[self.positions if positions is None else positions] = values
        return full

    def compare_space(self) -> None:
        """Metrics of the original space, alone and against the previous and the first snapshot."""
        with self._timed("metrics"):
            scalars, norms = metrics.space_scalars(self.vectors, self.graph)
            self.scalars.update(scalars)
            self.row_metrics["norm"] = self._spread(norms)
        with self._timed("drift"):
            if pair := self.previous_pair:
                overlap = pair.neighbor_overlap(self.graph)
                moved = metrics.aligned_displacement(pair.then, pair.now)
                self.row_metrics["neighbor_overlap"] = self._spread(overlap, pair.positions)
                self.row_metrics["displacement"] = self._spread(moved, pair.positions)
                self._add_mean("neighbor_overlap", overlap)
                self._add_mean("displacement", moved)
                self.scalars["cka"] = cka(pair.then, pair.now)
            if pair := self.first_pair:
                self._add_mean("neighbor_overlap_first", pair.neighbor_overlap(self.graph))
                same = metrics.unchanged(pair.then, pair.now)
                self.row_metrics["unchanged"] = self._spread(same, pair.positions)
                self.scalars["unchanged_rows"] = float(same.sum())

    def _add_mean(self, name: str, values: Floats) -> None:
        finite = values[np.isfinite(values)]
        if finite.size:
            self.scalars[name] = float(finite.mean())

    def add_projection(self, method: str, n_components: int) -> None:
        """Project, align to the previous frame, and measure the motion and its noise floor."""
        key = projection_key(method, n_components)
        with self._timed(key):
            if method == "pca":
                self._add_pca(key, n_components)
            else:
                self._add_map(key, method, n_components)

    def _add_pca(self, key: str, n_components: int) -> None:
        config = self.config
        width = max(config.n_components)
        if self.basis is None:
            self.basis = fit_basis(self.vectors, n_components=width, version=1, step=self.snapshot.step)
        elif self.basis.mean.shape[0] != self.vectors.shape[1] or basis_is_stale(self.basis, self.vectors):
            version = self.basis.version + 1
            self.basis = fit_basis(self.vectors, n_components=width, version=version, step=self.snapshot.step)
            self.notes.append(
                f"PCA: the basis was fitted anew (version {version}); motion is not measured across versions."
            )
        layout = project(self.vectors, method="pca", n_components=n_components, basis=self.basis)
        self.scalars[f"{key}/explained_variance"] = variance_kept(self.basis, self.vectors, n_components)
        before = self._projection_before(key)
        same_basis = before is not None and before.parameters.get("basis_version") == self.basis.version
        self._keep(key, "pca", layout.coordinates, layout.parameters, before if same_basis else None, floor=0.0)

    def _add_map(self, key: str, method: str, n_components: int) -> None:
        config = self.config
        before = self._projection_before(key)
        settings: dict[str, Any] = {
            "distance": config.distance,
            "perplexity": config.perplexity,
            "n_neighbors": config.n_neighbors,
            "min_dist": config.min_dist,
            "n_jobs": config.n_jobs,
        }
        init = None
        if before is not None and self.previous_pair is not None:
            init = np.full((len(self.vectors), n_components), np.nan, dtype=np.float32)
            init[self.previous_pair.now_rows] = before.coordinates[self.previous_pair.then_positions]
        layout = project(
            self.vectors,
            method=method,
            n_components=n_components,
            init=init,
            neighbors=self.neighbors,
            random_state=config.random_state,
            **settings,
        )
        self.notes.extend(f"{key}: {note}" for note in layout.notes)
        if layout.kl_divergence is not None:
            self.scalars[f"{key}/kl_divergence"] = layout.kl_divergence
        coordinates = layout.coordinates
        if init is not None:
            coordinates = align(coordinates, init).apply(coordinates).astype(np.float32)
        floor = before.noise_floor if before else None
        parameters = dict(layout.parameters)
        if before and "noise_floor_step" in before.parameters:
            parameters["noise_floor_step"] = before.parameters["noise_floor_step"]
        # The first map is often of a random table, whose floor says nothing of a trained one: hence the second, too.
        if config.noise_floor_every and (self.frame == 1 or self.frame % config.noise_floor_every == 0):
            floor = noise_floor(
                self.vectors, layout, neighbors=self.neighbors, random_state=config.random_state, **settings
            )
            parameters["noise_floor_step"] = self.snapshot.step
        self._keep(key, method, coordinates, parameters, before, floor=floor)

    def _projection_before(self, key: str) -> Projection | None:
        return self.state.previous.analysis.projections.get(key) if self.state.previous else None

    def _keep(
        self,
        key: str,
        method: str,
        coordinates: Floats,
        parameters: Mapping[str, object],
        before: Projection | None,
        *,
        floor: float | None,
    ) -> None:
        axes, redrawn = draw_axes(coordinates, before.axes if before else None)
        last = self._projection_before(key)
        version = last.axes_version + int(redrawn or before is None) if last else 1
        if floor is not None:
            self.scalars[f"{key}/noise_floor"] = floor
        if before is not None and self.previous_pair is not None:
            pair = self.previous_pair
            moved = motion(before.coordinates[pair.then_positions], coordinates[pair.now_rows])
            self.row_metrics[f"{key}/motion"] = self._spread(moved, pair.positions)
            self.scalars[f"{key}/motion"] = float(np.sqrt(np.mean(moved.astype(np.float64) ** 2)))
        self.projections[key] = Projection(
            method=method,
            coordinates=self._spread(coordinates),
            parameters=parameters,
            axes=axes,
            axes_version=version,
            noise_floor=floor,
        )

    def add_quality(self) -> None:
        """Trustworthiness and continuity of every projection, in one pass over the original space."""
        if not self.projections:
            return
        config = self.config
        with self._timed("quality"):
            found = metrics.projection_quality(
                self.vectors,
                {key: p.coordinates[self.positions] for key, p in self.projections.items()},
                self.neighbors,
                n_neighbors=config.n_neighbors,
                distance=config.distance,
                random_state=config.random_state,
            )
        for key, quality in found.items():
            self.scalars[f"{key}/trustworthiness"] = quality.trustworthiness
            self.scalars[f"{key}/continuity"] = quality.continuity
            self.row_metrics[f"{key}/trustworthiness"] = self._spread(quality.row_trustworthiness)
            self.row_metrics[f"{key}/continuity"] = self._spread(quality.row_continuity)

    def add_diagnosis(self) -> None:
        """Diagnose groups, strata, crowding, and where the watched words went."""
        previous = self.state.previous
        with self._timed("diagnosis"):
            values = self.snapshot.row_values
            update = values["lookups"] * values["gradient_mean"] if "gradient_mean" in values else None
            found = diagnose(
                self.snapshot,
                self.graph,
                before=(previous.snapshot, previous.analysis.neighbors) if previous else None,
                overlap=self.row_metrics.get("neighbor_overlap"),
                update=self.row_metrics.get("displacement") if update is None else update,
                null=self.state.null,
                random_state=self.config.random_state,
            )
        self.scalars.update(found.scalars)
        self.row_metrics.update({name: self._spread(v) for name, v in found.row_metrics.items()})
        self.row_metrics.update(values)
        self.directions = found.directions
        self.notes.extend(found.notes)

    def add_watched(self) -> None:
        """Scalars of each watched label."""
        rows = self.snapshot.rows
        position = {label: i for i, label in enumerate(rows.labels)}
        for label in rows.watch:
            i = position[label]
            for metric in ("norm", "displacement", "neighbor_overlap"):
                if metric in self.row_metrics:
                    self.scalars[scalar_key(metric, watch=label)] = float(self.row_metrics[metric][i])
            for key, projection in self.projections.items():
                for axis, value in zip("xyz", projection.coordinates[i], strict=False):
                    self.scalars[scalar_key(axis, method=key, watch=label)] = float(value)

    def finish(self) -> Analysis:
        previous, first = self.state.previous, self.state.first
        return Analysis(
            table=self.snapshot.table,
            step=self.snapshot.step,
            previous_step=previous.analysis.step if previous else None,
            first_step=first.analysis.step if first else self.snapshot.step,
            frame=self.frame,
            neighbors=self.graph,
            projections=self.projections,
            scalars={name: value for name, value in self.scalars.items() if np.isfinite(value)},
            row_metrics=self.row_metrics,
            basis=self.basis,
            directions=self.directions,
            notes=tuple(self.notes),
            seconds=self.seconds,
        )
