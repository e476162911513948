"""What the page knows of a report: plain values, large arrays as base64."""

from __future__ import annotations

import base64
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from visualdl_embedding.core.jsonable import plain
from visualdl_embedding.core.pairing import positions_of
from visualdl_embedding.figures import METHOD_NAMES, color_groups, color_numbers, viridis
from visualdl_embedding.figures._groups import ALONE, COLORS, NO_GROUP, OTHERS
from visualdl_embedding.metrics import METRICS
from visualdl_embedding.reports._colors import Coloring
from visualdl_embedding.reports._tables import neighbor_table
from visualdl_embedding.reports._text import visible_text

if TYPE_CHECKING:
    from visualdl_embedding.findings import Finding
    from visualdl_embedding.reports._report import Report
    from visualdl_embedding.reports._views import View

__all__ = ["payload"]

SHOWN_NEIGHBORS = 15
TELLING = 600


def payload(report: Report) -> dict[str, Any]:
    """List all that the page shows; every text is shown as it is, so none holds characters that act."""
    rows, table = report.snapshot.rows, report.table
    indices, cosines, _ = neighbor_table(report)
    k = min(SHOWN_NEIGHBORS, indices.shape[1])
    position = positions_of(rows.labels)
    colored = report.colorings
    texts = [
        {"name": name, "values": [visible_text(value) for value in values]}
        for name, values in rows.columns.items()
        if name not in colored and any(values)
    ]
    content = {
        "title": table.name,
        "model": report.name,
        "numRows": table.num_rows,
        "dim": table.dim,
        "how": rows.how,
        "distance": report.analysis.neighbors.distance,
        "seed": report.parameters["random_state"],
        "n": len(rows),
        "labels": list(rows.labels),
        "ids": _packed(rows.ids, np.int32),
        "colorings": [_coloring(name, coloring) for name, coloring in colored.items()],
        "color": report.color,
        "texts": texts,
        "views": [_view(report, view) for view in report.views],
        "neighbors": {
            "k": k,
            "indices": _packed(indices[:, :k], np.int32),
            "cosines": _packed(cosines[:, :k], np.float32),
        },
        "telling": _packed(np.argsort(-report.representative, kind="stable")[:TELLING], np.int32),
        "watch": [position[label] for label in rows.watch],
        "findings": [_finding(finding) for finding in report.findings],
        "ramp": viridis(48),
        "noGroup": NO_GROUP,
        "others": OTHERS,
        "alone": ALONE,
        "metrics": {name: {"en": metric.description, "zh": metric.description_zh} for name, metric in METRICS.items()},
        "scalars": {name: value for name, value in report.analysis.scalars.items() if "/" not in name},
        "counters": dict(report.counters),
        "parameters": dict(report.parameters),
        "versions": dict(report.versions),
        "notes": list(report.notes),
    }
    shown: dict[str, Any] = _visible(plain(content))
    return shown


def _coloring(name: str, coloring: Coloring) -> dict[str, Any]:
    if coloring.groups is None:
        assert coloring.values is not None
        scale = color_numbers(coloring.values, name, logarithmic=coloring.logarithmic)
        return {
            "kind": "number",
            "name": name,
            "values": _packed(coloring.values, np.float32),
            "log": coloring.logarithmic,
            "low": scale.low,
            "high": scale.high,
        }
    groups = coloring.groups
    counts = Counter(group for group in groups if group)
    ranked = sorted(counts, key=lambda group: (-counts[group], group))
    own = min(len(ranked), len(COLORS))
    colors = color_groups(groups, len(groups)).colors
    color_of = dict(zip(groups, colors.tolist(), strict=True))
    code = {group: i for i, group in enumerate(ranked)} | {"": -1}
    return {
        "kind": "group",
        "name": name,
        "derived": coloring.derived,
        "names": ranked,
        "counts": [counts[group] for group in ranked],
        "colors": [color_of[group] for group in ranked],
        "own": own,
        "none": len(groups) - sum(counts.values()),
        "codes": _packed([code[group] for group in groups], np.int32),
    }


def _view(report: Report, view: View) -> dict[str, Any]:
    spec = view.spec
    return {
        "key": view.key,
        "method": spec.method,
        "name": METHOD_NAMES[spec.method],
        "components": spec.n_components,
        "vary": dict(spec.parameters),
        "seed": None if spec.method == "pca" else spec.random_state,
        "repeat": spec.repeat,
        "parameters": view.parameters,
        "numbers": view.numbers,
        "places": _packed(view.projection.coordinates, np.float32),
        "trust": _packed(view.trustworthiness, np.float32),
        "doubtful": [doubt.rows.tolist() for doubt in report.study.doubtful if doubt.view == view.key],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    def both(name: str) -> dict[str, Any]:
        return {"en": getattr(finding, name), "zh": getattr(finding, f"{name}_zh")}

    return {
        "severity": finding.severity,
        "title": both("title"),
        "evidence": both("evidence"),
        "causes": both("causes"),
        "next": both("next_check"),
        "remedies": both("remedies"),
        "details": finding.details,
        "rows": finding.row_indices,
    }


def _packed(values: ArrayLike, dtype: type) -> str:
    """Little-endian bytes as base64, a quarter of what JSON takes."""
    array = np.ascontiguousarray(values, dtype=np.dtype(dtype).newbyteorder("<"))
    return base64.b64encode(array.tobytes()).decode("ascii")


def _visible(value: Any) -> Any:
    """Rid every string, names of columns and groups too, of characters that act."""
    if isinstance(value, str):
        return visible_text(value)
    if isinstance(value, dict):
        return {visible_text(key): _visible(item) for key, item in value.items()}
    return [_visible(item) for item in value] if isinstance(value, list) else value
