"""All numbers of one row, read from the places where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from visualdl_embedding.server._endpoint import Answer
from visualdl_embedding.server._source import RunSource
from visualdl_embedding.server._tables import with_missing
from visualdl_embedding.store import DamagedFileError, TensorFile

__all__ = ["row"]

Asked = Mapping[str, Any]


class _ValueFile(TensorFile):
    """Gives single numbers: eight arrays of 1,000,000 rows are 32 MB, eight numbers are eight short reads."""

    def value(self, name: str, position: int) -> float:
        """Read one number of a one-dimensional tensor.

        Raises
        ------
        DamagedFileError
            If the tensor is not there, or has no such position.
        """
        entry = self._entries.get(name)
        if entry is None or len(entry.shape) != 1 or not 0 <= position < entry.shape[0]:
            raise DamagedFileError(self.path, f"the tensor {name!r} has no number for row {position}")
        self._file.seek(entry.start + position * entry.dtype.itemsize)
        return float(np.frombuffer(self._file.read(entry.dtype.itemsize), entry.dtype)[0])


def row(source: RunSource, asked: Asked) -> Answer:
    """Give every number that the analysis of a step has of one row."""
    table = source.table(asked["run"], asked["table"])
    step, position = asked["step"], asked["row"]
    table.check_step(step, analysed=True)
    label = table.label(position)

    def make() -> dict[str, Any]:
        names = table.header(step)["row_metrics"]
        order = table.order(step)
        own = position if order is None else int(order[position])
        answer = {"row": position, "label": label, "metrics": dict.fromkeys(names)}
        if own < 0:
            return with_missing(answer, [f"{label!r} was not watched at step {step}."])
        file = _ValueFile(table.reader.path("analysis", step))
        with file:
            values = {name: file.value(f"row_metrics/{name}", own) for name in names}
        return answer | {"metrics": values}

    return Answer(("row", *table.stamp(step), table.reader.description.rows_version, position), make)
