"""Map of a projection: fixed axes for all frames, colored groups, watched labels."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.pairing import positions_of
from visualdl_embedding.figures._colors import color_groups, color_numbers
from visualdl_embedding.figures._fonts import shown_text, without_findfont_lines
from visualdl_embedding.figures._labels import Names, draw_labels
from visualdl_embedding.figures._panel import Panel, format_numbers, format_parameters
from visualdl_embedding.figures._plot import Points, draw_noise_floor, draw_points

if TYPE_CHECKING:
    from visualdl_embedding.analysis import Projection

__all__ = ["projection_name", "render_map"]

_METHODS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}


@without_findfont_lines()
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
    representative: NDArray[np.floating[Any]] | None = None,
    title: str = "",
    caption: str = "",
    annotate: int = 12,
    dpi: int = 100,
    size: tuple[float, float] = (10.0, 8.0),
) -> bytes:
    """Draw a map of a projection.

    The axes are those of the projection, so pictures of one version can be overlaid. A circle in a corner has the
    radius of the noise floor; smaller motions are not significant. The label of a place with several rows ends in their
    number, ``×3``.

    Parameters
    ----------
    projection
        Projection of n rows to 2 or 3 components. Rows that are not finite or outside the axes are counted, not drawn.
    labels
        n labels in plain text. Labels with missing glyphs are shown by id, ``#17``.
    groups
        n names, ``""`` for none. The seven largest groups have their own colors.
    values
        ``(n,)`` numbers to color by instead of groups, NaN for unknown; for example frequencies.
    values_name
        Name of `values`.
    logarithmic
        Whether to color `values` on a logarithmic scale.
    watch
        Labels that are always drawn.
    ids
        n row ids, -1 for a composed row; positions if None.
    table, step
        Used in the title.
    quality
        Metrics to print by name.
    representative
        ``(n,)``: rows with larger values are labeled first, NaN last; None for row order.
    title
        Title, by default made of the method and the table.
    caption
        Text printed before the parameters.
    annotate
        Maximum number of labels besides the watched ones.
    dpi, size
        Dots per inch, and width and height in inches, at least 5 by 4.

    More than 20,000 points are drawn as a density image in the mean color of the points, with isolated points on top.

    Returns
    -------
    A PNG, by default 1000 by 800 pixels; equal inputs give equal bytes.

    Raises
    ------
    ValueError
        If lengths differ, a watched label is unknown, or the projection is not 2-D or 3-D.

    References
    ----------
    Okabe and Ito 2008, "Color universal design": colors for color-blind readers.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n, n_components = projection.coordinates.shape
    if n_components not in (2, 3):
        raise ValueError(f"A map requires a projection with 2 or 3 components, not {n_components}.")
    by_row = {"labels": labels, "groups": groups, "values": values, "ids": ids, "representative": representative}
    for name, given in by_row.items():
        if given is not None and len(given) != n:
            raise ValueError(f"{name} must have one value per row of the projection: {len(given)} values for {n} rows.")
    if size[0] < 5 or size[1] < 4:
        raise ValueError(f"size must be at least 5 x 4 inches for a readable map, not {size[0]} x {size[1]}.")
    watched = _watched_rows(labels, watch)
    known_groups = color_groups(groups, n)
    scale = None if values is None else color_numbers(values, values_name, logarithmic=logarithmic)
    colors = known_groups.colors if scale is None else scale.colors
    points = Points(projection.coordinates.astype(np.float64), projection.axes, colors, watched)
    names = Names(labels, ids, np.where(points.inside, _rows_per_place(projection.coordinates), 1))

    figure = Figure(figsize=size, dpi=dpi, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    pixels = draw_points(figure, points)
    floor = projection.noise_floor
    taken = [] if floor is None else [draw_noise_floor(figure, points, floor)]
    rank = np.zeros(n) if representative is None else np.nan_to_num(representative, nan=-np.inf)
    order = np.argsort(-rank, kind="stable")
    draw_labels(canvas, pixels, names, watched=watched, wanted=order, taken=taken, limit=annotate)

    inside, finite = points.inside, points.finite
    counts = {
        "rows": int(inside.sum()),
        "not finite": int((~finite).sum()),
        "outside the axes": int((finite & ~inside).sum()),
    }
    panel = Panel(figure)
    name = projection_name(projection.method, n_components)
    panel.title(title or (f"{name} of {table}" if table else name), step)
    if scale is None:
        panel.legend(known_groups.legend)
    else:
        panel.scale(scale)
    panel.numbers(format_numbers(quality or {}, counts, floor, redrawn=projection.redrawn))
    absent = ", ".join(names[row] for row in watched if not inside[row])
    sentences = (
        shown_text(caption, instead="", longest=300),
        f"watched but not in the picture: {absent}" if absent else "",
        "very many points: the shade shows their density" if points.crowded else "",
        "#17 is the id of a row whose label has glyphs missing in all fonts" if names.replaced else "",
        "redrawn, motion not comparable" if projection.redrawn else "",
        format_parameters(
            {name: value for name, value in projection.parameters.items() if name not in ("redrawn", "null_motion")}
        ),
        "" if projection.redrawn else "motion and noise floor in the layout's standard deviations",
    )
    panel.caption(" · ".join(filter(None, sentences)))

    png = io.BytesIO()
    # Omit the matplotlib version, which would make equal pictures differ.
    canvas.print_png(png, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return png.getvalue()


def _watched_rows(labels: Sequence[str], watch: Iterable[str]) -> tuple[int, ...]:
    position = positions_of(labels)
    watch = tuple(dict.fromkeys(watch))
    unknown = [label for label in watch if label not in position]
    if unknown:
        raise ValueError(f"Watched labels must be among the labels of the rows; {unknown[0]!r} is not.")
    return tuple(position[label] for label in watch)


def _rows_per_place(coordinates: NDArray[np.float32]) -> NDArray[np.intp]:
    """Count the rows at the place of each row, ``(n,)``."""
    _, place, counts = np.unique(coordinates, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(counts[place.ravel()])


def projection_name(method: str, n_components: int) -> str:
    """Return the display name of a projection, such as ``"t-SNE in 3-D"``."""
    return _METHODS.get(method, method) + (" in 3-D" if n_components == 3 else "")
