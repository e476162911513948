"""All endpoints of the API."""

from __future__ import annotations

from visualdl_embedding.core.distance import DISTANCES
from visualdl_embedding.server import _frames, _joint, _neighbors, _studies, _tables
from visualdl_embedding.server._endpoint import Endpoint, Parameter
from visualdl_embedding.server._schemas import SCHEMAS

__all__ = ["API_VERSION", "ENDPOINTS"]

API_VERSION = "1"
MAX_NEIGHBORS = 200

_STEP = Parameter("step", "stored step", "integer")
_PROJECTION = Parameter("projection", "key of a stored projection, such as `tsne` or `tsne_3d`")
_ROW = Parameter("row", "position of a row, from 0, as in `rows`", "integer")
_K = Parameter("k", "number of neighbors", "integer", required=False, default=15, low=1, high=MAX_NEIGHBORS)
_DISTANCE = Parameter("distance", "distance between rows", required=False, default="cosine", choices=DISTANCES)
_HOW = Parameter(
    "how",
    "`joint` for the joint map, `procrustes` for the stored maps aligned with each other",
    required=False,
    default="joint",
    choices=("joint", "procrustes"),
)
_TABLE = (Parameter("run", "name of a run, as in `runs`"), Parameter("table", "name of a table; may contain slashes"))
_MOMENT = (*_TABLE, _STEP)
_FRAME = (*_MOMENT, _PROJECTION)
_OTHER = (
    Parameter("other_run", "run to compare with; by default the same run", required=False),
    Parameter("other_table", "table to compare with; by default the same table", required=False),
    Parameter("other_step", "step to compare with; by default the same step", "integer", required=False),
)
_SIDES = (
    *(
        parameter
        for side in ("a", "b")
        for parameter in (
            Parameter(f"run_{side}", f"name of the run on side {side}"),
            Parameter(f"table_{side}", f"name of the table on side {side}"),
            Parameter(f"step_{side}", f"analyzed step on side {side}", "integer"),
        )
    ),
    _PROJECTION,
)

ENDPOINTS = tuple(
    Endpoint(name, handler, summary, SCHEMAS[name], parameters)
    for name, handler, summary, parameters in (
        ("status", _tables.status, "Revision, which changes with any run", ()),
        ("runs", _tables.runs, "Runs, tables and steps", ()),
        ("rows", _tables.rows, "Watched rows of a table", _TABLE),
        ("frame", _frames.frame, "Coordinates of all rows: float32, row by row", _FRAME),
        ("frame-info", _frames.frame_info, "Parameters and quality of a frame", _FRAME),
        ("row-metrics", _frames.row_metrics, "Names of the metrics of single rows", _MOMENT),
        (
            "row-metric",
            _frames.row_metric,
            "One metric of every row: float32",
            (*_MOMENT, Parameter("name", "name of a metric, as in `row-metrics`")),
        ),
        ("row", _frames.row, "All metrics of one row", (*_MOMENT, _ROW)),
        ("scalars", _tables.scalars, "All scalars of a table by step", _TABLE),
        ("metrics", _tables.metrics, "Descriptions of all metrics", ()),
        ("curves", _tables.curves, "Scalars of other writers in VisualDL's log of a run", _TABLE[:1]),
        ("neighbors", _neighbors.neighbors, "Exact neighbors in the original space", (*_MOMENT, _ROW, _K, _DISTANCE)),
        (
            "neighbor-changes",
            _neighbors.neighbor_changes,
            "Neighbors kept, gained and lost between two steps or runs",
            (*_MOMENT, _ROW, *_OTHER, _K, _DISTANCE),
        ),
        ("neighbor-timeline", _neighbors.neighbor_timeline, "Neighbors of a row at all steps", (*_TABLE, _ROW, _K)),
        (
            "similarities",
            _neighbors.similarities,
            "Cosines between rows at all steps",
            (*_TABLE, Parameter("rows", "positions of 2 to 20 rows, separated by commas", "integers")),
        ),
        ("alerts", _tables.alerts, "Alerts of a table, oldest first", _TABLE),
        ("findings", _studies.findings, "Findings of a snapshot", _MOMENT),
        ("clusters", _studies.clusters, "Clusters of the rows in the original space", _MOMENT),
        ("compare", _joint.compare, "State of the joint map of two snapshots", _SIDES),
        (
            "compare-frame",
            _joint.compare_frame,
            "Coordinates of one side of a joint map: float32",
            (*_SIDES, Parameter("side", "side of the map", choices=("a", "b")), _HOW),
        ),
    )
)
