"""Function that makes a report of a saved model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from visualdl_embedding.analysis import Config, analyze, as_tuple, plan_projections
from visualdl_embedding.core.distance import ZERO_OR_SHORT
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
    """Make a report on the embedding table of a saved model, with maps, metrics and findings.

    Only `Report.write` writes files. With one thread, equal calls make bitwise identical reports.

    Parameters
    ----------
    source
        Any source that `visualdl_embedding.models.open_model` accepts: a path to a saved model or a run, a layer, a
        run, or an ``(n, d)`` array. For an array, `vocabulary` contains the labels.
    table
        Name of the table; required only if the model has several candidates.
    vocabulary
        Labels of the row ids, in any form that `visualdl_embedding.vocabulary.open_vocabulary` accepts. None uses the
        vocabulary in the model file or next to it.
    metadata
        Columns (group, frequency, …) in any form that `read_metadata` accepts, or a list of such forms.
    rows, watch, keep, groups
        Selection of the rows, as in `visualdl_embedding.vocabulary.select_rows`: ``rows=500`` selects the 500 most
        frequent rows, or the first 500 without frequencies. Rows in `watch` are always labeled.
    methods
        Projection methods, any of ``"pca"``, ``"tsne"``, ``"umap"``.
    n_components
        Dimensions of the projections: 2, 3, or both.
    perplexity
        Perplexity of t-SNE; one view per value.
    n_neighbors
        Number of neighbors in UMAP; one view per value. All metrics use the first value.
    repeats
        Number of seeds for t-SNE and UMAP, starting at `random_state`. The stability of each row is measured over the
        seeds and the parameter values.
    axes
        Axes between words, each a pair such as ``("悲伤", "高兴")`` of words or lists of words. Each axis adds a column
        ``"悲伤 → 高兴"`` with the position of every row, from 0 near the first end to 1 near the second.
    color
        Coloring of the pictures: ``"group"``, ``"cluster"``, ``"norm"`` or any column. None uses groups if there are
        any, else clusters.
    distance
        Distance in the original space: ``"cosine"`` or ``"euclidean"``.
    random_state
        Seed of all random operations.
    n_jobs
        Number of threads.
    on_progress
        Called as ``on_progress(part, done, total)``.

    Raises
    ------
    FileNotFoundError, ValueError, TypeError
        If the model is unreadable, the vocabulary does not match the table, or an argument is invalid.

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
    given = [spec.parameters for spec in specs]
    perplexities = list(dict.fromkeys(one["perplexity"] for one in given if "perplexity" in one))
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
        # Check the color before the slow analysis.
        choose_coloring(column_colorings(snapshot.rows.columns) | {name: Coloring(name) for name in DERIVED}, color)
    if not snapshot.usable(distance).any():
        raise ValueError(
            f"None of the {len(snapshot.rows)} rows chosen from table {snapshot.table!r} has a {distance} distance: "
            f"all hold NaN or inf, or are {ZERO_OR_SHORT}. Check that the training did not diverge, and that this is "
            "an embedding table."
        )
    if not snapshot.is_measurable(distance):
        raise ValueError(
            f"Only {int(snapshot.usable(distance).sum())}, fewer than half, of the {len(snapshot.rows)} rows chosen "
            f"from table {snapshot.table!r} have a {distance} distance; {int((~snapshot.valid).sum())} hold NaN or "
            "inf. Their metrics and maps would not describe the table. Choose finite rows, or check the model."
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
    """Convert an iterable to a list, so that it can be read twice; other values are validated at their use."""
    return values if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable) else list(values)


def _words(end: Any) -> list[str | int]:
    return [end] if isinstance(end, str | int) else list(end)
