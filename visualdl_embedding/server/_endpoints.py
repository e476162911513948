"""All addresses of the API, with what each takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from visualdl_embedding.core.neighbors import DISTANCES
from visualdl_embedding.server import _frames, _joint, _neighbors, _row, _studies, _tables
from visualdl_embedding.server._endpoint import Endpoint, Parameter, integer, text
from visualdl_embedding.server._schemas import SCHEMAS

__all__ = ["API_VERSION", "MAX_NEIGHBORS", "endpoints"]

API_VERSION = "1"
MAX_NEIGHBORS = 200

RUN = text("run", "name of a run, as `runs` lists it")
TABLE = text("table", "name of a table; it may hold slashes")
STEP = integer("step", "a stored step")
PROJECTION = text("projection", "key of a stored projection, such as `tsne` or `tsne_3d`")
ROW = integer("row", "position of a row, from 0, as `rows` lists them")
K = integer("k", "how many neighbors", required=False, default=15, low=1, high=MAX_NEIGHBORS)
DISTANCE = text("distance", "how nearness is measured", required=False, default="cosine", choices=DISTANCES)


def _sides() -> tuple[Parameter, ...]:
    return tuple(
        parameter
        for side in ("a", "b")
        for parameter in (
            text(f"run_{side}", f"name of the run on side {side}"),
            text(f"table_{side}", f"name of its table on side {side}"),
            integer(f"step_{side}", f"an analyzed step on side {side}"),
        )
    )


def endpoints(comparisons: _joint.Comparisons) -> tuple[Endpoint, ...]:
    """List the addresses.

    Parameters
    ----------
    comparisons
        Makes joint maps.
    """
    table = (RUN, TABLE)
    frame = (RUN, TABLE, STEP, PROJECTION)
    others = (
        text("other_run", "run to compare with; the same if missing", required=False),
        text("other_table", "table to compare with; the same if missing", required=False),
        integer("other_step", "step to compare with; the same if missing", required=False),
    )
    sides = (*_sides(), PROJECTION)
    how = text(
        "how",
        "the joint map, or the stored maps laid onto one another",
        required=False,
        default="joint",
        choices=("joint", "procrustes"),
    )
    found = (
        ("status", _tables.status, "Changes of anything, cheaply", ()),
        ("runs", _tables.runs, "Runs, tables and steps", ()),
        ("rows", _tables.rows, "The watched rows of a table", table),
        ("frame", _frames.frame, "Coordinates of all rows: float32, row by row", frame),
        ("frame-info", _frames.frame_info, "How a frame was made and how true it is", frame),
        ("row-metrics", _frames.row_metrics, "Names of the numbers that single rows have", (RUN, TABLE, STEP)),
        (
            "row-metric",
            _frames.row_metric,
            "One number of every row: float32",
            (RUN, TABLE, STEP, text("name", "as `row-metrics` lists it")),
        ),
        ("row", _row.row, "All numbers of one row", (RUN, TABLE, STEP, ROW)),
        ("scalars", _tables.scalars, "All scalars of a table over the steps", table),
        ("metrics", _tables.metrics, "What every metric means", ()),
        ("curves", _tables.curves, "What others logged in VisualDL's file", (RUN,)),
        ("neighbors", _neighbors.neighbors, "Exact neighbors in the original space", (*table, STEP, ROW, K, DISTANCE)),
        (
            "neighbor-changes",
            _neighbors.neighbor_changes,
            "Neighbors kept, gained and lost between two steps or runs",
            (*table, STEP, ROW, *others, K, DISTANCE),
        ),
        ("neighbor-timeline", _neighbors.neighbor_timeline, "Neighbors of a row over all steps", (*table, ROW, K)),
        (
            "similarities",
            _neighbors.similarities,
            "Cosines between rows over all steps",
            (*table, Parameter("rows", "2 to 20 positions with commas", "integers")),
        ),
        ("alerts", _tables.alerts, "Alerts of a table, oldest first", table),
        ("findings", _studies.findings, "What is wrong or strange in a snapshot", (RUN, TABLE, STEP)),
        ("clusters", _studies.clusters, "Clusters of the rows in the original space", (RUN, TABLE, STEP)),
        ("compare", partial(_compare, comparisons), "State of the joint map of two snapshots", sides),
        (
            "compare-frame",
            partial(_compare_frame, comparisons),
            "Coordinates of one side of a joint map: float32",
            (*sides, text("side", "which side", choices=("a", "b")), how),
        ),
    )
    return tuple(
        Endpoint(name, handler, summary, SCHEMAS[name], parameters) for name, handler, summary, parameters in found
    )


def _compare(comparisons: _joint.Comparisons, source: Any, asked: Mapping[str, Any]) -> Any:
    return _joint.compare(source, comparisons, asked)


def _compare_frame(comparisons: _joint.Comparisons, source: Any, asked: Mapping[str, Any]) -> Any:
    return _joint.compare_frame(source, comparisons, asked)
