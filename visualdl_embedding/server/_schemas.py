"""JSON schemas of the answers, by address; None for float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["ERROR", "SCHEMAS"]

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}
MAYBE_NUMBER: Schema = {"type": ["number", "null"]}
MAYBE_INTEGER: Schema = {"type": ["integer", "null"]}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _map(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _object(properties: Mapping[str, Schema], *, optional: Mapping[str, Schema] | None = None) -> Schema:
    """All properties are required, and ``missing`` may stand beside them."""
    return {
        "type": "object",
        "required": list(properties),
        "properties": {**properties, **(optional or {}), "missing": _list(TEXT)},
        "additionalProperties": False,
    }


def _series(values: Schema) -> Schema:
    return _map(_object({"steps": _list(INTEGER), "values": _list(values)}))


_TABLE = _object(
    {
        "name": TEXT,
        "dim": INTEGER,
        "num_rows": INTEGER,
        "n": INTEGER,
        "distance": TEXT,
        "n_neighbors": INTEGER,
        "projections": _list(TEXT),
        "columns": _list(TEXT),
        "watch": _list(TEXT),
        "steps": _list(INTEGER),
        "analyzed": _list(INTEGER),
        "rows_version": TEXT,
    }
)
_NEIGHBOR = _object({"row": MAYBE_INTEGER, "label": TEXT, "id": INTEGER, "cosine": NUMBER, "distance": NUMBER})
_CHANGES = _list(
    _object(
        {
            "label": TEXT,
            "row": MAYBE_INTEGER,
            "other_row": MAYBE_INTEGER,
            "rank": MAYBE_INTEGER,
            "other_rank": MAYBE_INTEGER,
            "cosine": MAYBE_NUMBER,
            "other_cosine": MAYBE_NUMBER,
        }
    )
)
_METRIC = _object(
    {
        "low": MAYBE_NUMBER,
        "high": MAYBE_NUMBER,
        "higher_is_better": {"type": ["boolean", "null"]},
        "description": TEXT,
        "description_zh": TEXT,
        "reference": TEXT,
    }
)
_FOLLOWED = _object(
    {"label": TEXT, "row": MAYBE_INTEGER, "ranks": _list(MAYBE_INTEGER), "cosines": _list(MAYBE_NUMBER)}
)
_TONES = _object({"light": TEXT, "dark": TEXT})
_PALETTE = _object({"groups": _list(TEXT), "others": TEXT, "no_group": _TONES, "alone": _TONES})
_AXES = _list(_list(NUMBER))

ERROR = _object({"error": TEXT})
SCHEMAS: Mapping[str, Schema | None] = {
    "status": _object({"revision": TEXT, "runs": INTEGER}),
    "runs": _object(
        {
            "runs": _list(_object({"name": TEXT, "tables": _list(_TABLE), "curves": _list(TEXT)})),
            "palette": _PALETTE,
        }
    ),
    "rows": _object(
        {
            "ids": _list(INTEGER),
            "labels": _list(TEXT),
            "columns": _map(_list(TEXT)),
            "colors": _map(_map(TEXT)),
            "watch": _list(TEXT),
            "pieces": _map(TEXT),
            "version": TEXT,
        }
    ),
    "frame": None,
    "frame-info": _object(
        {
            "method": TEXT,
            "parameters": {"type": "object"},
            "random_state": MAYBE_INTEGER,
            "axes": _AXES,
            "axes_version": INTEGER,
            "basis_version": MAYBE_INTEGER,
            "noise_floor": MAYBE_NUMBER,
            "trustworthiness": MAYBE_NUMBER,
            "continuity": MAYBE_NUMBER,
            "motion": MAYBE_NUMBER,
            "analyzed_against": MAYBE_INTEGER,
        }
    ),
    "row-metrics": _object({"names": _list(TEXT)}),
    "row-metric": None,
    "row": _object({"row": INTEGER, "label": TEXT, "metrics": _map(MAYBE_NUMBER)}),
    "scalars": _object({"scalars": _series(MAYBE_NUMBER)}),
    "metrics": _object({"metrics": _map(_METRIC)}),
    "curves": _object({"curves": _series(MAYBE_NUMBER)}),
    "neighbors": _object({"row": INTEGER, "label": TEXT, "neighbors": _list(_NEIGHBOR)}),
    "neighbor-changes": _object({"kept": _CHANGES, "gained": _CHANGES, "lost": _CHANGES}),
    "neighbor-timeline": _object({"steps": _list(INTEGER), "neighbors": _list(_FOLLOWED)}),
    "similarities": _object(
        {
            "steps": _list(INTEGER),
            "pairs": _list(_object({"a": INTEGER, "b": INTEGER, "cosines": _list(MAYBE_NUMBER)})),
        }
    ),
    "alerts": _object({"alerts": _list({"type": "object"})}),
    "findings": _object({"findings": _list({"type": "object"})}),
    "clusters": _object(
        {"step": INTEGER, "clusters": _list({"type": "integer", "minimum": -1}), "n_clusters": INTEGER}
    ),
    "compare": _object(
        {"state": {"enum": ["working", "ready"]}},
        optional={
            "done": NUMBER,
            "n_shared": INTEGER,
            "how": {"enum": ["joint", "procrustes"]},
            "axes": _AXES,
            "notes": _list(TEXT),
        },
    ),
    "compare-frame": None,
}
