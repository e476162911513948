"""One call from a saved model to its report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from visualdl_embedding.analysis import Config, ProjectionSpec, analyze, as_tuple, plan_projections
from visualdl_embedding.core.neighbors import DISTANCES, Distance
from visualdl_embedding.core.progress import Progress, timed
from visualdl_embedding.findings import find
from visualdl_embedding.models import open_model
from visualdl_embedding.reports._colors import DERIVED, Coloring, choose_coloring, column_colorings
from visualdl_embedding.reports._report import Report
from visualdl_embedding.reports._study import study_projections
from visualdl_embedding.store import installed_versions
from visualdl_embedding.vocabulary import MetadataLike, RowsLike, VocabularyLike

__all__ = ["report"]


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
    >>> import numpy as np
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
    specs = plan_projections(
        methods,
        n_components=n_components,
        perplexity=perplexity,
        n_neighbors=sizes,
        repeats=repeats,
        random_state=random_state,
    )
    perplexities = _values(specs, "perplexity")
    config = Config(
        methods=tuple(dict.fromkeys(spec.method for spec in specs)),
        n_components=tuple(dict.fromkeys(spec.n_components for spec in specs)),
        distance=distance,
        n_neighbors=int(sizes[0]),
        perplexity=next(iter(perplexities), 30.0),
        random_state=random_state,
        n_jobs=n_jobs,
        projections=specs,
    )
    tell = on_progress or (lambda part, done, total: None)
    seconds: dict[str, float] = {}
    with timed(seconds, "source"):
        model = open_model(source, table=table, vocabulary=vocabulary, metadata=metadata, keep=keep)
        opened = model.table()
        snapshot = opened.snapshot(rows=rows, watch=watch, groups=groups, random_state=random_state, on_progress=tell)
        snapshot = opened.with_axes(snapshot, axes, distance=distance)
    if color is not None:
        # Before the work, not after it.
        choose_coloring(column_colorings(snapshot.rows.columns) | {name: Coloring(name) for name in DERIVED}, color)
    if not snapshot.usable(distance).any():
        raise ValueError(
            f"None of the {len(snapshot.rows)} rows chosen from table {snapshot.table!r} has a {distance} distance: "
            "all hold NaN or inf, or are zero. The model has diverged, or this is not an embedding table."
        )
    analysis, _ = analyze(snapshot, config=config, on_progress=tell)
    with timed(seconds, "agreement"):
        tell("agreement", 0, 1)
        study = study_projections(snapshot, analysis, config)
        tell("agreement", 1, 1)
    with timed(seconds, "findings"):
        findings = find(snapshot, analysis, agreement=study.maps, clusters=study.seen, random_state=random_state)
    parameters = {
        "table": opened.name,
        "vocabulary": opened.origin,
        "rows": rows if isinstance(rows, int | str) else snapshot.rows.how,
        "watch": list(snapshot.rows.watch),
        "keep": list(keep),
        "methods": list(config.methods),
        "n_components": list(config.n_components),
        "perplexity": perplexities,
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
        config=config,
        study=study,
        findings=findings,
        parameters=parameters,
        versions=installed_versions(),
        notes=tuple(dict.fromkeys((*snapshot.notes, *analysis.notes))),
        seconds={**analysis.seconds, **seconds},
    )


def _listed(values: Any) -> Any:
    """Let an iterable be read twice; what is none is refused where it is used."""
    return values if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable) else list(values)


def _words(end: Any) -> list[str | int]:
    return [end] if isinstance(end, str | int) else list(end)


def _values(specs: Sequence[ProjectionSpec], name: str) -> list[float]:
    return list(dict.fromkeys(spec.parameters[name] for spec in specs if name in spec.parameters))
