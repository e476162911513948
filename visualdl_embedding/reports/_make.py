"""One call from a saved model to its report."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from visualdl_embedding import metrics
from visualdl_embedding.analysis import Analysis, diagnose
from visualdl_embedding.core.arrays import spread
from visualdl_embedding.core.distance import count_rows, left_out_notes
from visualdl_embedding.core.neighbors import DISTANCES, Distance, Neighbors, nearest_neighbors
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.findings import find
from visualdl_embedding.models import Progress, open_model
from visualdl_embedding.projection import Basis, neighbors_needed
from visualdl_embedding.reports._colors import DERIVED, Coloring, choose_coloring, column_colorings
from visualdl_embedding.reports._report import Report
from visualdl_embedding.reports._study import Study, study_views
from visualdl_embedding.reports._views import Plan, View, as_tuple, make_views, plan_views
from visualdl_embedding.vocabulary import MetadataLike, RowsLike, VocabularyLike

__all__ = ["report"]

LIBRARIES = ("visualdl-embedding", "numpy", "scipy", "scikit-learn", "openTSNE", "umap-learn", "pynndescent")


def report(
    source: Any,
    *,
    table: str | None = None,
    vocabulary: VocabularyLike | Mapping[str, VocabularyLike] | None = None,
    metadata: MetadataLike | Sequence[MetadataLike] | None = None,
    rows: RowsLike = 500,
    watch: Iterable[str | int] = (),
    keep: Iterable[str] = (),
    groups: Mapping[str, Iterable[str]] | None = None,
    methods: str | Iterable[str] = ("pca", "tsne"),
    n_components: int | Iterable[int] = (2,),
    perplexity: float | Iterable[float] = (30.0,),
    n_neighbors: int | Iterable[int] = (15,),
    repeats: int = 1,
    axes: Iterable[tuple[Any, Any]] = (),
    color: str | None = None,
    distance: Distance = "cosine",
    random_state: int = 42,
    n_jobs: int = 1,
    on_progress: Progress | None = None,
) -> Report:
    """Look at the embedding table of a saved model: maps, metrics, and findings.

    Nothing is written until `Report.write`. With one thread the same call makes the same report, bit by bit.

    Parameters
    ----------
    source
        Whatever `visualdl_embedding.models.open_model` takes: a path to a saved model or a run, a layer, a run, or an
        ``(n, d)`` array, whose labels are then `vocabulary`.
    table
        Which table of the model, by name; needed only where several are candidates.
    vocabulary
        What the row ids mean, in any form that `visualdl_embedding.vocabulary.open_vocabulary` takes; None for what is
        in the model's file or beside it.
    metadata
        Columns (group, frequency, …) in any form that `read_metadata` takes, or a list of several such.
    rows, watch, keep, groups
        Which rows are shown, as `visualdl_embedding.vocabulary.select_rows` takes it: ``rows=500`` for the 500 most
        frequent, or the first 500. Rows of `watch` are always labeled.
    methods
        Any of ``"pca"``, ``"tsne"``, ``"umap"``.
    n_components
        2, 3, or both.
    perplexity
        Of t-SNE; several give a view each.
    n_neighbors
        Of UMAP; several give a view each. The first is also the size of a neighborhood for all metrics.
    repeats
        How many seeds t-SNE and UMAP are run with, from `random_state` on. Together with the parameter values they tell
        how stable each row's place is.
    axes
        Lines between words, each a pair ``("悲伤", "高兴")`` of a word or a list of words: every row's place on the
        line becomes a column ``"悲伤 → 高兴"``, 0 beside the one end and 1 beside the other.
    color
        What pictures are colored by, ``"group"``, ``"cluster"``, ``"norm"`` or any column; None: groups where there are
        any, else clusters.
    distance
        ``"cosine"`` or ``"euclidean"``, in the original space.
    random_state
        Seed of everything random.
    n_jobs
        Threads.
    on_progress
        Called as ``on_progress(part, done, total)``.

    Raises
    ------
    FileNotFoundError, ValueError, TypeError
        An unreadable model, a vocabulary that cannot be this table's, or a wrong argument.

    Examples
    --------
    >>> vectors = np.random.default_rng(0).normal(size=(60, 8))
    >>> made = report(vectors, vocabulary=[f"word {i}" for i in range(60)], methods="pca")
    >>> made.coordinates()["pca_x"].shape
    (60,)
    """
    if distance not in DISTANCES:
        raise ValueError(f"Unknown distance {distance!r}; known are {', '.join(DISTANCES)}.")
    sizes = as_tuple("n_neighbors", n_neighbors)
    watch, keep = _listed(watch), _listed(keep)
    axes = [(_words(begin), _words(end)) for begin, end in axes]
    plans = plan_views(
        methods,
        n_components=n_components,
        perplexity=perplexity,
        n_neighbors=sizes,
        repeats=repeats,
        random_state=random_state,
    )
    neighborhood = int(sizes[0])
    work = _Work(on_progress or (lambda part, done, total: None))
    with work.timed("source"):
        model = open_model(source, table=table, vocabulary=vocabulary, metadata=metadata, keep=keep)
        opened = model.table()
        snapshot = opened.snapshot(
            rows=rows, watch=watch, groups=groups, random_state=random_state, on_progress=work.on_progress
        )
        snapshot = opened.with_axes(snapshot, axes, distance=distance)
    work.notes.extend(snapshot.notes)
    if color is not None:
        # Before the work, not after it.
        choose_coloring(column_colorings(snapshot.rows.columns) | {name: Coloring(name) for name in DERIVED}, color)
    analysis, views, study = work.look(
        snapshot, plans, neighborhood=neighborhood, distance=distance, random_state=random_state, n_jobs=n_jobs
    )
    with work.timed("findings"):
        findings = find(snapshot, analysis, agreement=study.maps, clusters=study.seen, random_state=random_state)
    parameters = {
        "table": opened.name,
        "vocabulary": opened.origin,
        "rows": rows if isinstance(rows, int | str) else snapshot.rows.how,
        "watch": list(snapshot.rows.watch),
        "keep": list(keep),
        "methods": list(dict.fromkeys(plan.method for plan in plans)),
        "n_components": list(dict.fromkeys(plan.n_components for plan in plans)),
        "perplexity": _values(plans, "perplexity"),
        "n_neighbors": list(sizes),
        "repeats": repeats,
        "axes": axes,
        "color": color,
        "distance": distance,
        "random_state": random_state,
        "n_jobs": n_jobs,
    }
    return Report(
        name=model.name,
        source=model.source,
        table=opened.table,
        snapshot=snapshot,
        analysis=analysis,
        views=views,
        study=study,
        findings=findings,
        parameters=parameters,
        versions=_versions(),
        notes=tuple(dict.fromkeys(work.notes)),
        seconds=work.seconds,
    )


@dataclass
class _Work:
    on_progress: Progress
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[part] = time.perf_counter() - start

    def look(
        self,
        snapshot: Snapshot,
        plans: tuple[Plan, ...],
        *,
        neighborhood: int,
        distance: Distance,
        random_state: int,
        n_jobs: int,
    ) -> tuple[Analysis, tuple[View, ...], Study]:
        """Neighbors once; views, metrics, agreement and clusters from them."""
        positions = np.flatnonzero(snapshot.usable(distance))
        if not len(positions):
            raise ValueError(
                f"None of the {len(snapshot.rows)} rows chosen from table {snapshot.table!r} has a {distance} "
                "distance: all hold NaN or inf, or are zero. The model has diverged, or this is not an embedding table."
            )
        vectors = np.ascontiguousarray(snapshot.vectors[positions])
        self.notes.extend(left_out_notes(count_rows(snapshot.vectors, distance)))
        with self.timed("neighbors"):
            self.on_progress("neighbors", 0, 1)
            width = neighbors_needed(
                {plan.method for plan in plans},
                n_neighbors=max(neighborhood, *(int(p.parameters.get("n_neighbors", 0)) for p in plans)),
                perplexity=max(float(plan.parameters.get("perplexity", 0.0)) for plan in plans),
                n_rows=len(vectors),
            )
            wide = nearest_neighbors(vectors, width, distance=distance, random_state=random_state, n_jobs=n_jobs)
            self.on_progress("neighbors", 1, 1)
        if not wide.exact:
            self.notes.append(f"Neighbors of {len(vectors):,} rows were found by an approximate search (PyNNDescent).")
        graph = wide.first(neighborhood)
        with self.timed("views"):
            self.on_progress("views", 0, len(plans))
            views, basis, notes = make_views(
                vectors,
                wide,
                plans,
                positions=positions,
                n=len(snapshot.rows),
                n_neighbors=neighborhood,
                random_state=random_state,
                n_jobs=n_jobs,
                on_progress=lambda done: self.on_progress("views", done, len(plans)),
            )
        self.notes.extend(notes)
        with self.timed("metrics"):
            analysis = _analysis(snapshot, vectors, graph, views, basis=basis, positions=positions)
        with self.timed("diagnosis"):
            found = diagnose(snapshot, graph, random_state=random_state)
            of_all = {name: spread(values, positions, len(snapshot.rows)) for name, values in found.row_metrics.items()}
            analysis = replace(
                analysis,
                scalars={**analysis.scalars, **found.scalars},
                row_metrics={**analysis.row_metrics, **of_all},
            )
        self.notes.extend(found.notes)
        with self.timed("agreement"):
            self.on_progress("agreement", 0, 1)
            study = study_views(vectors, graph, views, positions=positions, random_state=random_state)
            self.on_progress("agreement", 1, 1)
        return analysis, views, study


def _analysis(
    snapshot: Snapshot,
    vectors: Any,
    graph: Neighbors,
    views: tuple[View, ...],
    *,
    basis: Basis | None,
    positions: Any,
) -> Analysis:
    """As `visualdl_embedding.analysis.analyze` has it of a first snapshot, but for any number of views."""
    space, norms = metrics.space_scalars(vectors, graph)
    scalars = {
        **count_rows(snapshot.vectors, graph.distance),
        **space,
    }
    row_metrics = {"norm": spread(norms, positions, len(snapshot.rows))}
    for view in views:
        scalars.update({f"{view.key}/{name}": value for name, value in view.numbers.items()})
        row_metrics[f"{view.key}/trustworthiness"] = view.quality.row_trustworthiness
        row_metrics[f"{view.key}/continuity"] = view.quality.row_continuity
    return Analysis(
        table=snapshot.table,
        step=snapshot.step,
        previous_step=None,
        first_step=snapshot.step,
        frame=0,
        neighbors=graph,
        projections={view.key: view.projection for view in views},
        scalars={name: value for name, value in scalars.items() if np.isfinite(value)},
        row_metrics=row_metrics,
        basis=basis,
    )


def _listed(values: Any) -> Any:
    """Let an iterable be read twice; what is none is refused where it is used."""
    return values if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable) else list(values)


def _words(end: Any) -> list[str | int]:
    return [end] if isinstance(end, str | int) else list(end)


def _values(plans: tuple[Plan, ...], name: str) -> list[float]:
    return list(dict.fromkeys(plan.parameters[name] for plan in plans if name in plan.parameters))


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
