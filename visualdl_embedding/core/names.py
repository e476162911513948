"""Names of scalars in the store, tags in VisualDL's log, and folders on disk.

======================================================  =========================================
tag                                                     what
======================================================  =========================================
``embedding/<table>/<metric>``                          a metric of the snapshot
``embedding/<table>/<method>/<metric>``                 a metric of a projection
``watch <label>/<table>/<metric>``                      a metric of a watched label
``watch <label>/<table>/<method>/<axis>``               its place in a projection
``watch <label>/<table>/group/<group>/share``           share of a group among its neighbors
``group <group>/<table>/<metric>``                      a metric of a group
``stratum <name>/<table>/<metric>``                     a metric of head, torso or tail
``embedding/<table>/<method>/map``                      image
``embedding/<table>/norms``, ``…/displacements``        histograms
``embedding/<table>/alerts``                            text
``<table>/vectors/step_000000100``                      vectors in the High Dimensional page
``<table>/<method>/step_000000100``                     coordinates in the High Dimensional page
======================================================  =========================================

VisualDL rejects ``%`` in a tag and reads ``/`` as a level, so inside a name both are replaced by full-width forms. Its
SCALARS page draws all charts of a first level at once, and with more than about 40 Chromium runs out of memory for the
curves. Therefore every watched label, group and stratum has its own first level.
"""

from __future__ import annotations

from collections.abc import Iterable

from visualdl_embedding.core.text import one_line

__all__ = ["PARTS", "embeddings_tag", "escape", "labels_of", "scalar_key", "step_name", "tag"]

_FULL_WIDTH = str.maketrans({"%": "％", "/": "／", "\\": "＼"})


def escape(name: str) -> str:
    """Escape a table, label or group for use as one level of a tag.

    ``%``, ``/`` and the backslash become full-width; control characters become spaces; an empty name is ``"_"``.

    >>> escape("加息/降息 5%")
    '加息／降息 5％'
    """
    return " ".join(one_line(name.translate(_FULL_WIDTH)).split()) or "_"


def labels_of(names: Iterable[str], labels: Iterable[str | None]) -> list[str]:
    """List the labels whose escaped form is among escaped names; several labels can have one form.

    >>> labels_of(["加息／降息"], ["加息/降息", "加息"])
    ['加息/降息']
    """
    wanted = set(names)
    return [label for label in labels if label and wanted and escape(label) in wanted]


PARTS = ("watch", "group", "stratum")
"""First levels of scalar keys that refer to a subset of the rows, each followed by its name."""


def scalar_key(
    metric: str,
    *,
    method: str | None = None,
    watch: str | None = None,
    group: str | None = None,
    stratum: str | None = None,
) -> str:
    """Key of a scalar within one table, as in ``run.scalars(table)``.

    >>> scalar_key("trustworthiness", method="tsne")
    'tsne/trustworthiness'
    >>> scalar_key("norm", watch="加息")
    'watch/加息/norm'
    """
    named = zip(PARTS, (watch, group, stratum), strict=True)
    parts = [part for first, name in named if name is not None for part in (first, escape(name))]
    return "/".join([*parts, *([] if method is None else [method]), metric])


def tag(table: str, name: str) -> str:
    """VisualDL tag of a scalar key, an image, a histogram or a text of one table.

    >>> tag("encoder/word", scalar_key("norm", watch="加息"))
    'watch 加息/encoder／word/norm'

    >>> tag("encoder/word", "tsne/map")
    'embedding/encoder／word/tsne/map'
    """
    part, _, rest = name.partition("/")
    if part in PARTS:
        label, _, rest = rest.partition("/")
        return f"{part} {label}/{escape(table)}/{rest}"
    return f"embedding/{escape(table)}/{name}"


def step_name(step: int) -> str:
    """Format a step with nine digits, so that names sort like steps.

    >>> step_name(100)
    '000000100'
    """
    return f"{step:09d}"


def embeddings_tag(table: str, kind: str, step: int) -> str:
    """Tag in the High Dimensional page. It includes the step, because VisualDL stores none for embeddings.

    >>> embeddings_tag("word", "vectors", 100)
    'word/vectors/step_000000100'
    """
    return f"{escape(table)}/{kind}/step_{step_name(step)}"
