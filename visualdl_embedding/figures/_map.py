"""A projection as a picture: the same axes for all frames, groups by color, watched labels by name."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.pairing import positions_of
from visualdl_embedding.figures._fonts import families, shown_text
from visualdl_embedding.figures._groups import color_groups
from visualdl_embedding.figures._labels import Names, draw_labels
from visualdl_embedding.figures._numbers import color_numbers
from visualdl_embedding.figures._panel import Panel, format_numbers, format_parameters
from visualdl_embedding.figures._plot import Points, draw_noise_floor, draw_plane, draw_space

if TYPE_CHECKING:
    from visualdl_embedding.analysis import Projection

__all__ = ["render_map"]

METHOD_NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}


def render_map(
    projection: Projection,
    labels: Sequence[str],
    *,
    groups: Sequence[str] | None = None,
    values: NDArray[np.floating[Any]] | None = None,
    values_name: str = "",
    logarithmic: bool = False,
    watch: Iterable[str] = (),
    ids: Sequence[int] | NDArray[np.int64] | None = None,
    table: str = "",
    step: int | None = None,
    quality: Mapping[str, float] | None = None,
    telling: NDArray[np.floating[Any]] | None = None,
    title: str = "",
    caption: str = "",
    annotate: int = 12,
    dpi: int = 100,
    size: tuple[float, float] = (10.0, 8.0),
) -> bytes:
    """Draw a projection.

    The axes are those of the projection, so that the pictures of one version can be laid over one another. A circle
    in a corner has the radius of the noise floor: what moved less than that did not move.

    Parameters
    ----------
    projection
        Of n rows in 2 or 3 components. Rows that are not finite or outside the axes are left out and counted.
    labels
        n labels, taken as plain text; one with a glyph that no font has is shown by its id, ``#17``.
    groups
        n names, ``""`` for none. The seven largest groups get colors of their own.
    values
        ``(n,)`` numbers to color by instead, NaN where unknown; for instance frequencies.
    values_name
        What they are.
    logarithmic
        Whether equal ratios of `values` are equal steps of color.
    watch
        Labels that are always annotated.
    ids
        n row ids, -1 for a composed row; positions if None.
    table, step
        For the title.
    quality
        Metrics to print, by name.
    telling
        ``(n,)``: rows with a higher value are annotated first, NaN last; in their order if None.
    title
        Instead of one made of the method and the table.
    caption
        Printed before the parameters.
    annotate
        How many rows besides the watched ones get their label, where they find room.
    dpi, size
        Dots per inch, and width and height in inches, at least 5 by 4.

    More than 20,000 points are drawn as a shade, mixed from the colors of those that lie in a place, under the points
    that lie alone.

    Returns
    -------
    A PNG, 1000 by 800 pixels by default; equal inputs give equal bytes.

    Raises
    ------
    ValueError
        Where lengths differ, a watched label is unknown, or the projection is not 2-D or 3-D.

    References
    ----------
    Okabe and Ito 2008, "Color universal design": colors that color-blind people tell apart.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n, n_components = projection.coordinates.shape
    _validate(
        n,
        n_components,
        size=size,
        lengths={"labels": labels, "groups": groups, "values": values, "ids": ids, "telling": telling},
    )
    watched = _watched_rows(labels, watch)
    known_groups = color_groups(groups, n)
    scale = None if values is None else color_numbers(values, values_name, logarithmic=logarithmic)
    colors = known_groups.colors if scale is None else scale.colors
    points = Points(projection.coordinates.astype(np.float64), projection.axes, colors, watched)
    names = Names(labels, ids)
    fonts = families()

    figure = Figure(figsize=size, dpi=dpi, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    pixels = (draw_plane if n_components == 2 else draw_space)(figure, points)
    taken = []
    if projection.noise_floor is not None:
        taken.append(draw_noise_floor(figure, points, projection.noise_floor, fonts=fonts))
    order = np.arange(n) if telling is None else np.argsort(-np.nan_to_num(telling, nan=-np.inf), kind="stable")
    draw_labels(canvas, pixels, names, watched=watched, wanted=order, taken=taken, limit=annotate, fonts=fonts)

    inside, finite = points.inside, points.finite
    counts = {
        "rows": int(inside.sum()),
        "not finite": int((~finite).sum()),
        "outside the axes": int((finite & ~inside).sum()),
    }
    panel = Panel(figure, fonts)
    panel.title(title or _title(projection, table), step)
    numbers = format_numbers(quality or {}, counts, projection.noise_floor)
    if scale is None:
        panel.legend(known_groups.legend, numbers)
    else:
        panel.legend((), numbers, below=panel.scale(scale))
    absent = ", ".join(names[row] for row in watched if not inside[row])
    sentences = (
        shown_text(caption, instead="", longest=300),
        f"watched but not in the picture: {absent}" if absent else "",
        "very many points: the shade shows how many lie where" if points.crowded else "",
        "#17 is the id of a row whose label no installed font can write" if names.replaced else "",
        format_parameters(projection.parameters),
        "motion and noise floor in the layout's standard deviations",
    )
    panel.caption(" · ".join(sentence for sentence in sentences if sentence))

    png = io.BytesIO()
    # Without this the version of matplotlib would make two equal pictures differ.
    canvas.print_png(png, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return png.getvalue()


def _validate(
    n: int, n_components: int, *, size: tuple[float, float], lengths: Mapping[str, Sequence[Any] | NDArray[Any] | None]
) -> None:
    if n_components not in (2, 3):
        raise ValueError(f"A map is drawn of 2 or 3 components; the projection has {n_components}.")
    for name, values in lengths.items():
        if values is not None and len(values) != n:
            raise ValueError(f"{name} must be one per row of the projection: {len(values)} were given for {n} rows.")
    if size[0] < 5 or size[1] < 4:
        raise ValueError(f"A map needs at least 5 x 4 inches to be readable, not {size[0]} x {size[1]}.")


def _watched_rows(labels: Sequence[str], watch: Iterable[str]) -> tuple[int, ...]:
    position = positions_of(labels)
    watch = tuple(dict.fromkeys(watch))
    unknown = [label for label in watch if label not in position]
    if unknown:
        raise ValueError(f"Watched labels must stand among the labels of the rows; {unknown[0]!r} does not.")
    return tuple(position[label] for label in watch)


def _title(projection: Projection, table: str) -> str:
    name = METHOD_NAMES.get(projection.method, projection.method)
    if projection.coordinates.shape[1] == 3:
        name += " in 3-D"
    return f"{name} of {table}" if table else name
